"""The medians of points in bands of their rates, of many points at once, exactly.

Some of the points tell between which two z the median of a band probably lies. Then all are counted, by all threads, and what lies between
is put aside; the middle of that is found by ever narrower classes. Rates are few: the median is one of two guessed, or guessed wrong.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.adding import others
from refboot.kernels.jit import inlined
from refboot.kernels.places import between, doubles, floats2, new_bytes, new_floats, new_numbers, numbers, numbers2, plain_bytes
from refboot.kernels.together import Going, Kinds, Task, Work, plan_of

PIECE = 1 << 13  # points that are looked at, band after band, while they are in the first cache
PIECES = 8  # of all points, to be shared by the threads
SOME = 1 << 12  # points that tell, or up to twice as many
SURE = 1.5  # times the root of their number: thrice the standard deviation of how many of them lie below a median of all
MOST = 255  # bands: their numbers are bytes
FEW = 0.4  # of the points, so many that are not silent: these alone are looked at
CLASSES = 64
# What a layer's tasks are told: how many points and bands there are, whether few points are not silent, and where lie points, levels,
# guesses, what is counted, and results.
POINTS, BANDS, SPARSE, Z, A, LEVELS, GUESSES, COUNTS, ASIDE, WHICH, NEAR, FOUND, ROW = range(13)
# What is counted in each band: all; with z below the guess; with z as guessed; of the two guesses for a what is below, and up to it; and
# where those with z as guessed end in NEAR.
INSIDE, UNDER, WITHIN, BELOW_ONE, TO_ONE, BELOW_OTHER, TO_OTHER, END, COLUMNS = range(9)

Doubles = NDArray[np.float64]


class Medians(Going):
    """reference.band_medians of points z, a (n,), float32, contiguous, and rising levels, at most MOST bands: counted from now on, by other
    threads while within the `with` block this one does something else; `found` afterwards.
    """

    def __init__(self, z: Floats, a: Floats, levels: Doubles) -> None:
        n, bands, step = a.size, len(levels) - 1, a.size // SOME | 1  # odd, for rows of neurons are often a power of two
        self.points, self.levels = (z, a), floor(levels, a.dtype)
        some_z, some_a = z[::step].copy(), a[::step].copy()
        guesses = np.array([guess(some_z, some_a, low, high) for low, high in pairwise(self.levels)], np.float32)
        sparse = self.levels[0] >= 0 and np.count_nonzero(some_a) < FEW * some_a.size
        self.counts, self.middle = np.zeros((PIECES * bands, COLUMNS), np.int64), np.full((bands, 4), np.nan)
        own = (memory.empty((n,), kind) for kind in (np.float32, np.uint8, np.float32))
        self.arrays: tuple[np.ndarray, ...] = (z, a, self.levels, guesses, self.counts, *own, self.middle)
        super().__init__(KINDS, _plan(bands), np.array([n, bands, sparse, *(x.ctypes.data for x in self.arrays)], np.int64))

    def found(self) -> Doubles:
        """The medians of z and a (B, 2), float64; NaN in empty bands. Where they were guessed wrong, they are found without a guess."""
        medians = (self.middle[:, ::2] + self.middle[:, 1::2]) / 2
        for k in np.flatnonzero(np.isnan(medians[:, 0])):
            if self.counts[k :: len(medians), INSIDE].any():
                medians[k] = plain(*self.points, self.levels[k], self.levels[k + 1])
        return medians


def plain(z: Floats | Doubles, a: Floats | Doubles, low: float, high: float) -> tuple[float, float]:
    """The medians of one band, without a guess; NaN of none."""
    inside = np.flatnonzero((a > low) & (a <= high))
    return median(z[inside]), median(a[inside])


def median(x: Floats | Doubles) -> float:
    """The median of x, NaN of none: the mean of the two in the middle, taken in float64."""
    if not len(x):
        return math.nan
    middle = [(len(x) - 1) // 2, len(x) // 2]
    low, high = np.partition(x, middle)[middle].astype(np.float64)
    return float((low + high) / 2)


def floor(levels: Doubles, kind: np.dtype) -> Doubles:
    """The levels, or the next lower numbers of a kind: what is above these is above those."""
    near = levels.astype(kind)
    return np.where(near > levels, np.nextafter(near, kind.type(-np.inf)), near)


def guess(z: Floats, a: Floats, low: float, high: float) -> tuple[float, float, float, float]:
    """From some of the points: between which two z the median of a band probably lies, and between which two a."""
    inside = np.flatnonzero((a > low) & (a <= high))
    z, a, count = np.sort(z[inside]), np.sort(a[inside]), inside.size
    last = math.ceil(count / 2 + SURE * math.sqrt(count))
    if last < count:
        return z[~last], z[last], a[~last], a[last]
    return -math.inf, math.inf, a[0] if count else math.nan, a[-1] if count else math.nan


@cache
def _plan(bands: int) -> np.ndarray:
    """Pieces are counted, then the medians of bands found."""
    pieces, medians = [Task(0, 0, i, 0, 0, 0, -1) for i in range(PIECES)], [Task(1, 0, i, 0, 0, 1, 0) for i in range(bands)]
    return plan_of(pieces + medians)


@Work
def _count(work, _, part, __, ___):  # type: ignore[no-untyped-def]
    """Count the points of a piece, and sort by band what is as guessed. Without branches: which way they go nobody can foresee."""
    own = numbers(work, (ROW,))
    count, length = own[BANDS], -(-own[POINTS] // PIECES)
    low, high = min(part * length, own[POINTS]), min((part + 1) * length, own[POINTS])
    z, a, near = between(own[Z], low, high), between(own[A], low, high), between(own[NEAR], low, high)
    aside, which = between(own[ASIDE], low, high), plain_bytes(own[WHICH] + low, (high - low,))
    levels, guesses = between(own[LEVELS], 0, count + 1), floats2(own[GUESSES], (count, 4))
    counts = numbers2(own[COUNTS] + 8 * COLUMNS * count * part, (count, COLUMNS))
    places, band, loud_z, loud_a, total = new_numbers((PIECE + 1,)), new_bytes((PIECE,)), new_floats((PIECE,)), new_floats((PIECE,)), 0
    for start in range(0, a.size, PIECE):
        some_z, some_a = z[start : start + PIECE], a[start : start + PIECE]
        if own[SPARSE] > 0:
            loud = others(some_a, np.float32(0), places)
            for j in range(loud):
                loud_z[j], loud_a[j] = some_z[places[j]], some_a[places[j]]
            some_z, some_a = loud_z[:loud], loud_a[:loud]
        those = band[: some_a.size]
        for i in range(those.size):
            those[i] = 0
        for k in range(count):
            _count_band(some_z, some_a, levels[k], levels[k + 1], guesses[k], k + 1, counts[k], those)
        for j in range(others(those, np.uint8(0), places)):
            aside[total], which[total] = some_z[places[j]], those[places[j]] - 1
            total += 1
    for k in range(1, count):
        counts[k, END] = counts[k - 1, END] + counts[k - 1, WITHIN]
    for j in range(total):
        at = counts[min(which[j], count - 1)]
        if at[END] < near.size:  # always, unless somebody changes the points meanwhile
            near[at[END]] = aside[j]
            at[END] += 1


@inlined
def _count_band(z, a, low, high, guess, number, counts, band):  # type: ignore[no-untyped-def]
    """No z is put aside for a guess of one number: it is that or not."""
    first, last, one, other = guess[0], guess[1], guess[2], guess[3]
    number = np.uint8(number if first < last else 0)
    inside, under, within = np.int32(0), np.int32(0), np.int32(0)
    below_one, to_one, below_other, to_other = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    for i in range(band.size):
        here = (a[i] > low) & (a[i] <= high)
        near = here & (z[i] >= first) & (z[i] <= last)
        inside += np.int32(here)
        under += np.int32(here & (z[i] < first))
        within += np.int32(near)
        below_one += np.int32(here & (a[i] < one))
        to_one += np.int32(here & (a[i] <= one))
        below_other += np.int32(here & (a[i] < other))
        to_other += np.int32(here & (a[i] <= other))
        band[i] += number * np.uint8(near)
    counts[INSIDE] += inside
    counts[UNDER] += under
    counts[WITHIN] += within
    counts[BELOW_ONE] += below_one
    counts[TO_ONE] += to_one
    counts[BELOW_OTHER] += below_other
    counts[TO_OTHER] += to_other


@Work
def _select(work, _, band, __, ___):  # type: ignore[no-untyped-def]
    """The two z and the two a in the middle of a band, from what was counted; as they are, NaN, where one is not as guessed."""
    own = numbers(work, (ROW,))
    points, count, length = own[POINTS], own[BANDS], -(-own[POINTS] // PIECES)
    counts, guess = numbers2(own[COUNTS], (PIECES * count, COLUMNS)), between(own[GUESSES], 4 * band, 4 * band + 4)
    near, found = between(own[NEAR], 0, points), doubles(own[FOUND] + 32 * band, (4,))
    all_ = new_numbers((COLUMNS,))
    for c in range(COLUMNS):
        all_[c] = 0
        for part in range(PIECES):
            all_[c] += counts[part * count + band, c]
    low, high = (all_[INSIDE] - 1) // 2, all_[INSIDE] // 2
    one, other = _rate(all_, guess, low), _rate(all_, guess, high)
    if all_[INSIDE] == 0 or all_[UNDER] > low or high >= all_[UNDER] + all_[WITHIN] or np.isnan(one) or np.isnan(other):
        return
    found[0], found[1], found[2], found[3] = guess[0], guess[0], one, other
    if guess[0] < guess[1]:
        mine, total = new_floats((all_[WITHIN],)), 0
        for part in range(PIECES):
            at = counts[part * count + band]
            for j in range(length * part + at[END] - at[WITHIN], length * part + at[END]):
                mine[total] = near[j]
                total += 1
        found[0], found[1] = _middle(mine, low - all_[UNDER], high - all_[UNDER])


@inlined
def _rate(counts, guess, rank):  # type: ignore[no-untyped-def]
    """The a of this rank, if it is one of the two guessed; else NaN."""
    rate = np.float32(np.nan)
    if counts[BELOW_OTHER] <= rank < counts[TO_OTHER]:
        rate = guess[3]
    if counts[BELOW_ONE] <= rank < counts[TO_ONE]:
        rate = guess[2]
    return rate


@inlined
def _middle(x, low, high):  # type: ignore[no-untyped-def]
    """Those of these two ranks, which are one or neighbours: x is cut down to the class that both are in, until there is none such.

    NaN where x are not finite.
    """
    counts, size = new_numbers((CLASSES,)), np.int64(x.size)
    while True:
        first, last = x[0], x[0]
        for i in range(size):
            first, last = min(first, x[i]), max(last, x[i])
        if first == last:
            return first, last
        width = np.float64(last) - np.float64(first)
        if not np.isfinite(width):
            return np.float32(np.nan), np.float32(np.nan)
        scale = (CLASSES - 0.5) / width
        for k in range(CLASSES):
            counts[k] = 0
        for i in range(size):
            counts[_class(x[i], first, scale)] += 1
        k, below = 0, 0
        while below + counts[k] <= low:
            below += counts[k]
            k += 1
        if below + counts[k] <= high:
            lower, upper = first, last
            for i in range(size):
                if _class(x[i], first, scale) <= k:
                    lower = max(lower, x[i])
                else:
                    upper = min(upper, x[i])
            return lower, upper
        left = np.int64(0)
        for i in range(size):
            x[left] = x[i]
            left += np.int64(_class(x[i], first, scale) == k)
        size, low, high = left, low - below, high - below


@inlined
def _class(x, first, scale):  # type: ignore[no-untyped-def]
    return np.int64((np.float64(x) - np.float64(first)) * scale) & (CLASSES - 1)  # whatever x is


KINDS: Kinds = (_count,), (_select,)
