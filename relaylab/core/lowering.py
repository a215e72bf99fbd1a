"""How a plain Python function gets its LLVM counterpart.

The plain function runs when the code is not compiled; `lowered_to` tells the compiler what to
emit for its calls. Addresses are int64.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.extending import lower_builtin, type_callable

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
Builder = Any  # llvmlite's IRBuilder; the package is untyped
Value = Any  # an LLVM value

NOTHING = ir.Constant(I8.as_pointer(), None)  # the value of a call that returns none


def lowered_to(
    function: Callable[..., Any], result: Any, *arguments: Any
) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Compile calls of the plain `function` to what the decorated function builds.

    The decorated function takes the context, the IR builder and the argument values.
    """

    def decorate(build: Callable[..., Value]) -> Callable[..., Value]:
        signature = result(*arguments)

        @type_callable(function)  # type: ignore[untyped-decorator]  # Numba is untyped
        def _(_context: Any) -> Any:
            def typer(*given: Any) -> Any:
                return signature if len(given) == len(arguments) else None

            typer.pysig = inspect.signature(function)  # type: ignore[attr-defined]  # Numba's way
            return typer

        @lower_builtin(function, *arguments)  # type: ignore[untyped-decorator]  # Numba is untyped
        def _(context: Any, builder: Builder, _signature: Any, values: Any) -> Any:
            return build(context, builder, *values)

        return build

    return decorate


def pointer_to(builder: Builder, address: Value, pointee: Any = I64) -> Value:
    """`address` as a pointer."""
    return builder.inttoptr(address, pointee.as_pointer())


def external(builder: Builder, name: str, result: Any, *arguments: Any) -> Any:
    """The C function `name`, declared in the module under construction."""
    known = builder.module.globals.get(name)
    if known is not None:
        return known
    return ir.Function(builder.module, ir.FunctionType(result, arguments), name)
