"""A sum of products, many at a time, which the compiler does not find by itself in short rows."""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir  # type: ignore[import-untyped]  # comes with numba, without types
from numba.core import cgutils as numba_cgutils
from numba.core import types as numba_types
from numba.extending import intrinsic

types: Any = numba_types  # numba ships partial annotations that refuse its own documented calls
cgutils: Any = numba_cgutils

LANES = 8  # 32-bit numbers in one vector


def _dot(_context: Any, a: Any, at: Any, b: Any, begin: Any, blocks: Any) -> Any:
    number = ir.IntType(32)
    vector = ir.VectorType(number, LANES)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first, first_place, second, second_place, count = arguments
        sources = []
        for array, kind, place in ((first, 0, first_place), (second, 2, second_place)):
            data = context.make_array(signature.args[kind])(context, builder, array).data
            sources.append(builder.gep(data, [place]))
        sums = cgutils.alloca_once_value(builder, ir.Constant(vector, None))
        with cgutils.for_range(builder, count) as loop:
            step = builder.mul(loop.index, ir.Constant(loop.index.type, LANES))
            here = [
                builder.bitcast(builder.gep(each, [step]), vector.as_pointer()) for each in sources
            ]
            product = builder.mul(*(builder.load(each, align=4) for each in here))
            builder.store(builder.add(builder.load(sums), product), sums)
        left, size = builder.load(sums), LANES
        while size > 1:
            size //= 2
            halves = [
                ir.Constant(ir.VectorType(number, size), list(range(begin, begin + size)))
                for begin in (0, size)
            ]
            left = builder.add(*(builder.shuffle_vector(left, left, each) for each in halves))
        return builder.extract_element(left, number(0))

    return types.int32(a, at, b, begin, blocks), emit


dot = cast(Callable[[Any, Any, Any, Any, Any], Any], intrinsic(_dot))
"""Sum the products of ``blocks`` x LANES int32, from the n-th of one contiguous array on and from
the m-th of another, counted flat: ``dot(a, n, b, m, blocks)``, in 32 bits, which must suffice.

Inside compiled loops only; all of the numbers must lie in the arrays.
"""
