"""Traces in the Common Trace Format, as LTTng writes them, read through babeltrace2."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from relaylab.errors import ConfigError
from relaylab.workload.babeltrace import PROGRAM, babeltrace
from relaylab.workload.ctffields import read_metadata
from relaylab.workload.gather import Gathered
from relaylab.workload.scan.codes import BABELTRACE
from relaylab.workload.tracetext import EventSize, Names, read_text

_MOST_ENTRIES: Final = 100_000  # of a directory that are looked at
_PATIENCE_S: Final = 15.0
_INDEXED: Final = 20e6  # bytes a second: it looks at all packets before it prints
_OVERHEAD: Final = 10  # bytes of an event besides its payload, for the progress alone


def is_ctf(directory: Path) -> bool:
    """Whether there is a CTF trace in or below this directory."""
    return next(_metadata_files(directory), None) is not None


def _metadata_files(directory: Path) -> Iterator[Path]:
    seen = 0
    for where, _, names in os.walk(directory):
        seen += len(names) + 1
        if "metadata" in names:
            yield Path(where) / "metadata"
        if seen > _MOST_ENTRIES:
            return


def read_ctf(directory: Path, events: Gathered, event_size: EventSize | None = None) -> None:
    """The events of all traces in and below a directory, by time.

    Parameters
    ----------
    directory : Path
        Where `metadata` is, or above.
    events : Gathered
        Where they go. Sizes are those of the payload: the fields of an event without the lengths
        of its sequences. Times are the clock's own where all clocks are one that counts ns, else
        since 1970. A packet without `cpu_id` is of CPU 0.
    event_size : int or dict, optional
        For events whose fields do not tell the size: those with variants and nested sequences.

    Raises
    ------
    ConfigError
        babeltrace2 is not installed, or refuses the trace; says why in its words.
    """
    directory = directory.absolute()  # a name that begins with "-" would be an option
    patience_s = _PATIENCE_S + stream_bytes(directory) / _INDEXED
    with babeltrace("-c", "sink.text.details", directory, patience_s=patience_s) as told:
        metadata = read_metadata(told.lines())
        failure = None if metadata.fields else told.failure()
    if failure is not None or not metadata.fields:
        reason = failure or "no event is defined in the metadata"
        events.damaged("metadata", reason, hint="Is this a whole CTF trace?")
        return
    clock = "--clock-cycles" if metadata.counts_ns else "--clock-seconds"
    names = Names(event_size, metadata.fields)
    options = ("--names=scope,context", "--no-delta", clock)
    with babeltrace(*options, directory, patience_s=patience_s) as told:
        read_text(told, events, BABELTRACE, names, default_cpu=-1 if metadata.has_cpu else 0)
        failure = told.failure()
    if failure is not None:
        events.damaged(f"after {events.n_events:,} events", f"{PROGRAM}: {failure}")


def stream_bytes(directory: Path) -> int:
    """How large the trace's streams are."""
    paths = [path.parent.iterdir() for path in _metadata_files(directory)]
    return sum(path.stat().st_size for each in paths for path in each if path.is_file())


def share_read(events: Gathered, of: int) -> float:
    """About how much is read: events and their headers against the size of the streams."""
    return min(1.0, (events.n_bytes + _OVERHEAD * events.n_events) / of) if of else 0.0


def refuse_stream(path: Path) -> ConfigError:
    """The error for a single file of a trace."""
    return ConfigError(
        f"{path.name} is one stream of a CTF trace",
        passed=str(path),
        allowed="the directory with its metadata",
        hint=f"Give {path.parent}.",
    )
