"""Kernels of refboot.reference.fit; equal to it in every bit but the mean in `saturation` (summation order, 1e-12)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refboot.kernels.jit import jit

Doubles = NDArray[np.float64]


def saturation(a: Doubles, high: float) -> float:
    """See reference.saturation."""
    return float(_saturation(a, high))


def band_medians(z: Doubles, a: Doubles, levels: Doubles) -> Doubles:
    """See reference.band_medians."""
    bands = _bands(a, levels)
    medians = np.full((len(levels) - 1, 2), np.nan)
    for i in range(len(medians)):
        inside = np.flatnonzero(bands == i)
        if len(inside):
            medians[i] = np.median(z[inside].astype(np.float64)), np.median(a[inside].astype(np.float64))
    return medians


@jit
def _saturation(a, high):  # type: ignore[no-untyped-def]
    limit, total, count = 0.0, 0.0, 0
    for i in range(a.size):
        limit = max(limit, np.float64(a[i]))
    for i in range(a.size):
        if a[i] > high * limit:
            total += np.float64(a[i])
            count += 1
    return max(total / count if count else limit, 0.8)


@jit
def _bands(a, levels):  # type: ignore[no-untyped-def]
    bands = np.full(a.size, -1, np.int16)
    for k in range(levels.size - 1):
        for i in range(a.size):
            bands[i] = k if (a[i] > levels[k]) & (a[i] <= levels[k + 1]) else bands[i]
    return bands
