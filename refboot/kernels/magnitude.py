"""The size of arrays: of their largest number, in one pass that also finds NaN and infinity, and
their sums of squares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels.jit import jit
from refboot.kernels.layout import SMALL, axes_of, flat, over_elements
from refboot.kernels.places import between, doubles, numbers, places
from refboot.kernels.tile import dot
from refboot.kernels.together import Work, plan_for, share
from refboot.threads import PARTS

PIECE = 1 << 12  # elements summed in float32
LARGEST = float(np.finfo(np.float32).max)


def largest(x: Floats) -> float:
    """The largest |x|, NaN or infinity where x has such; any shape and order, float32, 0 for an
    empty x.
    """
    bits, found = flat(x, axes_of(x)).view(np.int32), [0]
    over_elements(bits.size, lambda part: found.append(_largest_bits(bits[part])))
    return float(np.int32(max(found)).view(np.float32))


def farthest(state: Ints) -> float:
    """The largest |state|, int64; of an array that is one number held for all, as a neuron's rest
    is, without looking at each.
    """
    return (
        abs(float(state.flat[0]))
        if not any(state.strides)
        else float(max(state.max(), -state.min()))
    )


def squares(arrays: Sequence[Floats]) -> list[float]:
    """The sum of the squares of each, any shape and order; infinity beyond float32. Pieces in
    float32, their sum in float64.
    """
    flats, sums = [x.ravel(order="K") for x in arrays], np.zeros((len(arrays), PARTS))
    sizes = [x.size for x in flats]
    share(
        ((_squares,),),
        plan_for(*sizes),
        np.array([sums.ctypes.data]),
        places([flats])[0],
        alone=sum(sizes) < SMALL,
    )
    return [float("inf") if total > LARGEST else float(total) for total in sums.sum(axis=1)]


@Work
def _squares(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """Where the sums (arrays, PARTS) are, then where each array begins."""
    place, sums = (
        numbers(work + 8 + 8 * i, (1,))[0],
        doubles(numbers(work, (1,))[0] + 8 * PARTS * i, (PARTS,)),
    )
    for first in range(low, high, PIECE):
        piece = between(place, first, min(first + PIECE, high))
        sums[part] += np.float64(dot(piece, piece))


@jit
def _largest_bits(bits):  # type: ignore[no-untyped-def]
    """Without their sign, floats are ordered as their bits are as integers: infinity above all
    numbers, NaN above infinity.
    """
    most = np.int32(0)
    for i in range(bits.size):
        most = max(most, np.int32(bits[i] & 0x7FFFFFFF))
    return most
