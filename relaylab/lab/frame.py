"""One frame: everything a view needs to paint once, as one binary message.

The layout below is the only description of it; ``js/frame.js`` reads the same. All numbers are
little endian, and each section starts at a multiple of 8 bytes:

====================  ==============================================================
section               content
====================  ==============================================================
header                one `HEADER`
cpus                  `CPU` x n_cpus: counters of each buffer
totals                int64 x 12: `TOTALS`, the fields of ``chan.stats`` in their order
samples               float64 x n_samples x n_columns: `COLUMNS`, newest last
records               `RECORD` x n_records: transitions from the journal, newest last
cell index            uint32 x n_cells: cpu * n_subbufs + sub-buffer
cell fill             uint16 x n_cells: bytes used, in 65535ths of the sub-buffer
cell padding          uint16 x n_cells: padding, likewise
cell commit           uint16 x n_cells: committed bytes, likewise
cell state            uint8 x n_cells: `CellState`, and `WATCHED`
text                  UTF-8 JSON of text_bytes bytes: caption, position, inspector ...
memory                the inspected sub-buffer's first memory_bytes bytes
====================  ==============================================================

A frame with `FULL` set holds every cell and the whole history of samples; any other only what
changed since the frame before it.
"""

import json
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MAGIC: Final = b"RLF1"

STATUSES: Final = ("idle", "running", "paused", "closed", "disconnected", "error")

TOTALS: Final = (
    "written",
    "written_bytes",
    "lost_full",
    "lost_unfull",
    "lost_too_large",
    "lost_bytes",
    "overwritten_subbufs",
    "overwritten_unread_subbufs",
    "switches",
    "delivered",
    "wakeups",
    "high_water",
)

LINES: Final = 8
"""Occupancy lines a sample holds: one a CPU up to 8 CPUs; else fullest, mean and emptiest."""

COLUMNS: Final = (
    "t_s",
    *(f"occupancy_{i}" for i in range(LINES)),
    "offered",
    "written",
    "lost_full",
    "lost_unfull",
    "lost_too_large",
    "overwritten_unread",
    "read",
    "padding",
    "full",
    "unfull",
    "delivered",
    "flushed",
)
"""Columns of a sample: seconds; the most sub-buffers that waited since the sample before; events
(overwritten: sub-buffers) a second, `read` from the sub-buffers consumed and how many events one
holds in the mean; the share of padding in what was produced; then, since the
sample before, the shares of time in which CPUs were full and unfull, averaged over the CPUs, and
how often sub-buffers were delivered and buffers flushed."""


class CellState(IntEnum):
    """What a sub-buffer is for a person who looks at it."""

    EMPTY = 0
    WRITING = 1
    READY = 2
    READING = 3
    OVERWRITTEN = 4
    FULL = 5


WATCHED: Final = 0x80
"""Set in a cell's state if a reader that only watches looks at it."""


class FrameFlag(IntFlag):
    """Bits of a header's flags."""

    FULL = 1
    OVERWRITE = 2
    VIRTUAL = 4
    ATTACHED = 8
    COMMITS = 16  # writers commit: what is used and not committed was reserved only


class CpuFlag(IntFlag):
    """Bits of a CPU's flags."""

    UNFULL = 1
    FINALIZED = 2
    FULL = 4
    EMPTY = 8


HEADER: Final = np.dtype(
    [
        ("magic", "S4"),
        ("seq", "<u4"),
        ("sent_ms", "<f8"),  # Unix time, milliseconds
        ("t_s", "<f8"),  # the session's own clock; virtual time in virtual mode
        ("generation", "<u4"),  # counts opens: a view starts afresh when it changes
        ("flags", "<u4"),
        ("status", "<u4"),
        ("n_cpus", "<u4"),
        ("n_subbufs", "<u4"),
        ("subbuf_size", "<u4"),
        ("n_samples", "<u4"),
        ("n_columns", "<u4"),
        ("n_records", "<u4"),
        ("skipped", "<u4"),  # journal records not shown since the frame before
        ("n_cells", "<u4"),
        ("text_bytes", "<u4"),
        ("memory_bytes", "<u4"),
        ("reserved", "<u4"),
    ]
)

CPU: Final = np.dtype(
    [
        ("produced", "<i8"),
        ("consumed", "<i8"),
        ("written", "<i8"),
        ("lost", "<i8"),
        ("offset", "<u4"),
        ("data_index", "<u4"),
        ("reading", "<i4"),
        ("refcount", "<i4"),
        ("high_water", "<u4"),
        ("flags", "<u4"),
    ]
)

RECORD: Final = np.dtype(
    [
        ("t_ns", "<i8"),
        ("produced", "<i8"),
        ("value", "<i8"),
        ("subbuf", "<u4"),
        ("cpu", "<u2"),
        ("kind", "<u2"),
    ]
)


@dataclass
class Cells:
    """Sub-buffers as a view draws them; arrays of one length.

    Attributes
    ----------
    index : ndarray of uint32
        cpu * n_subbufs + sub-buffer.
    fill, padding, commit : ndarray of uint16
        In 65535ths of the sub-buffer.
    state : ndarray of uint8
        `CellState`, and `WATCHED`.
    """

    index: NDArray[np.uint32]
    fill: NDArray[np.uint16]
    padding: NDArray[np.uint16]
    commit: NDArray[np.uint16]
    state: NDArray[np.uint8]

    def changed_since(self, before: "Cells") -> "Cells":
        """The cells that differ from those of the same channel before."""
        differs = (
            (self.fill != before.fill)
            | (self.padding != before.padding)
            | (self.commit != before.commit)
            | (self.state != before.state)
        )
        return Cells(
            self.index[differs],
            self.fill[differs],
            self.padding[differs],
            self.commit[differs],
            self.state[differs],
        )


def no_cells() -> Cells:
    """Cells of a channel that has none."""
    short = np.zeros(0, np.uint16)
    return Cells(np.zeros(0, np.uint32), short, short, short, np.zeros(0, np.uint8))


@dataclass
class Frame:
    """What is painted at once. The attributes are the sections of the module's table."""

    seq: int = 0
    sent_ms: float = 0.0
    t_s: float = 0.0
    generation: int = 0
    flags: FrameFlag = field(default_factory=lambda: FrameFlag(0))
    status: str = "idle"
    n_subbufs: int = 0
    subbuf_size: int = 0
    skipped: int = 0
    cpus: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, CPU))
    totals: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(TOTALS), np.int64))
    samples: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, len(COLUMNS))))
    records: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, RECORD))
    cells: Cells = field(default_factory=no_cells)
    text: dict[str, Any] = field(default_factory=dict)
    memory: bytes = b""


def encode(frame: Frame) -> bytes:
    """The message of a frame.

    Parameters
    ----------
    frame : Frame
        What to send.

    Returns
    -------
    bytes
        The sections of the module's table, one after the other.
    """
    text = json.dumps(frame.text, ensure_ascii=False, separators=(",", ":")).encode()
    header = np.zeros(1, HEADER)
    header["magic"] = MAGIC
    for name in ("seq", "sent_ms", "t_s", "generation", "n_subbufs", "subbuf_size", "skipped"):
        header[name] = getattr(frame, name)
    header["flags"] = int(frame.flags)
    header["status"] = STATUSES.index(frame.status)
    header["n_cpus"] = len(frame.cpus)
    header["n_samples"], header["n_columns"] = frame.samples.shape
    header["n_records"] = len(frame.records)
    header["n_cells"] = len(frame.cells.index)
    header["text_bytes"] = len(text)
    header["memory_bytes"] = len(frame.memory)
    cells = frame.cells
    return b"".join(
        _padded(section)
        for section in (
            header.tobytes(),
            frame.cpus.tobytes(),
            frame.totals.astype("<i8").tobytes(),
            frame.samples.astype("<f8").tobytes(),
            frame.records.tobytes(),
            cells.index.astype("<u4").tobytes(),
            cells.fill.astype("<u2").tobytes(),
            cells.padding.astype("<u2").tobytes(),
            cells.commit.astype("<u2").tobytes(),
            cells.state.astype("<u1").tobytes(),
            text,
            frame.memory,
        )
    )


def decode(message: bytes) -> Frame:
    """The frame of a message; the inverse of `encode`.

    Parameters
    ----------
    message : bytes
        What `encode` returned.

    Returns
    -------
    Frame
        Equal to the one that was encoded.
    """
    at = 0

    def take(dtype: Any, count: int) -> NDArray[Any]:
        nonlocal at
        section = np.frombuffer(message, dtype, count, at)
        at += -(-section.nbytes // 8) * 8
        return section

    header = take(HEADER, 1)[0]
    if header["magic"] != MAGIC:
        raise ValueError(f"not a frame: it starts with {bytes(message[:4])!r}, not {MAGIC!r}")
    n_samples, n_columns, n_cells = (
        int(header[name]) for name in ("n_samples", "n_columns", "n_cells")
    )
    return Frame(
        seq=int(header["seq"]),
        sent_ms=float(header["sent_ms"]),
        t_s=float(header["t_s"]),
        generation=int(header["generation"]),
        flags=FrameFlag(int(header["flags"])),
        status=STATUSES[header["status"]],
        n_subbufs=int(header["n_subbufs"]),
        subbuf_size=int(header["subbuf_size"]),
        skipped=int(header["skipped"]),
        cpus=take(CPU, int(header["n_cpus"])),
        totals=take("<i8", len(TOTALS)),
        samples=take("<f8", n_samples * n_columns).reshape(n_samples, n_columns),
        records=take(RECORD, int(header["n_records"])),
        cells=Cells(
            take("<u4", n_cells),
            take("<u2", n_cells),
            take("<u2", n_cells),
            take("<u2", n_cells),
            take("u1", n_cells),
        ),
        text=json.loads(take("u1", int(header["text_bytes"])).tobytes()),
        memory=take("u1", int(header["memory_bytes"])).tobytes(),
    )


def _padded(section: bytes) -> bytes:
    return section + bytes(-len(section) % 8)
