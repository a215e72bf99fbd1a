"""The other process of a measurement: it opens mounted files, reads them and says how fast."""

import multiprocessing
import os
import select
import signal
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

import relaylab

_NOTE: Final = 8  # bytes of a note in the pipe
_AT_ONCE: Final = 1 << 20  # bytes asked of the pipe
_LOOK_UP: Final = 64  # sub-buffers between looks at the clock


class ReaderProcess:
    """A fresh Python that does one task after the other; a context manager that ends it.

    Attributes
    ----------
    pipe
        The end to write to of a pipe that its tasks may read: the peer.
    """

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        theirs, self.pipe = context.Pipe(duplex=False)
        self._commands, commands = context.Pipe()
        self._process = context.Process(target=_work, args=(commands, theirs), daemon=True)
        self._process.start()
        theirs.close()
        commands.close()
        return self

    @property
    def pid(self) -> int:
        """Which process it is."""
        assert self._process.pid is not None
        return self._process.pid

    def begin(self, task: Callable[..., Any], *arguments: Any) -> None:
        """Have it do one of the tasks below."""
        self._commands.send((task, arguments))

    def result(self) -> Any:
        """What the task came to; waits until it is done."""
        return self._commands.recv()

    def do(self, task: Callable[..., Any], *arguments: Any) -> Any:
        """Both."""
        self.begin(task, *arguments)
        return self.result()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._commands.close()
        self._process.join(5)
        self._process.terminate()
        self._process.join()
        self.pipe.close()


def _work(commands: Any, pipe: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that measures ends this one
    try:
        while True:
            task, arguments = commands.recv()
            commands.send(task(pipe, *arguments))
    except EOFError:
        pass


# Tasks -----------------------------------------------------------------------------------------


def ready(_pipe: Any) -> None:
    """Be there, with all that a reader needs imported."""
    relaylab.open_file  # noqa: B018


def note_wake_ups(pipe: Any, path: str, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sleep until there is a sub-buffer or a note in the pipe, `count` times each.

    Returns
    -------
    tuple of two ndarrays, int64[count]
        When this process ran again, ns of the monotonic clock: for each sub-buffer, for each note.
    """
    subbufs, notes = np.zeros(count, np.int64), np.zeros(count, np.int64)
    consumed = read = 0
    with relaylab.open_file(path) as file:
        sleep = select.poll()
        sleep.register(file.fileno(), select.POLLIN)
        sleep.register(pipe.fileno(), select.POLLIN)
        while consumed < count or read < count:
            woken = sleep.poll()
            now = time.monotonic_ns()
            for descriptor, _ in woken:
                if descriptor == pipe.fileno():
                    more = len(os.read(descriptor, _AT_ONCE)) // _NOTE
                    notes[read : read + more] = now
                    read += more
                else:
                    more = file.subbufs_produced - consumed
                    subbufs[consumed : consumed + more] = now
                    file.consume(more)
                    consumed += more
    return subbufs, notes


def drain(_pipe: Any, path: str, seconds: float) -> float:
    """Touch every byte of all that is ready, and consume a quarter of the buffer at a time.

    Returns
    -------
    float
        Sub-buffers consumed a second.
    """
    with relaylab.open_file(path) as file, file.mmap() as mapping:
        n = file.n_subbufs
        words = mapping.array.view(np.uint64).reshape(n, -1)
        sleep = select.poll()
        sleep.register(file.fileno(), select.POLLIN)
        first = read = consumed = file.subbufs_consumed
        begin = now = time.perf_counter()
        while now < begin + seconds:
            ready = min(file.subbufs_produced - read, n - read % n)
            touch(words[read % n : read % n + ready])
            read += ready
            if read - consumed >= n // 4 or (ready == 0 and read != consumed):
                file.consume(read - consumed)
                consumed = read
            elif ready == 0:
                file.poll()
                sleep.poll()
            now = time.perf_counter()
    return (consumed - first) / (now - begin)


def iterate(_pipe: Any, path: str, seconds: float) -> float:
    """The same by ``for sub in file.subbufs()``."""
    with relaylab.open_file(path) as file:
        begin = now = time.perf_counter()
        consumed = 0
        for sub in file.subbufs():
            touch(sub.data.view(np.uint64))
            consumed += 1
            if consumed % _LOOK_UP == 0 and (now := time.perf_counter()) > begin + seconds:
                break
    return consumed / (now - begin)


def touch(words: NDArray[np.uint64]) -> int:
    """Read all of it: the exclusive or."""
    return int(np.bitwise_xor.reduce(words.reshape(-1)))


def empty_pipe(pipe: Any, size: int) -> float:
    """Read `size` bytes from the pipe and touch them; bytes a second."""
    room = np.zeros(_AT_ONCE, np.uint8)
    words = room.view(np.uint64)
    received = 0
    begin = time.perf_counter()
    while received < size:
        got = os.readv(pipe.fileno(), [room.data])
        touch(words[: got // 8])
        received += got
    return received / (time.perf_counter() - begin)


def follow(_pipe: Any, path: str) -> int:
    """Wait for sub-buffers until the channel is closed; how many came."""
    with relaylab.open_file(path) as file:
        return sum(1 for _ in file.subbufs())


_held: Final[list[Any]] = []


def hold(_pipe: Any, path: str) -> None:
    """Open and map a file, and be idle."""
    file = relaylab.open_file(path)
    _held.extend((file.mmap(), file))


def let_go(_pipe: Any) -> None:
    """Close what `hold` opened."""
    for held in _held:
        held.close()
    _held.clear()
