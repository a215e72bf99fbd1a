"""Text in blocks of whole lines."""

from collections.abc import Iterator
from typing import Final

from relaylab.workload.gather import Gathered
from relaylab.workload.packed import DAMAGED, Readable

CHUNK: Final = 1 << 20  # bytes: some milliseconds of work, so that an interrupt is answered at once


def line_blocks(
    stream: Readable, events: Gathered, longest: int = CHUNK
) -> Iterator[tuple[int, bytes]]:
    """(number of the first line, whole lines), about a chunk at a time, to the end or to damage.

    Parameters
    ----------
    stream : binary file
        Plain text, or what unpacks it.
    events : Gathered
        Is told of damage and of progress.
    longest : int
        A line longer than this many bytes is taken for damage: the file is no text.
    """
    rest, number = b"", 1
    while True:
        try:
            chunk = stream.read(CHUNK)
        except DAMAGED as error:
            whole = rest.rpartition(b"\n")[0]  # what came before, less the line that the damage cut
            if whole:
                yield number, whole + b"\n"
                number += whole.count(b"\n") + 1
            reason = f"the compressed file is damaged or cut here ({error})"
            events.damaged(f"line {number}", reason)
            return
        if not chunk:
            if rest:
                yield number, rest
            return
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            block = whole + newline
            yield number, block
            number += block.count(b"\n")
        if len(rest) > longest:
            events.damaged(f"line {number}", f"longer than {longest} bytes", hint="Is this a text?")
            return
        events.ticked()
