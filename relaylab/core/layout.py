"""The memory layout of a channel buffer, as structured dtypes.

CONTROL is the shared-memory ABI: what a reader, a viewer or a test may look at. OWN belongs to
the process that writes. All fields are int64 so that compiled and plain Python code compute the
same; what different sides write lies on different cache lines.
"""

from __future__ import annotations

from typing import Final

import numpy as np

LINE: Final = 64  # bytes of a cache line
PAGE: Final = 4096  # relayfs rounds buffers up to whole pages
MAGIC: Final = 0xF0B4A981  # RELAYFS_MAGIC
ABI_VERSION: Final = 2  # of this layout; raise it when a field moves or comes

# Whose switch and consume (control.rules)
RELAYFS: Final = 0  # relayfs of 2005: the event that finds the buffer full no more is lost as well
LINUX: Final = 1  # today's kernel/relay.c: each event tries again, and goes in once there is room


def _lines(*lines: tuple[str, ...]) -> np.dtype[np.void]:
    """An aligned record of int64 fields in which each tuple starts a new cache line."""
    names: list[str] = []
    offsets: list[int] = []
    end = 0
    for line in lines:
        start = -(-end // LINE) * LINE
        names += line
        offsets += [start + 8 * i for i in range(len(line))]
        end = start + 8 * len(line)
    record = {
        "names": names,
        "formats": [np.int64] * len(names),
        "offsets": offsets,
        "itemsize": -(-end // LINE) * LINE,
    }
    return np.dtype(record, align=True)  # type: ignore[call-overload, no-any-return]  # numpy's stub lacks the dict form with align


CONTROL: Final = _lines(
    # constants of the buffer
    ("magic", "version", "cpu", "subbuf_size", "n_subbufs", "alloc_size", "overwrite", "rules"),
    # the writer's, touched by every event; `data_start` is the data pointer, bytes from the begin;
    # settled_bytes + offset are the bytes written
    ("offset", "data_start", "finalized", "start_reserve", "written", "settled_bytes"),
    # the writer's, touched by a switch; `opened` counts the sub-buffers begun since the last reset
    # but for the first: sub-buffer s of the sequence is whole as long as opened < s + n_subbufs
    ("produced", "epoch", "switches", "delivered", "high_water", "wakeups", "opened"),
    # the consumers'
    ("consumed", "unfull"),
    # what orders a switch against consumers: odd while somebody changes what they share
    ("edge",),
    # losses
    (
        "lost_full",
        "lost_unfull",
        "lost_too_large",
        "lost_bytes",
        "overwritten_subbufs",
        "overwritten_unread_subbufs",
    ),
)
"""The control block of one buffer; padding (uint32[n_subbufs]) and commit (the same) follow it."""

OWN: Final = _lines(
    # addresses in this process
    ("handle", "control", "bytes", "padding", "commit", "journal", "eventfd"),
    # the client's callbacks: how each is called, and with what
    (
        "start_mode",
        "deliver_mode",
        "full_mode",
        "start_pointer",
        "deliver_pointer",
        "full_pointer",
        "reserve",
        "store_padding",
    ),
    # the lock of relay_write: the identity of the thread that holds it, else 0
    ("lock",),
    # somebody is to be woken at the next switch
    ("armed",),
    # who: the readers of other processes, see listeners
    ("listeners", "n_listeners", "waking"),
    # the operation under way, which a Python callback may interrupt
    ("operation", "event", "length", "granted", "cause", "locked"),
    # what that callback is asked
    ("asked", "asked_subbuf", "asked_prev", "asked_has_prev"),
    # what callbacks did wrong, and the thread that runs a compiled one
    ("error", "error_value", "error_thread", "callback_thread"),
    # the run of losses that the journal is being told about
    ("loss_after", "loss_record", "loss_length"),
)
"""What only the writing process needs of one buffer. Its address is the handle."""

LISTENER: Final = _lines(("armed", "wake", "place"))
"""A reader of another process that may sleep: whether it is to be woken, by what, and the address
of its place at the desk, or 0."""

MAX_LISTENERS: Final = PAGE // LISTENER.itemsize  # of one buffer

LETTERBOX: Final = _lines(
    # the reader's: how many letters it has posted; what the last one asks for
    ("posts", "asks", "first", "second"),
    # the owner's: how many it has answered; the reader's: whether it sleeps until that grows
    ("answered", "waiting"),
)
"""The one page that a reader in another process may write to."""

DESK: Final = _lines(("state", "letterbox", "handle", "answered", "listener"))
"""What the owner knows of one such reader."""

RECORD: Final = np.dtype(
    [(name, np.int64) for name in ("t_ns", "kind", "cpu", "subbuf", "produced", "value")],
    align=True,
)
"""One record of the journal. `t_ns` is of the monotonic clock, in nanoseconds."""

JOURNAL: Final = _lines(("capacity", "records"), ("edge", "head"))
"""The journal's header: how many records its ring holds, their address, how many were written."""

LANE: Final = _lines(
    # the buffer's handle; the next event, the one after the last
    ("handle", "next", "end"),
    # the first event that does not fit, when it comes, and the bytes of those before it
    ("bound", "when", "promised"),
    # 1: all events are lost until something is consumed; bytes read of the oldest sub-buffer
    ("blocked", "taken"),
    # padding of all sub-buffers produced, the last run of losses, when each sub-buffer was produced
    ("padding", "last_run", "produced_at", "n_produced_at"),
    # how far losses have put its writer behind; the next pause in which it catches up, and the
    # last, as numbers of `pauses`
    ("behind", "pause", "end_of_pauses"),
)
"""What the simulator keeps of one CPU."""

SCENE: Final = _lines(
    # lanes that share a reader, and all their events
    ("lanes", "n_lanes", "t_ns", "sizes", "sums", "n_events"),
    # what each event takes beyond its size; whether some are too large or without bytes; the
    # flush timer
    ("overhead", "odd", "flush_every", "next_flush", "last_ns"),
    # the reader
    ("kind", "latency", "per_subbuf", "ns_per_mib", "period", "phase", "sleep", "late", "stream"),
    # what it does, until when, for which lane
    ("act", "due", "who", "cursor", "wakeups", "reads"),
    # the read under way
    ("begin", "until", "total", "left", "step"),
    # instants that were given to it; when writers keep it from running
    ("schedule", "n_schedule", "busy", "n_busy", "busy_at"),
    # what a lost event holds its writer up; the events before which there is a pause
    ("stall", "pauses", "n_pauses"),
    # what is recorded
    ("record", "runs", "n_runs", "latencies", "n_latencies"),
)
"""A simulation: all fields are numbers or addresses of arrays."""


def offset_of(record: np.dtype[np.void], field: str) -> int:
    """Bytes from the start of `record` to `field`."""
    fields = record.fields
    assert fields is not None
    return int(fields[field][1])


def words_of(record: np.dtype[np.void]) -> dict[str, int]:
    """Where the fields of `record` are in it as int64 words, in their order."""
    return {name: offset_of(record, name) // 8 for name in record.names or ()}


def control_size(n_subbufs: int) -> int:
    """Bytes of a control block with its padding and commit arrays, rounded up to whole pages."""
    return -(-(CONTROL.itemsize + 8 * n_subbufs) // PAGE) * PAGE


def alloc_size(subbuf_size: int, n_subbufs: int) -> int:
    """Bytes of a buffer: all sub-buffers, rounded up to whole pages (relay_alloc_rchan_buf)."""
    return -(-(subbuf_size * n_subbufs) // PAGE) * PAGE
