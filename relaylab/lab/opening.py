"""A channel of the workbench's own, in a file system of its own."""

from relaylab import relayfs
from relaylab.lab.settings import Settings

_BASE_NAME = "cpu"


def open_own(settings: Settings) -> tuple[relayfs.RelayFS, relayfs.Channel]:
    """Open what the settings say; closing the file system closes the channel."""
    fs = relayfs.RelayFS(n_cpus=settings.n_cpus)
    channel = relayfs.relay_open(
        _BASE_NAME,
        None,
        settings.subbuf_size,
        settings.n_subbufs,
        settings.overwrite,
        None,
        fs=fs,
    )
    return fs, channel
