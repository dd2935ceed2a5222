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
    ends = np.cumsum(np.bincount(bands, minlength=len(levels))[: len(levels) - 1])
    z_inside, a_inside = np.empty(ends[-1], z.dtype), np.empty(ends[-1], a.dtype)
    _collect(z, a, bands, np.concatenate([[0], ends]), z_inside, a_inside)
    medians = np.full((len(levels) - 1, 2), np.nan)
    for i, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if end > start:
            medians[i] = median(z_inside[start:end]), median(a_inside[start:end])
    return medians


def median(x: Doubles) -> float:
    """The median of x, of which there is some: the mean of the two in the middle, taken in float64."""
    middle = (len(x) - 1) // 2, len(x) // 2
    low, high = np.partition(x, middle)[list(middle)].astype(np.float64)
    return float((low + high) / 2)


def without(points: Doubles, dropped: NDArray[np.int64]) -> Doubles:
    """The columns of `points` (2, n) whose numbers are not in `dropped`, in order: (2, n - dropped)."""
    kept = np.empty((2, points.shape[1] - len(dropped) + 1), points.dtype)
    _without(points, dropped, kept)
    return kept[:, :-1]


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
    """The band of each point; of a point in none the number of bands."""
    bands = np.full(a.size, levels.size - 1, np.int16)
    for k in range(levels.size - 1):
        for i in range(a.size):
            bands[i] = k if (a[i] > levels[k]) & (a[i] <= levels[k + 1]) else bands[i]
    return bands


@jit
def _collect(z, a, bands, at, z_inside, a_inside):  # type: ignore[no-untyped-def]
    for i in range(a.size):
        k = bands[i]
        if k < at.size - 1:
            z_inside[at[k]], a_inside[at[k]] = z[i], a[i]
            at[k] += 1


@jit
def _without(points, dropped, kept):  # type: ignore[no-untyped-def]
    stays = np.ones(points.shape[1], np.int64)
    for i in dropped:
        stays[i] = 0
    place = 0
    for i in range(points.shape[1]):
        kept[0, place], kept[1, place] = points[0, i], points[1, i]
        place += stays[i]
