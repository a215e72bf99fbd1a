"""Damaging files at random, and what must hold of whatever comes out."""

import gzip
import random
from pathlib import Path
from typing import Any

import numpy as np

import relaylab
from relaylab import workload


def damaged(data: bytes, chance: random.Random, *, packed: bool | None = None) -> bytes:
    """`data` with some bits turned, some bytes overwritten, doubled or missing, or its end cut."""
    if packed if packed is not None else chance.random() < 0.3:
        data = gzip.compress(data)
    mutable = bytearray(data)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(mutable))
        kind = chance.randrange(4)
        if kind == 0:
            mutable[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            mutable[at : at + 8] = chance.randbytes(8)
        elif kind == 2:
            del mutable[at : at + chance.randrange(64)]
        else:
            mutable[at:at] = mutable[at : at + chance.randrange(200)]
        if not mutable:
            return b""
    if chance.random() < 0.5:
        del mutable[chance.randrange(len(mutable)) :]
    return bytes(mutable)


def loads_or_raises(path: Path, **options: Any) -> None:
    """Whatever the file is, it loads as a sound workload or raises a RelayError."""
    for errors in ("raise", "skip"):
        try:
            load = workload.load(path, errors=errors, **options)
        except relaylab.RelayError as error:
            told = str(error)
        else:
            told = path.name
            assert len(load) > 0
            assert np.all(np.diff(load.t_ns) >= 0)
            assert load.skipped == 0 or errors == "skip"
        assert path.name in told
