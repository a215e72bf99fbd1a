"""A small CTF 1.8 trace written by hand: every kind of field, two CPUs."""

import struct
from pathlib import Path

METADATA = """/* CTF 1.8 */
typealias integer { size = 8; align = 8; signed = false; } := u8;
typealias integer { size = 16; align = 8; signed = false; } := u16;
typealias integer { size = 32; align = 8; signed = false; } := u32;
typealias integer { size = 64; align = 8; signed = false; } := u64;
typealias integer { size = 32; align = 8; signed = true; } := i32;
trace {
    major = 1; minor = 8; byte_order = le;
    packet.header := struct { u32 magic; u32 stream_id; };
};
clock { name = c; freq = 1000000000; offset_s = 5; };
typealias integer { size = 64; align = 8; signed = false; map = clock.c.value; } := stamp;
stream {
    id = 0;
    packet.context := struct {
        stamp timestamp_begin; stamp timestamp_end; u64 content_size; u64 packet_size; %s
    };
    event.header := struct { u16 id; stamp timestamp; };
};
event { id = 0; name = "all:kinds"; stream_id = 0; fields := struct {
    i32 value; string text; u16 quad[4];
    floating_point { exp_dig = 11; mant_dig = 53; byte_order = le; align = 8; } real;
    enum : u8 { ONE = 1, TWO = 2 } choice;
    struct { u32 a; u8 b; } pair;
    u32 _words_length; u32 words[_words_length]; } ; };
event { id = 1; name = "bare"; stream_id = 0; };
event { id = 2; name = "plain"; stream_id = 0; fields := struct {
    string text; u8 _raw_length; u8 raw[_raw_length]; }; };
event { id = 3; name = "variant"; stream_id = 0; fields := struct {
    enum : u8 { A = 0, B = 1 } tag; variant <tag> { u8 A; u32 B; } v; }; };
"""


def kinds(text: bytes, words: int) -> tuple[int, bytes, int]:
    """An event "all:kinds": id, its fields as CTF writes them, and the size of its payload."""
    fields = struct.pack("<i", -7) + text + b"\0" + struct.pack("<4HdBIB", 1, 2, 3, 4, 1.5, 2, 9, 8)
    length = 4 + len(text) + 1 + 8 + 8 + 1 + 5 + 4 * words
    return 0, fields + struct.pack(f"<I{words}I", words, *range(words)), length


def plain(text: bytes, raw: bytes) -> tuple[int, bytes, int]:
    """An event "plain"."""
    return 2, text + b"\0" + bytes([len(raw)]) + raw, len(text) + 1 + len(raw)


BARE = (1, b"", 0)
VARIANT = (3, b"\1" + bytes(4), 5)


def write_ctf(
    directory: Path, cpus: list[list[tuple[int, tuple[int, bytes, int]]]], *, with_cpu: bool = True
) -> Path:
    """A trace in `directory`: for each CPU its events as (time in ns, event)."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "metadata").write_text(METADATA % ("u32 cpu_id;" if with_cpu else ""))
    for cpu, events in enumerate(cpus):
        body = b"".join(struct.pack("<HQ", number, t) + fields for t, (number, fields, _) in events)
        size = 8 + 32 + 4 * with_cpu + len(body)
        times = [t for t, _ in events] or [0]
        context = struct.pack("<QQQQ", times[0], times[-1], size * 8, size * 8)
        context += struct.pack("<I", cpu) * with_cpu
        (directory / f"stream_{cpu}").write_bytes(
            struct.pack("<II", 0xC1FC1FC1, 0) + context + body
        )
    return directory
