"""What a server of processes loads before it forks them: everything compiled, nothing open."""

import resource  # noqa: F401  # who becomes another user may not find it any more

from mount import loops

from relaylab.core.prepare import prepare
from relaylab.relayfs import mounting  # noqa: F401  # else each process loads it

prepare()
loops.prepare()
