"""The compiled part of reading blktrace files: struct blk_io_trace, record after record.

Little- or big-endian u32 magic (0x65617400 + version), u32 sequence, u64 time in ns, u64 sector,
u32 bytes, u32 action, u32 pid, u32 device, u32 cpu, u16 error, u16 pdu_len; then pdu_len bytes.
(include/uapi/linux/blktrace_api.h)
"""

from typing import Any, Final

from relaylab.core.jit import njit

HEADER: Final = 48  # bytes
_NOTIFY: Final = 1 << (10 + 16)  # BLK_TC_ACT(BLK_TC_NOTIFY)
_MAX_CPU: Final = 65534

MORE, BAD_MAGIC, BAD_VERSION, BAD_TIME, BAD_CPU, BACKWARDS = range(6)


@njit(nogil=True)
def word(data: Any, at: int, n_bytes: int, big: bool) -> int:
    """An unsigned integer of at most 7 bytes."""
    value = 0
    for i in range(n_bytes):
        byte = int(data[at + i])
        value = (value << 8) | byte if big else value | (byte << (8 * i))
    return value


@njit(nogil=True)
def scan(data: Any, at: int, big: bool, last_t: int, t_ns: Any, cpu: Any, size: Any) -> Any:
    """Read whole records from data[at:] until it ends, or one is damaged.

    Returns
    -------
    tuple of int
        Events stored, where it stopped, why (MORE or the damage), time of the last event.
    """
    n = 0
    while len(data) - at >= HEADER:
        magic = word(data, at, 4, big)
        if magic >> 8 != 0x656174:
            return n, at, BAD_MAGIC, last_t
        if magic & 0xFF != 7:
            return n, at, BAD_VERSION, last_t
        length = HEADER + word(data, at + 46, 2, big)
        if len(data) - at < length:
            break
        if not word(data, at + 28, 4, big) & _NOTIFY:
            high = word(data, at + 8 if big else at + 12, 4, big)
            low = word(data, at + 12 if big else at + 8, 4, big)
            if high >> 31:
                return n, at, BAD_TIME, last_t
            now = (high << 32) | low
            on = word(data, at + 40, 4, big)
            if on > _MAX_CPU:
                return n, at, BAD_CPU, last_t
            if now < last_t:
                return n, at, BACKWARDS, last_t
            t_ns[n], cpu[n], size[n] = now, on, length
            last_t = now
            n += 1
        at += length
    return n, at, MORE, last_t
