"""The tasks of a fit: where a layer saturates, and the medians of its points in bands of their
rates; exactly, of finite points.

Some of the points tell between which two z the median of a band probably lies. Then all are
counted, and what lies between is put aside, of which the middle is found by halving. Rates are few:
the median is one of two guessed. What was guessed wrong is noticed.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.jit import inlined, jit_sum
from refboot.kernels.picking import how_many, pick, pick_from, pick_within
from refboot.kernels.places import (
    between,
    doubles,
    floats2,
    ints,
    new_bytes,
    new_floats,
    new_floats2,
    new_numbers,
    numbers,
    numbers2,
    plain_bytes,
)
from refboot.kernels.ranks import keys_of, middle_of, number_of, ranked, two_in_the_middle
from refboot.kernels.together import Work
from refboot.kernels.vectors import LANES
from refboot.threads import PARTS

PIECE = 1 << 14  # points that are looked at, again and again, while they are in the first caches
STRIDE = PIECE + LANES  # from what is put aside of one to that of the next
SOME = 1 << 12  # points that tell, or two thirds to twice as many
MOST = 2 * SOME
# times the root of their number: thrice the standard deviation of how many of them lie below a
# median of all
SURE = 1.5
LEAST = 0.8  # rate at saturation
GROUP = 5  # bands looked at together: their bounds fit in registers
# What a layer's tasks are told: how many points and bands there are; and where lie z, a, the range
# of rates, what is found of each part's
# rates, levels, the float32 next below each, guesses, counts, results, the points that tell, and
# what is put aside.
POINTS, BANDS, Z, A, RANGE, PEAKS, LEVELS, EDGES, GUESSES, COUNTS, FOUND, SAMPLE, NEAR, ROW = range(
    14
)
# The bands' shares of the saturation, NaN where levels are given; the saturation; the largest rate
# of the points that tell.
LOW, HIGH, TOP, TOLD, RANGES = range(5)
LARGEST, TOTAL, ABOVE, PEAKED = range(
    4
)  # of a part: its largest rate (float32), the sum of those above the limit, and how many they are
# What is counted of a part in each band: all; with z below those guessed, and from one to the other
# of them; of the two rates guessed what
# is below, and not above. And where what is put aside ends.
ALL, UNDER, WITHIN, BELOW_ONE, TO_ONE, BELOW_OTHER, TO_OTHER, END, COUNTED = range(9)
# Of each point a byte: the number of its band among the group's, from 1 on (0 is none), and that
# its z lies between those guessed, and is
# put aside, or is the one guessed, or is above. Another: the same number, and how many steps its
# rate is up beside those guessed.
ASIDE, AS_GUESSED, BEYOND = 128, 32, 64
RATE = 8
MOVE = 7  # numbers that tell of points to be moved
INSIDE, RESULTS = (
    4,
    5,
)  # of a band's results, behind the two z and the two a in its middle: how many points it has


@jit_sum
def above(a, bits, limit):  # type: ignore[no-untyped-def]
    """The sum of the a that are above the limit, in float64, how many they are, and the largest of
    their bits, int32, or 0.
    """
    total, count, largest = 0.0, 0, np.int32(0)
    for i in range(a.size):
        is_above = np.float64(a[i]) > limit
        total += np.float64(a[i]) if is_above else 0.0
        count += is_above
        largest = max(largest, bits[i])
    return total, count, largest


@inlined
def _own(work, row):  # type: ignore[no-untyped-def]
    return numbers(work + 8 * ROW * row, (ROW,))


@inlined
def _bounds(own, part):  # type: ignore[no-untyped-def]
    """From which point to which a part goes, whole pieces."""
    pieces = -(-own[POINTS] // PIECE)
    low, high = PIECE * (pieces * part // PARTS), PIECE * (pieces * (part + 1) // PARTS)
    return min(low, own[POINTS]), min(high, own[POINTS])


@Work
def sample(work, _, row, __, ___):  # type: ignore[no-untyped-def]
    """Some of a layer's points, and the largest of their rates, which probably is that of all."""
    own = _own(work, row)
    z, a, some, step = (
        between(own[Z], 0, own[POINTS]),
        between(own[A], 0, own[POINTS]),
        floats2(own[SAMPLE], (2, MOST)),
        _step(own),
    )
    largest = np.float32(0)
    for i in range(-(-own[POINTS] // step)):
        some[0, i], some[1, i] = z[step * i], a[step * i]
        largest = max(largest, some[1, i])
    doubles(own[RANGE], (RANGES,))[TOLD] = largest


@inlined
def _step(own):  # type: ignore[no-untyped-def]
    return own[POINTS] // SOME | 1  # odd, for rows of neurons are often a power of two


@Work
def peak(work, _, row, part, __):  # type: ignore[no-untyped-def]
    """The sum of a part's rates near the largest, how many they are, and its largest rate; those
    that are not negative by their bits.
    """
    own = _own(work, row)
    (low, high), found, share = (
        _bounds(own, part),
        doubles(own[PEAKS] + 8 * PEAKED * part, (PEAKED,)),
        doubles(own[RANGE], (RANGES,)),
    )
    bits = ints(own[A] + 4 * low, (high - low,))
    found[TOTAL], found[ABOVE], largest = above(
        between(own[A], low, high), bits, share[HIGH] * share[TOLD]
    )
    ints(own[PEAKS] + 8 * PEAKED * part, (1,))[0] = largest


@Work
def guess(work, _, row, __, ___):  # type: ignore[no-untyped-def]
    """The levels of a layer, and from some of its points what the medians of each band may be."""
    own = _own(work, row)
    bands, levels = own[BANDS], doubles(own[LEVELS], (own[BANDS] + 1,))
    edges, guesses = between(own[EDGES], 0, bands + 1), floats2(own[GUESSES], (bands, 4))
    _find_levels(own, levels)
    for k in range(bands + 1):
        edges[k] = levels[k]
        if np.float64(edges[k]) > levels[k]:  # and so above 0
            ints(own[EDGES] + 4 * k, (1,))[0] -= 1
    some, points = -(-own[POINTS] // _step(own)), floats2(own[SAMPLE], (2, MOST))
    mine_z, mine_a = new_floats((some,)), new_floats((some,))
    for k in range(bands):
        size = pick_within(
            points[0, :some], points[1, :some], edges[k], edges[k + 1], mine_z, mine_a
        )
        last, own_guess = np.int64(size / 2 + SURE * np.sqrt(size)) + 1, guesses[k]
        own_guess[0], own_guess[1], own_guess[2], own_guess[3] = -np.inf, np.inf, np.nan, np.nan
        if last < size:
            keys = keys_of(mine_z[:size])
            own_guess[0], own_guess[1] = (
                number_of(ranked(keys, size - 1 - last)),
                number_of(ranked(keys, last)),
            )
        if size > 0:
            own_guess[2], own_guess[3] = two_in_the_middle(
                keys_of(mine_a[:size]), size - 1 - last, last
            )


@inlined
def _find_levels(own, levels):  # type: ignore[no-untyped-def]
    """See reference.saturation and reference.fit.levels_to; nothing where levels are given."""
    share, peaks, bands = (
        doubles(own[RANGE], (RANGES,)),
        doubles(own[PEAKS], (PEAKED * PARTS,)),
        own[BANDS],
    )
    if share[LOW] >= 0:
        total, above_limit, largest = 0.0, 0.0, np.float32(0)
        for part in range(PARTS):
            total, above_limit = (
                total + peaks[PEAKED * part + TOTAL],
                above_limit + peaks[PEAKED * part + ABOVE],
            )
            largest = max(largest, between(own[PEAKS] + 8 * PEAKED * part, 0, 1)[0])
        if largest > share[TOLD]:
            rates, bits = between(own[A], 0, own[POINTS]), ints(own[A], (own[POINTS],))
            total, above_limit, _ = above(rates, bits, share[HIGH] * largest)
        share[TOP] = max(total / above_limit if above_limit > 0 else largest, LEAST)
        low, high = share[LOW] * share[TOP], share[HIGH] * share[TOP]
        for k in range(bands):
            levels[k] = low + k * ((high - low) / bands)
        levels[bands] = high


@Work
def count(work, _, row, part, __):  # type: ignore[no-untyped-def]
    """Count the points of each piece of a part in each band, and put aside the z between those
    guessed, one band behind the other.
    """
    own = _own(work, row)
    bands, (low, high), edges = (
        own[BANDS],
        _bounds(own, part),
        between(own[EDGES], 0, own[BANDS] + 1),
    )
    guesses, all_z, all_a = (
        floats2(own[GUESSES], (bands, 4)),
        new_floats((PIECE,)),
        new_floats((PIECE,)),
    )
    all_cells, all_rates, some_z, some_cells = (
        new_bytes((PIECE,)),
        new_bytes((PIECE,)),
        new_floats((PIECE,)),
        new_bytes((PIECE,)),
    )
    for start in range(low, high, PIECE):
        end, number, total = min(start + PIECE, high), start // PIECE, np.int64(0)
        # Most neurons are silent, so most points of no band.
        size = pick_within(
            between(own[Z], start, end),
            between(own[A], start, end),
            edges[0],
            edges[bands],
            all_z,
            all_a,
        )
        z, a, cells, rates = all_z[:size], all_a[:size], all_cells[:size], all_rates[:size]
        near = between(own[NEAR], STRIDE * number, STRIDE * (number + 1))
        counts = numbers2(own[COUNTS] + 8 * COUNTED * bands * number, (bands, COUNTED))
        for first in range(0, bands, GROUP):
            _find_cells(z, a, edges, guesses, first, cells, rates)
            some = pick_from(z, cells, np.uint8(ASIDE), some_z)
            pick_from(cells, cells, np.uint8(ASIDE), some_cells)
            for k in range(first, min(first + GROUP, bands)):
                cell = k - first + 1
                counts[k, WITHIN] = pick(
                    some_z[:some], some_cells[:some], np.uint8(cell + ASIDE), near[total:]
                )
                total += counts[k, WITHIN]
                counts[k, END] = STRIDE * number + total
                _count_band(guesses[k], np.uint8(cell), cells, rates, counts[k])


@inlined
def _count_band(guessed, number, cells, rates, counts):  # type: ignore[no-untyped-def]
    """Count the points of a band, but for what is put aside, which is counted already."""
    if not guessed[0] < guessed[1]:
        counts[WITHIN] = how_many(cells, np.uint8(number + AS_GUESSED))
    counts[UNDER] = how_many(cells, number)
    counts[ALL] = counts[UNDER] + counts[WITHIN] + how_many(cells, np.uint8(number + BEYOND))
    counts[BELOW_ONE], second = (
        how_many(rates, number),
        how_many(rates, np.uint8(number + 2 * RATE)),
    )
    counts[TO_ONE] = counts[BELOW_ONE] + second
    if guessed[2] < guessed[3]:
        counts[TO_ONE] = counts[BELOW_ONE] + how_many(rates, np.uint8(number + RATE))
        counts[BELOW_OTHER] = counts[TO_ONE] + second
        counts[TO_OTHER] = counts[BELOW_OTHER] + how_many(rates, np.uint8(number + 3 * RATE))


@inlined
def _find_cells(z, a, edges, guesses, k, cells, rates):  # type: ignore[no-untyped-def]
    """The two bytes of each point. Without branches: which way they go nobody can foresee."""
    e, g = new_floats((GROUP + 1,)), new_floats((4 * GROUP,))
    for j in range(GROUP + 1):
        e[j] = edges[k + j] if k + j < edges.size else np.inf
    for j in range(4 * GROUP):
        g[j] = guesses[k + j // 4, j % 4] if k + j // 4 < len(guesses) else 0
    e0, e1, e2, e3, e4, e5 = e[0], e[1], e[2], e[3], e[4], e[5]
    low0, low1, low2, low3, low4 = g[0], g[4], g[8], g[12], g[16]
    high0, high1, high2, high3, high4 = g[1], g[5], g[9], g[13], g[17]
    one0, one1, one2, one3, one4 = g[2], g[6], g[10], g[14], g[18]
    other0, other1, other2, other3, other4 = g[3], g[7], g[11], g[15], g[19]
    none, one_more, step = np.float32(0), np.float32(1), np.float32(RATE)
    aside, as_guessed, beyond = np.float32(ASIDE), np.float32(AS_GUESSED), np.float32(BEYOND)
    for i in range(z.size):
        low, high, one, other, band = low0, high0, one0, other0, one_more
        if a[i] > e1:
            low, high, one, other, band = low1, high1, one1, other1, np.float32(2)
        if a[i] > e2:
            low, high, one, other, band = low2, high2, one2, other2, np.float32(3)
        if a[i] > e3:
            low, high, one, other, band = low3, high3, one3, other3, np.float32(4)
        if a[i] > e4:
            low, high, one, other, band = low4, high4, one4, other4, np.float32(5)
        cell = aside if low < high else as_guessed
        if z[i] > high:
            cell = beyond
        if not z[i] >= low:
            cell = none
        rate = (step if a[i] >= one else none) + (step if a[i] > one else none)
        rate += (step if a[i] >= other else none) + (step if a[i] > other else none)
        inside = (
            one_more if (a[i] > e0) & (a[i] <= e5) else none
        )  # no condition under which z were loaded, or not
        cells[i], rates[i] = np.uint8(inside * (cell + band)), np.uint8(inside * (rate + band))


@Work
def select(work, _, row, band, __):  # type: ignore[no-untyped-def]
    """The two z and the two a in the middle of a band, from what was counted; what is not as
    guessed, from the points of the band.
    """
    own = _own(work, row)
    bands, found = own[BANDS], doubles(own[FOUND] + 8 * RESULTS * band, (RESULTS,))
    pieces = -(-own[POINTS] // PIECE)
    counts, guessed = (
        numbers2(own[COUNTS], (pieces * bands, COUNTED)),
        between(own[GUESSES], 4 * band, 4 * band + 4),
    )
    all_, edges = new_numbers((COUNTED,)), between(own[EDGES], band, band + 2)
    for c in range(COUNTED):
        all_[c] = 0
        for i in range(pieces):
            all_[c] += counts[i * bands + band, c]
    inside = all_[ALL]
    low, high = (inside - 1) // 2, inside // 2
    found[INSIDE] = inside
    if inside > 0:
        found[2], found[3] = _rate(all_, guessed, low), _rate(all_, guessed, high)
        if np.isnan(found[2]) or np.isnan(found[3]):
            found[2], found[3] = middle_of(_of_band(own, edges, 1), low, high)
        found[0], found[1] = guessed[0], guessed[1]
        if low < all_[UNDER] or all_[UNDER] + all_[WITHIN] <= high:
            found[0], found[1] = middle_of(_of_band(own, edges, 0), low, high)
        elif guessed[0] < guessed[1]:
            found[0], found[1] = middle_of(
                _put_aside(own, counts, band, all_[WITHIN]), low - all_[UNDER], high - all_[UNDER]
            )


@inlined
def _rate(counts, guessed, rank):  # type: ignore[no-untyped-def]
    """The rate of this rank in the band, if it is one of the two guessed; else NaN."""
    rate = np.float32(np.nan)
    if counts[BELOW_OTHER] <= rank < counts[TO_OTHER]:
        rate = guessed[3]
    if counts[BELOW_ONE] <= rank < counts[TO_ONE]:
        rate = guessed[2]
    return rate


@inlined
def _of_band(own, edges, column):  # type: ignore[no-untyped-def]
    """The z, or a, of a band's points; one at least."""
    z, a = between(own[Z], 0, own[POINTS]), between(own[A], 0, own[POINTS])
    mine = new_floats2((2, own[POINTS]))
    size = pick_within(z, a, edges[0], edges[1], mine[0], mine[1])
    return mine[column, : max(size, 1)]  # none, if somebody changes the points meanwhile


@inlined
def _put_aside(own, counts, band, size):  # type: ignore[no-untyped-def]
    """The z of a band that were put aside."""
    mine, total, near = (
        new_floats((size,)),
        0,
        between(own[NEAR], 0, STRIDE * len(counts) // own[BANDS]),
    )
    for i in range(band, len(counts), own[BANDS]):
        for j in range(counts[i, END] - counts[i, WITHIN], counts[i, END]):
            mine[total] = near[j]
            total += 1
    return mine


@Work
def keep(work, _, row, __, ___):  # type: ignore[no-untyped-def]
    """Move the points that stay to the start of others, or of the same, in order. Told are how many
    points there are, and where lie the
    flags of those that stay, how many these are, z and a, and those of the others."""
    own = numbers(work + 8 * MOVE * row, (MOVE,))
    stay = plain_bytes(own[1], (own[0],))
    for i in range(3, 5):
        numbers(own[2], (1,))[0] = pick_from(
            between(own[i], 0, own[0]), stay, np.uint8(1), between(own[i + 2], 0, own[0])
        )
