"""Numbers by their rank, exactly: the range in which one lies is halved, for to count what is not
above a number takes a moment.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.jit import helper, inlined
from refboot.kernels.places import ints, new_floats, new_ints


@inlined
def two_in_the_middle(keys, low, high):  # type: ignore[no-untyped-def]
    """The rate in the middle and, unless both ranks have it, too, its neighbour, of which there are
    few, that is nearer in rank.
    """
    middle = ranked(keys, keys.size // 2)
    below, after = upto(keys, middle - 1), upto(keys, middle)
    one = other = middle
    if low < below or after <= high:
        if below > 0 and (after == keys.size or keys.size // 2 - below < after - keys.size // 2):
            one = ranked(keys, below - 1)
        elif after < keys.size:
            other = ranked(keys, after)
    return number_of(one), number_of(other)


@inlined
def _turned(bits):  # type: ignore[no-untyped-def]
    """From bits to a key, and back."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


@helper
def keys_of(x):  # type: ignore[no-untyped-def]
    """Whole numbers, int32, ordered as the float32 x (I,) are: their bits, but for the sign
    inverted where they are negative.
    """
    bits, keys = ints(x.ctypes.data, (x.size,)), new_ints((x.size,))
    for i in range(bits.size):
        keys[i] = _turned(bits[i])
    return keys


@helper
def number_of(key):  # type: ignore[no-untyped-def]
    """The number of a key."""
    number = new_floats((1,))
    ints(number.ctypes.data, (1,))[0] = _turned(key)
    return number[0]


@helper
def upto(keys, most):  # type: ignore[no-untyped-def]
    """How many keys are not above `most`."""
    count, most = np.int32(0), np.int32(most)
    for i in range(keys.size):
        count = np.int32(count + np.int32(keys[i] <= most))
    return np.int64(count)


@helper
def ranked(keys, rank):  # type: ignore[no-untyped-def]
    """The key of a rank, from 0 on: the range in which it lies is halved until it is one number."""
    least, most = keys[0], keys[0]
    for i in range(keys.size):
        least, most = min(least, keys[i]), max(most, keys[i])
    low, high = np.int64(least), np.int64(most)
    while low < high:
        middle = (low + high) >> 1
        if upto(keys, middle) > rank:
            high = middle
        else:
            low = middle + 1
    return low


@inlined
def middle_of(x, low, high):  # type: ignore[no-untyped-def]
    """Those of x of these two ranks, which are one or neighbours."""
    keys = keys_of(x)
    one = other = ranked(keys, low)
    if upto(keys, one) <= high:
        other = ranked(keys, high)
    return number_of(one), number_of(other)
