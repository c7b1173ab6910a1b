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


def _near_lanes(_context: Any, array: Any, at: Any, number: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        short, index = ir.IntType(16), ir.IntType(32)
        lanes = ir.VectorType(short, LANES)
        place = builder.bitcast(builder.gep(data, [arguments[1]]), lanes.as_pointer())
        numbers = builder.load(place, align=2)
        first = builder.insert_element(ir.Constant(lanes, ir.Undefined), arguments[2], index(0))
        every = ir.Constant(ir.VectorType(index, LANES), [0] * LANES)
        apart = builder.xor(numbers, builder.shuffle_vector(first, first, every))
        one = ir.Constant(lanes, [1] * LANES)
        for _ in range(2):  # takes the lowest bit away
            apart = builder.and_(apart, builder.sub(apart, one))
        near = builder.icmp_unsigned("==", apart, ir.Constant(lanes, [0] * LANES))
        return builder.bitcast(near, ir.IntType(LANES))

    return types.uint64(array, at, types.uint16), emit


LANES = 64  # 16-bit numbers compared at once
near_lanes = cast(Callable[[Any, Any, Any], Any], intrinsic(_near_lanes))
"""Compare LANES numbers of a contiguous uint16 array, from the n-th on, with one number.

Bit i of the answer: the i-th of them differs in at most two bits. Inside compiled loops only; all
LANES must lie in the array.
"""


def _some_near(words: int) -> Callable[..., Any]:
    """Return the emitter for known hashes of which ``words``, 2 or 1, are compared."""

    def describe(
        _context: Any, array: Any, at: Any, blocks: Any, query: Any, sure: Any, limit: Any
    ) -> Any:
        number = ir.IntType(64)
        vector = ir.VectorType(number, TOGETHER)

        def spread(builder: Any, values: Any) -> Any:
            """Return ``values``, 2 or 1, over and over."""
            filled = ir.Constant(vector, ir.Undefined)
            for lane in range(TOGETHER):
                index = ir.IntType(32)(lane)
                filled = builder.insert_element(filled, values[lane % len(values)], index)
            return filled

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            known, start, count, asked, certain, most = arguments
            data = context.make_array(signature.args[0])(context, builder, known).data
            first = builder.gep(data, [start])
            pair = range(words)
            queries, sures = (
                spread(builder, [builder.extract_value(each, part) for part in pair])
                for each in (asked, certain)
            )
            limits = spread(builder, [most])
            none = ir.Constant(ir.VectorType(ir.IntType(1), TOGETHER), None)
            found = cgutils.alloca_once_value(builder, none)
            kind = ir.FunctionType(vector, [vector])
            count_bits = cgutils.get_or_insert_function(builder.module, kind, "llvm.ctpop.v4i64")
            with cgutils.for_range(builder, count) as loop:
                step = builder.mul(loop.index, ir.Constant(loop.index.type, TOGETHER * words))
                apart = []
                for part in pair:
                    more = builder.add(step, ir.Constant(step.type, TOGETHER * part))
                    place = builder.bitcast(builder.gep(first, [more]), vector.as_pointer())
                    differing = builder.xor(builder.load(place, align=8), queries)
                    apart.append(builder.call(count_bits, [builder.and_(differing, sures)]))
                distances = apart[0]
                if words == 2:
                    sides = [
                        ir.Constant(ir.VectorType(ir.IntType(32), TOGETHER), list(lanes))
                        for lanes in ((0, 2, 4, 6), (1, 3, 5, 7))
                    ]
                    distances = builder.add(
                        *(builder.shuffle_vector(apart[0], apart[1], each) for each in sides)
                    )
                near = builder.icmp_signed("<=", distances, limits)
                builder.store(builder.or_(builder.load(found), near), found)
            marks = builder.bitcast(builder.load(found), ir.IntType(TOGETHER))
            return builder.icmp_unsigned("!=", marks, ir.Constant(marks.type, 0))

        two = types.UniTuple(types.uint64, 2)
        return types.boolean(array, at, blocks, two, two, types.uint64), emit

    return describe


TOGETHER = 4  # known hashes whose distances are taken at once
some_near_128 = cast(Callable[..., bool], intrinsic(_some_near(2)))
"""Whether one of ``blocks`` x TOGETHER known hashes, of two words each, from the n-th word of a
contiguous array on, is within ``limit`` bits of a query: ``some_near_128(array, n, blocks, query,
sure, limit)``, the query and its bits that count as tuples of two words.

Inside compiled loops only; all of them must lie in the array.
"""
some_near_64 = cast(Callable[..., bool], intrinsic(_some_near(1)))
"""The same of one word each: of the tuples the first alone counts."""


def _lowest(_context: Any, word: Any) -> Any:
    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), emit


lowest = cast(Callable[[Any], Any], intrinsic(_lowest))
"""The place of the lowest set bit of a 64-bit word that is not 0; inside compiled loops only."""


def _first_eight(_context: Any, array: Any, at: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        word = ir.IntType(64)
        place = builder.bitcast(builder.gep(data, [arguments[1]]), word.as_pointer())
        return builder.bswap(builder.load(place, align=1))

    return types.uint64(array, at), emit


first_eight = cast(Callable[[Any, Any], Any], intrinsic(_first_eight))
"""Eight bytes of a contiguous uint8 array, from the n-th on, as a number that orders as they do.

Inside compiled loops only, on little-endian processors; all eight must lie in the array.
"""
