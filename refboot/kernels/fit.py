"""Twins of refboot.reference.fit: saturation and medians, of up to millions of points."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from refboot import reference
from refboot.arrays import Doubles, Floats
from refboot.kernels.jit import jit
from refboot.reference.fit import MIN_SATURATION, Points


def saturation(a: Points, high: float) -> float:
    """See reference.saturation."""
    return max(_saturation(a, high, float(a.max())), MIN_SATURATION) if len(a) else MIN_SATURATION


def band_medians(z: Points, a: Points, levels: Doubles) -> Doubles:
    """See reference.band_medians."""
    if z.dtype != np.float32 or a.dtype != np.float32:
        return reference.band_medians(z, a, levels)
    edges = levels.astype(np.float32)  # a > level is the same as a > the float32 at or below it
    edges = np.where(edges > levels, np.nextafter(edges, np.float32(-np.inf)), edges)
    sorted_out, starts = _by_band(z, a, edges)
    medians = np.full((len(levels) - 1, 2), np.nan)
    for b, (start, end) in enumerate(pairwise(starts.tolist())):
        if start < end:
            medians[b] = [_median(values[start:end]) for values in sorted_out]
    return medians


def _median(values: Floats) -> float:
    """The median of values (n,), n > 0, which are sorted in place."""
    values.sort()  # faster than a partition, which many equal rates slow down
    middle = len(values) // 2
    return (float(values[middle - 1 + len(values) % 2]) + float(values[middle])) / 2


@jit
def _saturation(a, high, largest):
    total, count, limit = 0.0, 0, high * largest
    for i in range(a.size):
        if np.float64(a[i]) > limit:
            total += np.float64(a[i])
            count += 1
    return total / count if count else largest


@jit
def _by_band(z, a, edges):
    """The points of each band together, (2, n) with z, then a; where each band begins (B + 1,)."""
    bands, count = edges.size - 1, 0
    inside, band = np.empty(a.size + 1, np.int32), np.empty(a.size, np.int16)
    for i in range(a.size):
        inside[count] = i
        count += (a[i] > edges[0]) & (a[i] <= edges[bands])
    starts = np.zeros(bands + 1, np.int64)
    for j in range(count):
        own = 0
        for k in range(1, bands):
            own += a[inside[j]] > edges[k]
        band[j] = own
        starts[own + 1] += 1
    for b in range(bands):
        starts[b + 1] += starts[b]
    at, out = starts.copy(), np.empty((2, count), np.float32)
    for j in range(count):
        b = band[j]
        out[0, at[b]] = z[inside[j]]
        out[1, at[b]] = a[inside[j]]
        at[b] += 1
    return out, starts
