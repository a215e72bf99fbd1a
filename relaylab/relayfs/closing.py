"""What ends with its `with` statement."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class ClosesOnExit:
    """A context manager that closes on exit, which may be done again."""

    def close(self) -> None:
        """Close it; again is fine."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.close()
