"""The messages of tracing tools about lost events, one file a tool.

Each has a function `read(text) -> list[Finding]` that finds nothing in the text of others. The
texts are the tools' own, of the releases that the files name; what they mean is told in our words.
"""

from relaylab.tuning.finding import MessageReader
from relaylab.tuning.messages import blktrace, bpftrace, ftrace, lttng, perf, stap

READERS: tuple[MessageReader, ...] = (
    blktrace.read,
    stap.read,
    lttng.read,
    perf.read,
    ftrace.read,
    bpftrace.read,
)
