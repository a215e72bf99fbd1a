"""relay_open: a channel's files and buffers, all of them or none."""

from __future__ import annotations

from functools import partial
from typing import Any

from relaylab.channel import Channel, ChannelBuffer, arguments
from relaylab.channel.callbacks import Client, register
from relaylab.core.memory import BufferMemory, JournalMemory
from relaylab.errors import ConfigError, ResourceError
from relaylab.relayfs import names
from relaylab.relayfs.filesystem import Directory, RelayFS

RULES = ("relayfs",)


def open_channel(
    fs: RelayFS,
    parent: Directory | None,
    base: Any,
    subbuf_size: Any,
    n_subbufs: Any,
    overwrite: Any,
    callbacks: Any,
    rules: Any,
) -> Channel:
    """Check everything, then begin the buffers in ascending order; undo all if that fails."""
    shape = arguments.shape(subbuf_size, n_subbufs)
    overwriting = arguments.flag("overwrite", overwrite)
    if rules not in RULES:
        raise ConfigError("rules", passed=rules, allowed=", ".join(map(repr, RULES)))
    digits = len(str(fs.n_cpus - 1))
    base = names.checked("base", base, extra=digits, may_be_empty=True)
    directory = fs.directory(parent)
    files = [f"{base}{cpu}" for cpu in range(fs.n_cpus)]
    for name in files:
        fs.refuse_existing(directory, name)
    client = register(callbacks, shape[0])
    journal = _allocate(lambda: JournalMemory())
    buffers = [
        _buffer(fs, directory, name, cpu, shape, overwriting, client, journal)
        for cpu, name in enumerate(files)
    ]
    channel = Channel(
        base,
        buffers,
        overwrite=overwriting,
        shape=shape,
        callbacks=callbacks,
        client=client,
        journal=journal.journal,
        on_close=fs.forget,
    )
    _begin(fs, directory, files, buffers, client, channel)
    return channel


def _buffer(
    fs: RelayFS,
    directory: Directory,
    name: str,
    cpu: int,
    shape: tuple[int, int],
    overwrite: bool,
    client: Client,
    journal: JournalMemory,
) -> ChannelBuffer:
    memory = _allocate(lambda: BufferMemory(cpu, *shape, overwrite, journal))
    path = f"{directory.path}{name}"
    return ChannelBuffer(path, memory, client, partial(fs.remove, directory, name))


def _allocate(make: Any) -> Any:
    try:
        return make()
    except (OSError, MemoryError) as error:
        raise ResourceError(
            "the system refuses the memory of the channel",
            errno=getattr(error, "errno", None) or 12,
            hint="Take fewer or smaller sub-buffers, fewer CPUs, or raise the limit (ulimit -v).",
        ) from error


def _begin(
    fs: RelayFS,
    directory: Directory,
    files: list[str],
    buffers: list[ChannelBuffer],
    client: Client,
    channel: Channel,
) -> None:
    """Name and start the buffers in turn: subbuf_start of one runs before the next has a file."""
    started: list[tuple[str, ChannelBuffer]] = []
    try:
        for name, buffer in zip(files, buffers, strict=True):
            fs.add(directory, name, buffer)
            started.append((name, buffer))
            buffer._perform("start", locked=False)
        fs.remember(channel)
    except BaseException:
        client.python.clear()
        for name, buffer in started:
            fs.remove(directory, name, buffer)
            buffer._finalize()
            buffer._drop()
        raise
