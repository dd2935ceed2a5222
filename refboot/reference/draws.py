"""Draws: everything random comes from the raw 64-bit words of a generator.

NumPy may change how its generators make numbers of these words, but not the words. The seed makes
the words of PCG64 (M. E. O'Neill, 2014), which other languages have, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Doubles, Ints
from refboot.errors import TypeMismatchError


def words(rng: np.random.Generator, count: int) -> NDArray[np.uint64]:
    """The next `count` words of the generator's stream; uint64 (count,). Spec: NUM-15.

    Raises TypeMismatchError for a generator whose words have 32 bits (MT19937).
    """
    if isinstance(rng.bit_generator, np.random.MT19937):
        raise TypeMismatchError("rng", "a generator with words of 32 bits", "one with 64 (PCG64)")
    return rng.bit_generator.random_raw(count)


def uniform(
    rng: np.random.Generator, low: float, high: float, shape: int | Sequence[int]
) -> Doubles:
    """Numbers from [low, high) of `shape`, float64: low + (high - low) * u.

    u is the upper 53 bits of a word, divided by 2^53. Spec: NUM-15.

    >>> uniform(np.random.Generator(np.random.PCG64(0)), 0, 1, 2).tolist()
    [0.6369616873214543, 0.2697867137638703]
    """
    u: Doubles = (words(rng, int(np.prod(shape))) >> np.uint64(11)) * np.float64(2.0**-53)
    return (low + (high - low) * u).reshape(shape)


def permutation(rng: np.random.Generator, count: int) -> Ints:
    """The numbers 0 to count - 1 in random order: draw a word for each, and sort by it; int64.

    Spec: NUM-15.
    """
    return np.argsort(words(rng, count), kind="stable")
