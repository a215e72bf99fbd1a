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
        _client(settings),
        fs=fs,
        rules=settings.rules,
    )
    return fs, channel


def _client(settings: Settings) -> relayfs.Callbacks | None:
    """The client that reserves headers, if the settings want any."""
    if settings.header == 0:
        return None
    return relayfs.Callbacks.reserving(settings.header, settings.store_padding)
