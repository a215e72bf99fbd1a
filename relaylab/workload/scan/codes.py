"""What the compiled readers of text tell: why they stopped, and where."""

from typing import Final

TRACER, BLKPARSE, BABELTRACE = range(3)
"""What a line looks like."""

MORE, NEW_NAME, NO_SIZE, FOREIGN, BAD_TIME, NO_CPU, BAD_CPU, BACKWARDS, BAD_FIELDS = range(9)
"""Why `scan` stopped: at the end, at a name to be told about, or at damage."""

EVENT: Final = 0
NOTHING: Final = -1
"""What a line is, if it is not damaged: an event, or what may stand between events."""

N, AT, LINES, NAME, NAME_END, LAST_T, NOW, DAY = range(8)
"""What `scan` tells, by index."""

BY_FIELDS: Final = -1
BY_TEXT: Final = -2
UNKNOWN: Final = -3
"""How to tell the size of the events of a name, where it is not the same for all: by the template
of their fields; from the text if that has strings and bytes alone; not at all."""

FIXED, LENGTH, ARRAY, STRING = range(4)
"""Kinds of fields in a template."""

MAX_CPU: Final = 65534
MAX_SIZE: Final = 2**31 - 1
