"""Arrays for kernels as numbers: where each begins in memory. A kernel for so many arrays would be
another for each number of them, and
to cut arrays out of larger ones, in their shapes, takes long to compile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.np.arrayobj import populate_array

from refboot.arrays import Floats, Ints
from refboot.kernels.jit import inlined, jit
from refboot.kernels.memory import LINE
from refboot.kernels.vectors import INDEX, intrinsic


def places(arrays: Sequence[Sequence[Floats]]) -> Ints:
    """Where each float32 array, without gaps, begins, in rows; whoever asks holds them as long as
    the numbers are used.
    """
    return np.array(
        [[_place(x if x.ndim == 1 else x.ravel(order="K")) for x in some] for some in arrays],
        np.int64,
    )


@jit
def _place(x):  # type: ignore[no-untyped-def]
    """NumPy's own ways to tell take seven times as long."""
    return x.ctypes.data


def _cut(kind: Any, axes: int) -> Any:
    """The intrinsic that gives the array of so many axes, of numbers of one kind, that begins at a
    place.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def cut(typing: Any, place: types.Integer, shape: types.UniTuple) -> Any:
        """The array of this shape that begins at `place`, without gaps."""
        return types.Array(kind, axes, "C")(
            place, shape
        ), lambda context, builder, signature, args: _array(context, builder, signature, *args)

    return cut


def _new(kind: Any, axes: int) -> Any:
    """The intrinsic that gives a new array. (np.empty is compiled anew for each number of axes and
    each kind.)
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def new(typing: Any, shape: types.UniTuple) -> Any:
        """An array of this shape, without values."""
        return types.Array(kind, axes, "C")(shape), _new_code

    return new


def _new_code(
    context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]
) -> ir.Value:
    size = INDEX(_width(context, signature))
    for length in cgutils.unpack_tuple(builder, args[0]):
        size = builder.mul(size, length)
    held = context.nrt.meminfo_alloc_aligned(builder, size, ir.IntType(32)(LINE))
    return _array(
        context, builder, signature, context.nrt.meminfo_data(builder, held), args[0], held
    )


def _array(
    context: Any,
    builder: ir.IRBuilder,
    signature: Any,
    place: ir.Value,
    sizes: ir.Value,
    held: ir.Value | None = None,
) -> ir.Value:
    array, width = (
        context.make_array(signature.return_type)(context, builder),
        _width(context, signature),
    )
    shape, strides = cgutils.unpack_tuple(builder, sizes), [INDEX(width)]
    for size in shape[:0:-1]:
        strides.insert(0, builder.mul(strides[0], size))
    kind = array.data.type
    data = builder.inttoptr(place, kind) if place.type == INDEX else builder.bitcast(place, kind)
    populate_array(
        array, data=data, shape=shape, strides=strides, itemsize=INDEX(width), meminfo=held
    )
    return array._getvalue()


def _width(context: Any, signature: Any) -> int:
    """Bytes of a number of the array that is returned."""
    return int(context.get_abi_sizeof(context.get_data_type(signature.return_type.dtype)))


floats, floats2, floats3 = (_cut(types.float32, axes) for axes in (1, 2, 3))
doubles, doubles2, doubles3 = (_cut(types.float64, axes) for axes in (1, 2, 3))
numbers, numbers2, shorts3 = _cut(types.int64, 1), _cut(types.int64, 2), _cut(types.int16, 3)
signed_bytes2, plain_bytes2 = _cut(types.int8, 2), _cut(types.uint8, 2)
plain_bytes = _cut(types.uint8, 1)
flags, flags2 = _cut(types.boolean, 1), _cut(types.boolean, 2)
ints = _cut(types.int32, 1)
new_floats, new_floats2, new_floats3 = (_new(types.float32, axes) for axes in (1, 2, 3))
new_numbers, new_numbers2 = (_new(types.int64, axes) for axes in (1, 2))
new_bytes = _new(types.uint8, 1)
new_ints, new_shorts, new_shorts2 = _new(types.int32, 1), _new(types.int16, 1), _new(types.int16, 2)


@inlined
def between(place, low, high):  # type: ignore[no-untyped-def]
    """The float32 from number `low` to `high` of those that begin at a place."""
    return floats(place + 4 * low, (high - low,))
