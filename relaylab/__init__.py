"""relaylab: relayfs of 2005, exact, over shared memory, and shown live.

The engine is in :mod:`relaylab.relayfs`, by relayfs's own names; :mod:`relaylab.jit` is the same
for compiled producers, :mod:`relaylab.workload` says where events come from and
:mod:`relaylab.lab` shows it all.

Importing this package imports nothing heavy: names are resolved when they are first used, so that
``relaylab --help`` answers at once.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relaylab import jit, lab, relayfs, tuning, workload
    from relaylab.core.journal import Kind
    from relaylab.errors import (
        CallbackError,
        ClosedError,
        ConfigError,
        EntryExistsError,
        EventTooLargeError,
        FileError,
        ReentrancyError,
        RelayError,
        ResourceError,
    )
    from relaylab.relayfs.registry import MountInfo, mounts
    from relaylab.relayfs.remote import open_file
    from relaylab.tuning.advice import Advice
    from relaylab.tuning.advise import advise
    from relaylab.tuning.calibration import calibrate
    from relaylab.tuning.doctor import doctor
    from relaylab.tuning.frontier import frontier
    from relaylab.tuning.reader import Reader
    from relaylab.tuning.simulation import Simulation, simulate
    from relaylab.tuning.sweeping import sweep

__version__ = "0.1.0"

__all__ = [
    "Advice",
    "CallbackError",
    "ClosedError",
    "ConfigError",
    "EntryExistsError",
    "EventTooLargeError",
    "FileError",
    "Kind",
    "MountInfo",
    "Reader",
    "ReentrancyError",
    "RelayError",
    "ResourceError",
    "Simulation",
    "__version__",
    "advise",
    "calibrate",
    "doctor",
    "frontier",
    "jit",
    "lab",
    "mounts",
    "open_file",
    "relayfs",
    "simulate",
    "sweep",
    "tuning",
    "workload",
]

_MODULES = frozenset({"jit", "lab", "relayfs", "tuning", "workload"})
_HOME = {
    "Advice": "relaylab.tuning.advice",
    "Kind": "relaylab.core.journal",
    "MountInfo": "relaylab.relayfs.registry",
    "Reader": "relaylab.tuning.reader",
    "Simulation": "relaylab.tuning.simulation",
    "advise": "relaylab.tuning.advise",
    "calibrate": "relaylab.tuning.calibration",
    "doctor": "relaylab.tuning.doctor",
    "frontier": "relaylab.tuning.frontier",
    "mounts": "relaylab.relayfs.registry",
    "open_file": "relaylab.relayfs.remote",
    "simulate": "relaylab.tuning.simulation",
    "sweep": "relaylab.tuning.sweeping",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"relaylab.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'relaylab' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME.get(name, "relaylab.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
