"""The one way to compile a function of the core, and the disk cache that goes with it.

Numba's own cache looks at the file of the compiled function alone: after a change to a callee in
another file it goes on serving the old code. Here the key is the content of all of `core/`, and of
the function's own directory where that is another.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

Function = TypeVar("Function", bound=Callable[..., Any])


def core_digest() -> str:
    """What identifies the core's code: a hash of the content of its files and Numba's version."""
    return _digest(Path(__file__).parent)


@cache
def _digest(directory: Path) -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(directory.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:20]


@cache
def cache_directory() -> Path:
    """Where compiled code is kept: NUMBA_CACHE_DIR, else the user's cache directory.

    Never inside the package, which may be installed read-only.
    """
    if config.CACHE_DIR:
        root = Path(config.CACHE_DIR)
    elif sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA", tempfile.gettempdir()))
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return _writable(root / "relaylab" / core_digest())


def _writable(directory: Path) -> Path:
    """`directory`, created; a fresh temporary one if that is impossible, for this process alone."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError:
        return Path(tempfile.mkdtemp(prefix="relaylab-jit-"))


class _Locator(_CacheLocator):  # type: ignore[misc]  # Numba is untyped
    """Keeps a function's code below `cache_directory()`, stamped with the digest of its source."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._line = function.__code__.co_firstlineno
        self._stamp = core_digest()
        own = Path(function.__code__.co_filename).parent
        if own != Path(__file__).parent:
            self._stamp += _digest(own)

    def ensure_cache_path(self) -> None:
        cache_directory()

    def get_cache_path(self) -> str:
        return str(cache_directory())

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, function: Callable[..., Any], _path: str) -> _Locator:
        return cls(function)


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]  # Numba is untyped
    _locator_classes = (_Locator,)


class _Cache(FunctionCache):  # type: ignore[misc]  # Numba is untyped
    _impl_class = _Implementation

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:  # a full disk must not stop the engine
            warnings.warn(f"compiled code could not be kept on disk: {error}", stacklevel=2)


def njit(*, nogil: bool = False, hot: bool = False) -> Callable[[Function], Function]:
    """Compile a function at its first call and keep the code on disk.

    One outside the core may call only functions of its own directory and of the core.

    Parameters
    ----------
    nogil
        Release the GIL while the function runs.
    hot
        Inline it into its callers: a part of the path that every event takes.

    Notes
    -----
    With ``NUMBA_DISABLE_JIT=1`` the function stays plain Python: the readable twin.
    """

    def decorate(function: Function) -> Function:
        compiled = numba.njit(nogil=nogil, forceinline=hot, error_model="numpy")(function)
        if not config.DISABLE_JIT:
            compiled._cache = _Cache(function)
        return compiled  # type: ignore[no-any-return]  # Numba is untyped

    return decorate


def entry(function: Any, *arguments: Any) -> Callable[..., Any]:
    """The compiled code of `function` for these Numba types, callable without type dispatch.

    It takes about half the time of a call through Numba's dispatcher and checks nothing: the
    caller passes what the types say.
    """
    return function if config.DISABLE_JIT else function.compile(arguments)  # type: ignore[no-any-return]  # Numba is untyped


def c_address(function: Any, *arguments: Any) -> int:
    """The address of `function`, compiled for these Numba types, as a C function."""
    function.compile(arguments)
    code = function.overloads[arguments]
    return int(code.library.get_pointer_to_function(code.fndesc.llvm_cfunc_wrapper_name))
