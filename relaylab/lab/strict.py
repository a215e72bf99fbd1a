"""Reading what was written elsewhere: every key known, every value of its type and in its range."""

import math
from collections.abc import Collection
from typing import Any, Final

from relaylab.errors import ConfigError

HINT: Final = "Change that value."
_REQUIRED: Any = object()


def whole(what: str, value: object, low: int, high: int, unit: str = "") -> int:
    """`value` as a whole number of low .. high, or ConfigError. True and 1.0 are none."""
    if type(value) is not int or not low <= value <= high:
        allowed = f"a whole number, {low} .. {high} {unit}".rstrip()
        raise ConfigError(what, passed=value, allowed=allowed, hint=HINT)
    return value


def number(what: str, value: object, low: float, high: float, unit: str = "") -> float:
    """`value` as a finite number of low .. high, or ConfigError."""
    is_number = type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    if not is_number or not low <= value <= high:  # type: ignore[operator]
        allowed = f"a number, {low:g} .. {high:g} {unit}".rstrip()
        raise ConfigError(what, passed=value, allowed=allowed, hint=HINT)
    return float(value)  # type: ignore[arg-type]


def text(what: str, value: object, most: int) -> str:
    """`value` as a text of at most `most` characters, or ConfigError."""
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        allowed = f"a text of at most {most} characters"
        raise ConfigError(what, passed=value, allowed=allowed, hint=HINT)
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair can be in JSON, and in no file
        raise ConfigError(what, passed=ascii(value), allowed="Unicode text", hint=HINT) from None
    return value


def flag(what: str, value: object) -> bool:
    """`value` as true or false, or ConfigError."""
    if not isinstance(value, bool):
        raise ConfigError(what, passed=value, allowed="true or false", hint=HINT)
    return value


def choice(what: str, value: object, options: Collection[str]) -> str:
    """`value` as one of `options`, or ConfigError."""
    if not isinstance(value, str) or value not in options:
        allowed = ", ".join(f'"{option}"' for option in options)
        raise ConfigError(what, passed=value, allowed=allowed, hint=HINT)
    return value


def items(what: str, value: object, most: int) -> list[Any]:
    """`value` as a list of at most `most` items, or ConfigError."""
    if not isinstance(value, list | tuple) or len(value) > most:
        raise ConfigError(what, passed=value, allowed=f"a list of at most {most}", hint=HINT)
    return list(value)


class Keys:
    """One object of a JSON text: what was not taken from it by the end is not known.

    Parameters
    ----------
    what : str
        What an error calls it.
    value : object
        What was read.
    """

    def __init__(self, what: str, value: object) -> None:
        if not isinstance(value, dict):
            raise ConfigError(what, passed=value, allowed="an object: {...}", hint=HINT)
        self.what = what
        self._left = dict(value)
        self._known: list[str] = []

    def take(self, key: str, default: Any = _REQUIRED) -> Any:
        """The value of a key."""
        self._known.append(key)
        if key in self._left:
            return self._left.pop(key)
        if default is _REQUIRED:
            raise ConfigError(
                f"{self.what} has no {key!r}", allowed=f"a value for {key!r}", hint="Add it."
            )
        return default

    def end(self) -> None:
        """Raise ConfigError if a key is left."""
        for key in self._left:
            allowed = ", ".join(self._known)
            hint = "It may be of a newer relaylab, or misspelt."
            raise ConfigError(f"key of {self.what}", passed=key, allowed=allowed, hint=hint)
