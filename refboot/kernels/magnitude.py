"""The size of the largest number in an array, in one pass that also finds NaN and infinity."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels.jit import jit
from refboot.kernels.layout import axes_of, flat, over_elements


def largest(x: Floats) -> float:
    """The largest |x|, NaN or infinity where x has such; any shape and order, float32, 0 for an empty x."""
    bits, found = flat(x, axes_of(x)).view(np.int32), [0]
    over_elements(bits.size, lambda part: found.append(_largest_bits(bits[part])))
    return float(np.int32(max(found)).view(np.float32))


def farthest(state: Ints) -> float:
    """The largest |state|, int64; of an array that is one number held for all, as a neuron's rest is, without looking at each."""
    return abs(float(state.flat[0])) if not any(state.strides) else float(max(state.max(), -state.min()))


@jit
def _largest_bits(bits):  # type: ignore[no-untyped-def]
    """Without their sign, floats are ordered as their bits are as integers: infinity above all numbers, NaN above infinity."""
    most = np.int32(0)
    for i in range(bits.size):
        most = max(most, np.int32(bits[i] & 0x7FFFFFFF))
    return most
