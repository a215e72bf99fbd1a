"""relay_open: a channel's files and buffers, all of them or none."""

from __future__ import annotations

from errno import EMFILE, ENOMEM
from functools import partial
from typing import Any

from relaylab.channel import Channel, ChannelBuffer, arguments
from relaylab.channel.callbacks import Client, register
from relaylab.core.memory import ChannelMemory
from relaylab.errors import ResourceError
from relaylab.relayfs import names
from relaylab.relayfs.filesystem import Directory, RelayFS


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
    followed = arguments.rules(rules)
    digits = len(str(fs.n_cpus - 1))
    base = names.checked("base", base, extra=digits, may_be_empty=True)
    directory = fs.directory(parent)
    files = [f"{base}{cpu}" for cpu in range(fs.n_cpus)]
    for name in files:
        fs.refuse_existing(directory, name)
    client = register(callbacks, shape[0])
    memory = _allocate(fs.n_cpus, shape, overwriting, followed)
    buffers = [
        ChannelBuffer(f"{directory.path}{name}", part, client, partial(fs.remove, directory, name))
        for name, part in zip(files, memory.buffers, strict=True)
    ]
    channel = Channel(
        base,
        buffers,
        overwrite=overwriting,
        rules=rules,
        shape=shape,
        callbacks=callbacks,
        client=client,
        journal=memory.journal.journal,
        on_close=fs.forget,
    )
    del memory  # the buffers keep it: an error's traceback must not
    _begin(fs, directory, files, buffers, client, channel)
    return channel


def _allocate(n_cpus: int, shape: tuple[int, int], overwrite: bool, rules: int) -> ChannelMemory:
    try:
        return ChannelMemory(n_cpus, *shape, overwrite, rules)
    except (OSError, MemoryError) as error:
        number = getattr(error, "errno", None) or ENOMEM
        hints = {
            EMFILE: "Close channels and files you no longer need, or raise the limit (ulimit -n).",
        }
        raise ResourceError(
            "the system refuses the memory of the channel",
            errno=number,
            hint=hints.get(
                number,
                "Take fewer or smaller sub-buffers, fewer CPUs, or raise the limit (ulimit -v).",
            ),
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
        for buffer in buffers[len(started) :]:  # or the channel's descriptors stay open
            buffer._memory.give_back()
        raise
