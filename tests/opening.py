"""Opens channels for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from relaylab import relayfs

OpenChannel = Callable[..., relayfs.Channel]


def opener(fs: relayfs.RelayFS, usual_size: int) -> OpenChannel:
    """Opens channels in `fs`: 4 sub-buffers of the usual size, no-overwrite, unless told."""

    def opened(base: str = "t", callbacks: Any = None, **options: Any) -> relayfs.Channel:
        size, n = options.pop("subbuf_size", usual_size), options.pop("n_subbufs", 4)
        overwrite, parent = options.pop("overwrite", False), options.pop("parent", None)
        return relayfs.relay_open(base, parent, size, n, overwrite, callbacks, fs=fs, **options)

    return opened
