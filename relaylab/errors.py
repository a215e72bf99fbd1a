"""RelayError and its kinds.

Every error says what was passed, what is allowed and what to do next, in its text and as
attributes, and is also the built-in exception that a Python programmer would catch.
"""

import errno as _errno
import reprlib
from collections.abc import Callable
from typing import Any, Self

_PLAIN = (type(None), bool, int, float, str, bytes)
_MISSING: Any = object()

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 120
_short.maxlong = 60


class RelayError(Exception):
    """Base of all errors of relaylab.

    Parameters
    ----------
    what : str
        What is wrong, or the name of the argument or thing that is.
    passed : object, optional
        What was passed. Plain values are kept; of anything else its short repr, so that an error
        never keeps a buffer alive and can always be pickled.
    allowed : str, optional
        What would have been allowed.
    hint : str, optional
        What to do next: a whole sentence.
    """

    def __init__(
        self,
        what: str,
        *,
        passed: object = _MISSING,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.what = what
        self.has_passed = passed is not _MISSING
        self.passed: object = None if not self.has_passed else _plain(passed)
        self.allowed = allowed
        self.hint = hint
        super().__init__(self._text())

    def __str__(self) -> str:
        return self._text()

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[Any, ...], dict[str, Any]]:
        return _rebuild, (type(self), self.what, self._keywords()), self.__dict__

    def _keywords(self) -> dict[str, Any]:
        passed = {"passed": self.passed} if self.has_passed else {}
        return passed | {"allowed": self.allowed, "hint": self.hint}

    def _text(self) -> str:
        text = self.what
        if self.has_passed:
            text += f": got {_shown(self.passed)}"
        if self.allowed is not None:
            text += f"; allowed: {self.allowed}"
        if self.hint is not None:
            text = f"{text.rstrip('.')}. {self.hint}"
        return text


class ConfigError(RelayError, ValueError):
    """A size, count, length, name, cpu or type that is not allowed."""


class EventTooLargeError(RelayError, ValueError):
    """An event longer than what a fresh sub-buffer has room for."""


class ClosedError(RelayError, ValueError):
    """Use of a channel, file or mapping after it was closed."""


class ReentrancyError(RelayError, RuntimeError):
    """A callback called what would change the buffer it was called for."""


class CallbackError(RelayError, RuntimeError):
    """A callback raised, or returned a reserve that is not allowed."""


class _SystemError(RelayError, OSError):
    """The kinds that carry an errno. `str(error)` is the readable text, without "[Errno n]"."""

    def __init__(
        self,
        what: str,
        *,
        errno: int,
        passed: object = _MISSING,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(what, passed=passed, allowed=allowed, hint=hint)
        # OSError.__init__ with one argument leaves these None.
        self.errno = errno
        self.strerror = self._text()
        self.filename = self.passed if isinstance(self.passed, str) else None

    def _keywords(self) -> dict[str, Any]:
        return super()._keywords() | {"errno": self.errno}


class FileError(_SystemError):
    """A path, file or mapping that cannot be used so; `errno` says why."""


class ResourceError(_SystemError):
    """The system refused memory, a descriptor or a socket; `errno` says why."""


class EntryExistsError(_SystemError, FileExistsError):
    """The name exists already; `errno` is EEXIST."""

    def __init__(
        self,
        what: str,
        *,
        errno: int = _errno.EEXIST,
        passed: object = _MISSING,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(what, errno=errno, passed=passed, allowed=allowed, hint=hint)


class _Shown(str):
    """The repr of a value that was not plain; shown as it is, without quotes."""

    __slots__ = ()


def _plain(value: object) -> object:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, _Shown):
        return value
    try:
        return _Shown(_short.repr(value))
    except Exception:  # a repr that fails must not hide the error it was to illustrate
        return _Shown(f"<{type(value).__name__}>")


def _shown(value: object) -> str:
    return str(value) if isinstance(value, _Shown) else _short.repr(value)


def _rebuild(kind: type[Any], what: str, keywords: dict[str, Any]) -> Any:
    return kind(what, **keywords)
