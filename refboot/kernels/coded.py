"""Dense sums over still pictures. Quantised pixels have few values: each has a code, and one row of
a table is its train (or its rate).

So an output sums its weights per code first, x[n, i, t] = table[codes[n, i], t], z = sum over k of
table[k] * (sum of the weights of the pixels of code k), and the gradients follow by the same sums.
What most pixels are, background, is not summed: it is the rest of a total. Letters: N samples, I
pixels, K codes, T steps, O outputs. Weights are the bytes of `events.rows_of`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.adding import active, add_rows, others
from refboot.kernels.events import UNIT, Rows, by_input
from refboot.kernels.jit import ZERO, inlined, jit
from refboot.kernels.layout import SMALL, empty, time_major
from refboot.kernels.places import new_floats2, new_ints, new_numbers, new_shorts
from refboot.kernels.tile import dots

AT_A_TIME = 32  # samples


class Picture(NamedTuple):
    """Still pictures: the code of each pixel (N, I) uint8, the value of each code (K,) float32,
    rising, and a code that many have.
    """

    codes: np.ndarray
    values: Floats
    usual: int


def encode(x: Floats) -> Picture:
    """x (N, I), float32, quantised as weights are; each code occurs."""
    codes, values, flat = (
        memory.empty(x.shape, np.uint8),
        np.empty(256, np.float32),
        np.ascontiguousarray(x).reshape(-1),
    )
    own, slices = (
        codes.reshape(-1),
        threads.parts(x.size, 16, 1 if x.size < SMALL else threads.PARTS),
    )
    (seen, counts), places = (
        (np.zeros((len(slices), 256), kind) for kind in (np.bool_, np.int64)),
        np.empty(256, np.uint8),
    )
    threads.share(
        [
            partial(_quantise, flat[some], own[some], seen[i], counts[i])
            for i, some in enumerate(slices)
        ]
    )
    kinds, usual = _number(seen, counts, places, values)
    threads.share([partial(_replace, places, own[some]) for some in slices])
    return Picture(codes, values[:kinds], usual)


def coded_forward(picture: Picture, table: Floats, rows: Rows) -> Floats:
    """z (N, O, T) for a `picture`, the spike train of each code (K, T) and a weight: exact.
    float32.
    """
    z, out = empty((len(picture.codes), len(rows.total), table.shape[1]))
    by_sums(
        picture,
        table,
        rows,
        lambda steps, sums, there, some: _forward(steps, sums, there, out[some]),
    )
    return z


def by_sums(
    picture: Picture,
    table: Floats,
    rows: Rows,
    work: Callable[[Floats, np.ndarray, np.ndarray, slice], None],
) -> None:
    """Call `work(trains (T, K), sums of each code, which are there, samples)` for pieces of the
    samples.
    """
    steps, needed = np.ascontiguousarray(table.T), wanted(table, picture.usual)

    def of_part(part: slice) -> None:
        for some in chunks(part):
            work(steps, *summed(picture.codes[some], picture.usual, rows, needed), some)

    threads.over(len(picture.codes), of_part)


def wanted(table: Floats, usual: int) -> np.ndarray:
    """Which codes' sums (K,) are asked for: of those that spike; of all where the `usual` one does,
    whose sum is the rest they leave.
    """
    alive = np.array(table.any(axis=1))
    return alive | alive[usual]


def coded_backward(
    grad: Floats, picture: Picture, table: Floats, rows: Rows
) -> tuple[Floats, Floats]:
    """Gradients of `coded_forward` for the table (K, T) and the weight (O, I), given that of z (N,
    O, T). float32.
    """
    gz, codes, steps = time_major(grad), picture.codes, np.ascontiguousarray(table.T)
    gw, g_table = memory.empty((codes.shape[1], len(rows.total))), np.zeros(steps.shape)
    for some in chunks(slice(0, len(codes))):
        g_table += _of_chunk(codes[some], picture.usual, steps, rows, gz[some], gw, some.start == 0)
    return g_table.T.astype(np.float32, order="C"), gw.T


def _of_chunk(
    codes: np.ndarray, usual: int, steps: Floats, rows: Rows, gz: Floats, gw: Floats, fresh: bool
) -> np.ndarray:
    """The gradient for the steps (T, K), float64, of some samples; adds theirs to gw, which is not
    set yet if it is `fresh`.
    """
    kinds, count, every = steps.shape[1], len(codes), np.ones(steps.shape[1], np.bool_)
    trains, parts = (
        memory.empty((count, kinds, gw.shape[1])),
        {part.start: np.zeros(steps.shape) for part in threads.parts(count)},
    )

    def gather(part: slice) -> None:
        _trains(
            steps,
            *summed(codes[part], usual, rows, every),
            gz[part],
            trains[part],
            parts[part.start],
        )

    fires = steps.any(axis=0)
    threads.over(count, gather, fixed=True)
    threads.over(len(gw), lambda part: _scatter(codes, part.start, fires, trains, fresh, gw[part]))
    return np.sum([parts[start] for start in sorted(parts)], axis=0)


def chunks(part: slice) -> list[slice]:
    """A part of the samples in pieces whose sums fit the cache."""
    return [
        slice(start, min(start + AT_A_TIME, part.stop))
        for start in range(part.start, part.stop, AT_A_TIME)
    ]


def summed(
    codes: np.ndarray, usual: int, rows: Rows, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The sums of the weights of each wanted code in each sample, (N, K, O) int16, and which codes
    are there, (N, K) bool.
    """
    sums = memory.empty((len(codes), len(wanted), len(rows.total)), np.int16)
    there = np.empty((len(codes), len(wanted)), np.bool_)
    _sums(codes, rows.each, rows.total, usual, wanted, sums, there)
    return sums, there


@jit
def _quantise(x, codes, seen, counts):  # type: ignore[no-untyped-def]
    """The values of x on their grid, of 256, which are there, and how often in a sixteenth of x."""
    for i in range(x.size):
        whole = np.rint(x[i] * np.float32(32))
        codes[i] = np.uint8(np.int32(min(max(whole, np.float32(-128)), np.float32(127))) + 128)
    for i in range(codes.size):
        seen[codes[i]] = True
    for i in range(0, codes.size, 16):
        counts[codes[i]] += 1


@jit
def _number(seen, counts, places, values):  # type: ignore[no-untyped-def]
    """The code of each of the 256 values that are there, and the value of each code; how many there
    are, and which is there most.
    """
    kinds, most, usual = 0, -1, 0
    for value in range(256):
        there, count = False, 0
        for part in range(len(counts)):
            there |= seen[part, value]
            count += counts[part, value]
        if there:
            places[value], values[kinds] = kinds, np.float32(value - 128) * UNIT
            if count > most:
                most, usual = count, kinds
            kinds += 1
    return kinds, usual


@jit
def _replace(places, codes):  # type: ignore[no-untyped-def]
    for i in range(codes.size):
        codes[i] = places[codes[i]]


@inlined
def order_by_code(codes, usual, wanted, found, count, order, start):  # type: ignore[no-untyped-def]
    """The pixels of each code in `wanted` but the `usual` one: of code k, order[start[k] : start[k
    + 1]].
    """
    count[:] = 0
    some = others(codes, np.uint8(usual), found)
    for j in range(some):
        count[codes[found[j]]] += 1
    start[0] = 0
    for k in range(wanted.size):
        start[k + 1] = start[k] + (count[k] if wanted[k] else 0)
        count[k] = start[k]
    for j in range(some):
        k = codes[found[j]]
        if wanted[k]:
            order[count[k]] = found[j]
            count[k] += 1


@jit
def _sums(codes, rows, total, usual, wanted, sums, there):  # type: ignore[no-untyped-def]
    sum_weights(codes, rows, total, usual, wanted, sums, there)


@inlined
def sum_weights(codes, rows, total, usual, wanted, sums, there):  # type: ignore[no-untyped-def]
    """`summed`, into arrays that are there."""
    pixels, kinds, width = codes.shape[1], wanted.size, sums.shape[2]
    found, order, rest = new_numbers((pixels + 1,)), new_numbers((pixels,)), new_shorts((width,))
    count, start = new_numbers((kinds,)), new_numbers((kinds + 1,))
    for n in range(len(codes)):
        order_by_code(codes[n], usual, wanted, found, count, order, start)
        for o in range(width):
            rest[o] = total[o]
        for k in range(kinds):
            there[n, k] = start[k + 1] > start[k]
            if there[n, k]:
                own = sums[n, k]
                own[:] = 0
                add_rows(rows, order, start[k], start[k + 1], own)
                if wanted[usual]:
                    for o in range(width):
                        rest[o] -= own[o]
        own = sums[n, usual]
        for o in range(width):
            own[o] = rest[o]
        there[n, usual] = wanted[usual]


@inlined
def firing(step, there, here, found):  # type: ignore[no-untyped-def]
    """The numbers of the codes that spike in a step and are there into `found`; how many these are.
    `here` (K,) is room.
    """
    for k in range(step.size):
        here[k] = step[k] if there[k] else np.float32(0)
    return active(here, found)


@inlined
def sum_codes(step, there, sums, here, found, whole):  # type: ignore[no-untyped-def]
    """The sums of the codes that spike in a step and are there, added up: into `whole` (O,)
    int16.
    """
    whole[:] = 0
    add_rows(sums, found, 0, firing(step, there, here, found), whole)


@jit
def _forward(steps, sums, there, z):  # type: ignore[no-untyped-def]
    """Steps in the outer loop: at each, the sums of the codes that are active."""
    kinds, width = steps.shape[1], sums.shape[2]
    whole, found, here = (
        np.empty(width, np.int16),
        np.empty(kinds + 1, np.int64),
        np.empty(kinds, np.float32),
    )
    for n in range(len(sums)):
        for t in range(len(steps)):
            sum_codes(steps[t], there[n], sums[n], here, found, whole)
            out = z[n, t]
            for o in range(width):
                out[o] = np.float32(whole[o]) * UNIT


@jit
def _trains(steps, sums, there, gz, trains, g_table):  # type: ignore[no-untyped-def]
    add_trains(steps, sums, there, gz, trains, g_table)


@inlined
def add_trains(steps, sums, there, gz, trains, g_table):  # type: ignore[no-untyped-def]
    """The sum of gz over the steps in which a code spikes, for each that is there and ever does (N,
    K, O); adds to g_table (T, K).
    """
    (length, kinds), width = steps.shape, sums.shape[2]
    start, when, at_hand = new_ints((kinds + 1,)), new_ints((steps.size,)), new_numbers((kinds,))
    whole, along = new_floats2((kinds, width)), new_floats2((length, kinds))
    by_input(steps, 0, kinds, start, when, np.float32(0))
    for n in range(len(gz)):
        count = ZERO
        for k in range(kinds):
            if there[n, k]:
                own, into = sums[n, k], whole[count]
                for o in range(width):
                    into[o] = np.float32(own[o])
                if start[k + 1] > start[k]:
                    trains[n, k] = 0
                    add_rows(gz[n], when, start[k], start[k + 1], trains[n, k])
                at_hand[count] = k
                count += 1
        dots(gz[n], whole, ZERO, count, along)
        for t in range(length):
            for j in range(count):
                g_table[t, at_hand[j]] += np.float64(along[t, j] * UNIT)


@inlined
def trains_at(codes, pixel, fires, found):  # type: ignore[no-untyped-def]
    """The numbers of the trains (N K) of a pixel's codes (N, I), of those that ever fire, into
    `found`; how many these are.
    """
    count = 0
    for n in range(len(codes)):
        code = codes[n, pixel]
        found[count] = n * fires.size + code
        count += int(fires[code])
    return count


@jit
def _scatter(codes, low, fires, trains, fresh, gw):  # type: ignore[no-untyped-def]
    """Adds to gw, the rows from pixel `low` on, which begin at zero if it is `fresh`, the trains
    (N, K, O) of each pixel's codes (N, I), of
    those that ever fire."""
    samples, kinds, width = trains.shape
    rows, found = trains.reshape(samples * kinds, width), np.empty(samples + 1, np.int32)
    for i in range(len(gw)):
        count = trains_at(codes, low + i, fires, found)
        if fresh:
            gw[i] = 0
        add_rows(rows, found, 0, count, gw[i])
