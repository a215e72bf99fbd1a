"""`relaylab completion`: scripts for the shells; the answers come from the parser itself."""

import argparse
from collections.abc import Sequence

from relaylab.cli.arguments import Subparsers, add_command

QUESTION = "__complete"  # `relaylab __complete WORDS...`: what may the last word become?

# Where relaylab has no answer, the shells complete file names.
_SCRIPTS = {
    "bash": """\
_relaylab() {
    local IFS=$'\\n'
    COMPREPLY=($(relaylab __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _relaylab relaylab
""",
    "zsh": """\
#compdef relaylab
_relaylab() {
    local -a found
    found=("${(@f)$(relaylab __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -- $found; else _files; fi
}
compdef _relaylab relaylab
""",
    "fish": """\
function __relaylab
    set -l word (commandline -ct)
    set -l found (relaylab __complete (commandline -opc)[2..-1] "$word" 2>/dev/null)
    if test -n "$found"
        printf '%s\\n' $found
    else
        __fish_complete_path "$word"
    end
end
complete -c relaylab -f -a '(__relaylab)'
""",
}

_EXAMPLES = """\
to have it in every new shell:
  bash   echo 'eval "$(relaylab completion bash)"' >> ~/.bashrc
  zsh    echo 'eval "$(relaylab completion zsh)"' >> ~/.zshrc     (after compinit)
  fish   relaylab completion fish > ~/.config/fish/completions/relaylab.fish"""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "completion",
        run,
        summary="print a script that completes commands and options in your shell",
        description="Print a script that completes relaylab's commands and options in your shell.",
        examples=_EXAMPLES,
    )
    parser.add_argument("shell", choices=sorted(_SCRIPTS))


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    print(_SCRIPTS[args.shell], end="")
    return 0


def candidates(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """What the last of `words` may become; nothing where file names or free values go."""
    *before, current = words or [""]
    before_last = before[-1] if before else ""
    for word in before:
        parser = _commands(parser).get(word, parser)
    options = {name: action for action in parser._actions for name in action.option_strings}
    if before_last in options and options[before_last].nargs != 0:
        found = list(map(str, options[before_last].choices or ()))
    elif current.startswith("-"):
        found = list(options)
    else:
        positional = [action for action in parser._actions if not action.option_strings]
        found = [str(choice) for action in positional for choice in action.choices or ()]
    return sorted(word for word in found if word.startswith(current))


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}
