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
    return max(_saturation(a, high), MIN_SATURATION)


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
    """The median of values (n,), n > 0, whose order changes."""
    middle = len(values) // 2
    values.partition(middle)
    below = values[middle] if len(values) % 2 else values[:middle].max()
    return (float(below) + float(values[middle])) / 2


@jit
def _saturation(a, high):
    largest = 0.0
    for i in range(a.size):
        largest = max(largest, a[i])
    total, count, limit = 0.0, 0, high * largest
    for i in range(a.size):
        if a[i] > limit:
            total += np.float64(a[i])
            count += 1
    return total / count if count else largest


@jit
def _by_band(z, a, edges):
    """The points of each band together, (2, n) with z, then a; where each band begins (B + 1,)."""
    bands = edges.size - 1
    band, counts = np.empty(a.size, np.uint8), np.zeros(bands + 2, np.int64)
    for i in range(a.size):
        above = np.uint8(0)
        for k in range(edges.size):
            above += np.uint8(a[i] > edges[k])
        band[i] = above
    for i in range(a.size):
        counts[band[i]] += 1
    starts, at = np.zeros(bands + 1, np.int64), np.zeros(bands + 2, np.int64)
    for b in range(bands):
        starts[b + 1] = starts[b] + counts[b + 1]
        at[b + 1] = starts[b]
    out = np.empty((2, starts[bands]), np.float32)
    for i in range(a.size):
        b = band[i]
        if b > 0 and b <= bands:
            out[0, at[b]] = z[i]
            out[1, at[b]] = a[i]
            at[b] += 1
    return out, starts
