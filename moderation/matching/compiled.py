"""How the loops of this package are compiled: once per machine, then taken from numba's cache."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core import types as numba_types
from numba.extending import intrinsic

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)
types: Any = numba_types  # numba ships partial annotations that refuse its own documented calls
njit: Any = numba.njit


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
