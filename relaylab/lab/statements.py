"""The statements of a function's source: which lines belong together, which decide a branch."""

import ast
import linecache
from dataclasses import dataclass
from functools import cache
from types import CodeType


@dataclass(frozen=True)
class Source:
    """The source of one function.

    Attributes
    ----------
    name, module : str
        `module` is the file's name without its ending.
    summary : str
        The first line of its docstring.
    lines : dict of int to str
        The body by line number, without the docstring and without the common indentation.
    first_of : dict of int to int
        The first line of the statement that a line is part of. Comments count with what follows.
    branches : dict of int to int
        The first line of what a test leads to, by the first line of the test.
    """

    name: str
    module: str
    summary: str
    lines: dict[int, str]
    first_of: dict[int, int]
    branches: dict[int, int]


@cache
def source_of(code: CodeType) -> Source:
    """The source of the function that has this code."""
    path = code.co_filename
    function = _functions(path)[code.co_firstlineno]
    docstring = ast.get_docstring(function) or ""
    body = function.body[1:] if docstring else function.body
    first_of: dict[int, int] = {}
    branches: dict[int, int] = {}
    for statement in body:
        _take(statement, first_of, branches)
    begin, end = min(first_of), function.end_lineno or 0
    begin = _with_comments(path, begin, function.body[0].end_lineno if docstring else None)
    numbers = range(begin, end + 1)
    following = end
    for number in reversed(numbers):
        following = first_of.setdefault(number, following)
    texts = {number: linecache.getline(path, number).rstrip() for number in numbers}
    indent = min(len(text) - len(text.lstrip()) for text in texts.values() if text)
    return Source(
        name=function.name,
        module=path.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".py"),
        summary=docstring.partition("\n")[0],
        lines={number: text[indent:] for number, text in texts.items()},
        first_of=first_of,
        branches=branches,
    )


@cache
def _functions(path: str) -> dict[int, ast.FunctionDef]:
    """The functions of a file by the line their code begins with, which is a decorator's."""
    tree = ast.parse("".join(linecache.getlines(path)))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {min([node.lineno, *(d.lineno for d in node.decorator_list)]): node for node in found}


def _take(statement: ast.stmt, first_of: dict[int, int], branches: dict[int, int]) -> None:
    """Note the lines of a statement, and of what it contains."""
    inner: list[ast.stmt] = getattr(statement, "body", [])
    head = [node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.expr)]
    end = max(node.end_lineno or 0 for node in head) if inner else statement.end_lineno
    for number in range(statement.lineno, (end or statement.lineno) + 1):
        first_of[number] = statement.lineno
    if inner:
        if isinstance(statement, ast.If | ast.While):
            branches[statement.lineno] = inner[0].lineno
        for one in [*inner, *getattr(statement, "orelse", [])]:
            _take(one, first_of, branches)


def _with_comments(path: str, begin: int, after: int | None) -> int:
    """Where the comments begin that stand right above the first statement."""
    while begin - 1 > (after or begin) and linecache.getline(path, begin - 1).lstrip()[:1] == "#":
        begin -= 1
    return begin
