"""How the loops of this package are compiled: once per machine, then taken from numba's cache."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec, TypeVar, cast

import numba
from llvmlite import ir  # type: ignore[import-untyped]  # comes with numba, without types
from numba.core import cgutils as numba_cgutils
from numba.core import types as numba_types
from numba.extending import intrinsic

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)
types: Any = numba_types  # numba ships partial annotations that refuse its own documented calls
njit: Any = numba.njit
cgutils: Any = numba_cgutils


def read_only(dtype: Any, ndim: int) -> Any:
    """Return the type of a C-contiguous array that is only read, so memory maps are welcome."""
    return types.Array(dtype, ndim, "C", readonly=True)


def compiled(signature: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile a loop for one signature at import, without the interpreter's lock.

    The machine code is cached in NUMBA_CACHE_DIR if that is set and writable, else in
    ``__pycache__`` beside the source, else in the user's cache folder. Where none of them can be
    written (a read-only image without a home) it is compiled once per process. A shared temporary
    folder is never used: what lies in the cache is executed.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        options = {"nogil": True, "boundscheck": False}
        try:
            loop = njit([signature], cache=True, **options)(function)
        except (RuntimeError, OSError) as error:
            if isinstance(error, RuntimeError) and "no locator available" not in str(error):
                raise
            _say_once()
            loop = njit([signature], **options)(function)
        return cast(Callable[P, R], loop)

    return decorate


@cache
def _say_once() -> None:
    logger.warning(
        "matching: no writable cache for compiled code, compiling in every process; "
        "set NUMBA_CACHE_DIR to a folder only this user can write"
    )


def _popcount(_context: Any, word: Any) -> Any:
    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), emit


popcount = cast(Callable[[Any], int], intrinsic(_popcount))
"""The number of set bits of a 64-bit word; one machine instruction, inside compiled loops only."""


def _prefetch(_context: Any, array: Any, at: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        place = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        read, keep, of_data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(ask, [place, read, keep, of_data])
        return context.get_dummy_value()

    return types.void(array, at), emit


prefetch = cast(Callable[[Any, Any], None], intrinsic(_prefetch))
"""Ask for the memory of the n-th number of a contiguous array, counted flat, without waiting.

Inside compiled loops only. A place outside the array is never read: the processor ignores it.
"""
