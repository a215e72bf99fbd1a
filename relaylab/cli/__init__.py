"""The command line: one file a command.

Everything heavy is imported inside a command's `run`, so that help and shell completion answer at
once.
"""

import sys
from collections.abc import Sequence
from errno import ENOSPC

from relaylab.cli import completion
from relaylab.cli.parser import build_parser
from relaylab.errors import RelayError

INTERRUPTED = 130  # as shells count: 128 + SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; by default those of this process.

    Returns
    -------
    int
        The exit status: 0, 1 when the reader of the output went away, 2 for an error, 130 after
        Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    if words[:1] == [completion.QUESTION]:
        print("\n".join(completion.candidates(parser, words[1:])))
        return 0
    args = parser.parse_args(words)
    if args.run is None:
        parser.print_help()
        return 0
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except RelayError as error:
        print(f"relaylab {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # nobody is left to flush it to
        return 1
    except OSError as error:
        if error.errno != ENOSPC:
            raise
        sys.stdout = None
        print(f"relaylab {args.command}: the output has no room left: {error}", file=sys.stderr)
        return 2
    return status
