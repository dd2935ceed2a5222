"""Kernels of refboot.reference.fit; equal to it in every bit but the mean in `saturation` (summation order, 1e-12)
and the sign of a median that is zero."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from refboot.kernels import memory
from refboot.kernels.jit import inlined, jit, jit_sum

Doubles = NDArray[np.float64]
PIECE = 1 << 13  # points whose bands are found while they are in the first cache
MANY = 1 << 11  # points of which it is worth finding out which are near the median
KINDS = 1 << 11  # of these, by their upper bits


def saturation(a: Doubles, high: float) -> float:
    """See reference.saturation."""
    limit = float(a.max()) if a.size else 0.0
    total, count = _above(a, high * limit)
    return max(total / count if count else limit, 0.8)


def band_medians(z: Doubles, a: Doubles, levels: Doubles) -> Doubles:
    """See reference.band_medians."""
    z, a = (x if x.dtype in (np.float32, np.float64) else x.astype(np.float64) for x in (z, a))
    if levels.size < 2 or (levels[1:] < levels[:-1]).any():  # each band by itself: one that falls is empty
        each = [band_medians(z, a, np.array([low, max(low, high)])) for low, high in pairwise(levels)]
        return np.concatenate([np.empty((0, 2)), *each])
    bands, counts = memory.empty((a.size,), np.uint16), np.zeros(levels.size + 1, np.int64)
    _bands(a, _floor(levels, a.dtype), bands, counts)
    counts[1:-1] -= counts[2:]  # of those above each level, those in each band, and of all, those in none
    ends = np.cumsum(counts[1:-1])
    z_inside, a_inside = (memory.empty((int(ends[-1]) + 1,), x.dtype) for x in (z, a))
    _collect(z, a, bands, np.concatenate([ends[-1:], [0], ends]), z_inside, a_inside)
    medians = np.full((len(levels) - 1, 2), np.nan)
    for i, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if end > start:
            medians[i] = median(z_inside[start:end]), median(a_inside[start:end])
    return medians


def median(x: Doubles) -> float:
    """The median of x, of which there is some: the mean of the two in the middle, taken in float64."""
    low, high = (len(x) - 1) // 2, len(x) // 2
    if x.dtype == np.float32 and len(x) > MANY:
        near = memory.empty((len(x),))
        below, count = _near(x, x.view(np.int32), low, high, near)
        x, low, high = near[:count], low - below, high - below
    some = np.partition(x, (low, high))[[low, high]].astype(np.float64)
    return float((some[0] + some[1]) / 2)


def _floor(levels: Doubles, kind: np.dtype) -> Doubles:
    """The levels, or the next lower numbers of a kind: what is above these is above those."""
    near = levels.astype(kind)
    return np.where(near > levels, np.nextafter(near, kind.type(-np.inf)), near)


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
def _bands(a, levels, bands, counts):  # type: ignore[no-untyped-def]
    """How many levels each point is above, and of each number of levels how many points are above the last of these."""
    for low in range(0, a.size, PIECE):
        some, found = a[low : low + PIECE], bands[low : low + PIECE]
        for i in range(found.size):
            found[i] = 0
        for k in range(levels.size):
            level, count = levels[k], np.int32(0)
            for i in range(found.size):
                above = some[i] > level
                found[i] += np.uint16(above)
                count += np.int32(above)
            counts[k + 1] += count


@jit
def _collect(z, a, bands, at, z_inside, a_inside):  # type: ignore[no-untyped-def]
    """What is in none is written, too, behind all, so that there is no branch: which way it goes nobody can foresee."""
    more = np.ones(at.size, np.int64)
    more[0] = more[at.size - 1] = 0
    for i in range(a.size):
        k = bands[i]
        z_inside[at[k]], a_inside[at[k]] = z[i], a[i]
        at[k] += more[k]


@jit
def _near(x, bits, low, high, near):  # type: ignore[no-untyped-def]
    """Those x that have their upper bits in common with one of the two of these ranks, or lie between: how many are below, and how many
    these are. Float32 and its bits, which are ordered as the numbers are, those below zero the other way round."""
    counts = np.zeros(KINDS, np.int32)
    for i in range(x.size):
        counts[_kind(bits[i])] += 1
    first, below = 0, 0
    while below + counts[first] <= low:
        below += counts[first]
        first += 1
    last, until = first, below + counts[first]
    while until <= high:
        last += 1
        until += counts[last]
    count = 0
    for i in range(x.size):
        kind = _kind(bits[i])
        near[count] = x[i]
        count += (kind >= first) & (kind <= last)
    return below, count


@inlined
def _kind(bits):  # type: ignore[no-untyped-def]
    """The upper eleven bits, so that larger numbers have larger ones."""
    return ((bits ^ ((bits >> 31) & 0x7FFFFFFF)) >> 21) + (KINDS >> 1)
