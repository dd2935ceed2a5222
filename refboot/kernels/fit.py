"""Kernels of refboot.reference.fit; equal to it in every bit, of finite points, but the mean in `saturation` (summation order, 1e-12)
and the sign of a median that is zero. And what moves the points that a fit leaves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from refboot import arrays
from refboot.arrays import Floats
from refboot.kernels.jit import COMPILED, jit, jit_sum
from refboot.kernels.medians import MOST, Medians, floor, plain

Doubles = NDArray[np.float64]
MANY = 1 << 14  # points from which on it is worth guessing from some of them where the medians lie


def saturation(a: Doubles, high: float) -> float:
    """See reference.saturation."""
    limit = float(a.max()) if a.size else 0.0
    total, count = _above(a, high * limit)
    return max(total / count if count else limit, 0.8)


def band_medians(z: Doubles, a: Doubles, levels: Doubles) -> Doubles:
    """See reference.band_medians."""
    z, a = (x if x.dtype in (np.float32, np.float64) else x.astype(np.float64) for x in (z, a))
    arrays.check_shape("z", z, a.shape)
    rising = 2 <= len(levels) <= MOST + 1 and bool((levels[1:] >= levels[:-1]).all())
    if COMPILED and rising and a.ndim == 1 and a.size >= MANY and z.dtype == a.dtype == np.float32:
        with Medians(np.ascontiguousarray(z), np.ascontiguousarray(a), levels) as medians:
            pass
        return medians.found()
    return np.array([plain(z, a, low, high) for low, high in pairwise(floor(levels, a.dtype))], np.float64).reshape(-1, 2)


@jit_sum
def _above(a, limit):  # type: ignore[no-untyped-def]
    """The sum of what is above the limit, in float64, and of how many."""
    total, count = 0.0, 0
    for i in range(a.size):
        above = np.float64(a[i]) > limit
        total += np.float64(a[i]) if above else 0.0
        count += above
    return total, count


@jit
def keep(points: Floats, stay: np.ndarray, kept: Floats) -> None:
    """Move the columns of `points` that stay to the start of `kept`, in order; both (2, n or more), contiguous; they may be one array."""
    place = np.int64(0)
    for i in range(stay.size):
        kept[0, place], kept[1, place] = points[0, i], points[1, i]
        place += np.int64(stay[i])
