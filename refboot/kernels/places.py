"""Many arrays for one kernel: as numbers, where each begins in memory. A kernel for so many arrays would be another for each number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from refboot.arrays import Floats, Ints
from refboot.kernels.jit import jit
from refboot.kernels.vectors import intrinsic


def places(arrays: Sequence[Sequence[Floats]]) -> Ints:
    """Where each float32 array, without gaps, begins, in rows; whoever asks holds them as long as the numbers are used."""
    return np.array([[_place(x.ravel(order="K")) for x in some] for some in arrays], np.int64)


@jit
def _place(x):  # type: ignore[no-untyped-def]
    """NumPy's own ways to tell take seven times as long."""
    return x.ctypes.data


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(typing: Any, place: types.Integer) -> Any:
    """`place` as that of a float32."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.float32)(place), code


@jit
def between(place, low, high):  # type: ignore[no-untyped-def]
    """The float32 from number `low` to `high` of those that begin at a place."""
    return numba.carray(_pointer(place + 4 * low), high - low)  # type: ignore[attr-defined]


@jit
def matrix(place, rows, columns):  # type: ignore[no-untyped-def]
    """The float32 array (rows, columns) that begins at a place."""
    return numba.carray(_pointer(place), (rows, columns))  # type: ignore[attr-defined]
