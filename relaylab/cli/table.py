"""Aligned columns for a terminal."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """A head and rows under it; columns of `words` to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            f"{text:<{wide}}" if column in words else f"{text:>{wide}}"
            for column, (text, wide) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
