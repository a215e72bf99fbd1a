"""What playing stops at: the first loss, the next full, unfull or deliver."""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relaylab.core.journal import Kind
from relaylab.errors import ConfigError

_KINDS: Final = {
    "loss": Kind.LOSS,
    "full": Kind.FULL,
    "unfull": Kind.UNFULL,
    "deliver": Kind.DELIVER,
}
_FORM: Final = re.compile(r"(loss|full|unfull|deliver)(?::([0-9]{1,4}))?")
_WHY: Final = {
    "loss": "an event is lost on CPU {cpu}",
    "full": "CPU {cpu} is full, no sub-buffer is free",
    "unfull": "CPU {cpu} is unfull, its next event opens a sub-buffer and is itself lost",
    "deliver": "sub-buffer {subbuf} of CPU {cpu} is delivered",
}

CONDITIONS: Final = '"loss", "full", "unfull" or "deliver", on one CPU as "deliver:3"'
ALLOWED: Final = f'"" for never, {CONDITIONS}'


@dataclass(frozen=True)
class StopAt:
    """A transition to stop at.

    Attributes
    ----------
    what : str
        "loss", "full", "unfull" or "deliver"; "" is never.
    cpu : int or None
        On which CPU; None for any.
    """

    what: str = ""
    cpu: int | None = None

    @classmethod
    def parse(cls, text: str) -> "StopAt":
        """From "loss", "deliver:3" and the like; "" is never.

        Raises
        ------
        ConfigError
            Something else.
        """
        if text == "":
            return cls()
        found = _FORM.fullmatch(str(text))
        if found is None:
            raise ConfigError("stop condition", passed=text, allowed=ALLOWED)
        return cls(found[1], None if found[2] is None else int(found[2]))

    def __str__(self) -> str:
        return self.what if self.cpu is None else f"{self.what}:{self.cpu}"

    def __bool__(self) -> bool:
        return bool(self.what)

    def fits(self, n_cpus: int) -> bool:
        """Whether a channel of so many CPUs has that CPU."""
        return self.cpu is None or self.cpu < n_cpus

    def reason(self, records: NDArray[np.void]) -> str:
        """Why to stop at these journal records, a sentence; "" if there is no reason to."""
        if not self.what:
            return ""
        wanted = records["kind"] == _KINDS[self.what]
        if self.cpu is not None:
            wanted &= records["cpu"] == self.cpu
        found = np.flatnonzero(wanted)
        if not len(found):
            return ""
        first = records[found[0]]
        why = _WHY[self.what].format(cpu=int(first["cpu"]), subbuf=int(first["subbuf"]))
        return f"Stopped: {why}."
