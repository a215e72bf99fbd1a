"""Files that a page offers for download: made by the kernel, sent as one binary message."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Export:
    """A file that can be asked for.

    Attributes
    ----------
    name : str
        "journal.csv": what it is asked for by, and the file's name.
    media_type : str
    make : callable
        ``make(session)``: its bytes, on the session's thread.
    """

    name: str
    media_type: str
    make: Callable[[Any], bytes]


_ALL: Final[dict[str, Export]] = {}


def offer(name: str, media_type: str, make: Callable[[Any], bytes]) -> None:
    """Let pages ask for one more file; js/exports.js has the entry in the menu."""
    _ALL[name] = Export(name, media_type, make)


def find(name: str) -> Export | None:
    """The file of that name, or None if it is not offered."""
    return _ALL.get(name)


def _csv(table: str) -> Callable[[Any], bytes]:
    def make(session: Any) -> bytes:
        from relaylab.lab.record import csv_bytes  # pandas is loaded when it is needed

        return csv_bytes(getattr(session.record(), table))

    return make


def _parquet(table: str) -> Callable[[Any], bytes]:
    def make(session: Any) -> bytes:
        from relaylab.lab.record import parquet_bytes

        return parquet_bytes(getattr(session.record(), table))

    return make


def _session(session: Any) -> bytes:
    scenario = session.scenario()
    return bytes(scenario.to_json().encode())


offer("session.json", "application/json", _session)

for _table in ("journal", "series"):
    offer(f"{_table}.csv", "text/csv", _csv(_table))
    offer(f"{_table}.parquet", "application/vnd.apache.parquet", _parquet(_table))
