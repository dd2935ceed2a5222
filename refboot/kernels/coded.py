"""Dense sums over still pictures. Quantised pixels have few values: each has a code, and one row of a table is its train (or its rate).

So an output sums its weights per code first, x[n, i, t] = table[codes[n, i], t], z = sum over k of table[k] * (sum of the weights of the
pixels of code k), and the gradients follow by the same sums. What most pixels are, background, is not summed: it is the rest of a total.
Letters: N samples, I pixels, K codes, T steps, O outputs. Weights are the bytes of `events.rows_of`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels.events import AT_ONCE, UNIT, Rows, active, add_rows
from refboot.kernels.jit import jit, jit_sum
from refboot.kernels.layout import empty, time_major


class Picture(NamedTuple):
    """Still pictures: the code of each pixel (N, I) uint8, the value of each code (K,) float32, rising, and a code that many have."""

    codes: np.ndarray
    values: Floats
    usual: int


def encode(x: Floats) -> Picture:
    """x (N, I), float32, quantised as weights are; each code occurs."""
    codes, present, some = np.empty(x.shape, np.uint8), np.zeros(256, np.bool_), np.zeros(256, np.int64)
    flat = codes.reshape(-1)
    _quantised(np.ascontiguousarray(x).reshape(-1), flat)
    _seen(flat, present, some)
    kinds = np.flatnonzero(present)
    places = np.zeros(256, np.uint8)
    places[kinds] = np.arange(len(kinds))
    _replace(flat, places)
    return Picture(codes, ((kinds - 128) * UNIT).astype(np.float32), int(some[kinds].argmax()))


def coded_forward(picture: Picture, table: Floats, rows: Rows) -> Floats:
    """z (N, O, T) for a `picture`, its table (K, T) and a weight: exact for a table of zeros and ones. float32."""
    codes, usual = picture.codes, picture.usual
    z, out = empty((len(codes), len(rows.total), table.shape[1]))
    steps, binary = np.ascontiguousarray(table.T), bool(((table == 0) | (table == 1)).all())
    threads.over(len(codes), lambda part: _forward(codes[part], steps, rows.each, usual, rows.total, binary, out[part]))
    return z


def coded_backward(grad: Floats, picture: Picture, table: Floats, rows: Rows) -> tuple[Floats, Floats]:
    """Gradients of `coded_forward` for the table (K, T) and the weight (O, I), given that of z (N, O, T). float32."""
    gz, (codes, _, usual), width = time_major(grad), picture, len(rows.total)
    gw, steps = np.zeros((codes.shape[1], width), np.float32), np.ascontiguousarray(table.T)
    parts = {part.start: np.zeros(table.shape, np.float64) for part in threads.parts(width, 16)}

    def work(part: slice) -> None:
        _backward(codes, steps, rows.each, usual, rows.total, gz, part.start, part.stop, gw, parts[part.start])

    threads.over(width, work, unit=16)
    return np.sum([parts[start] for start in sorted(parts)], axis=0).astype(np.float32), gw.T


@jit
def _quantised(x, codes):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        whole = np.rint(x[i] * np.float32(32))
        codes[i] = np.uint8(np.int32(min(max(whole, np.float32(-128)), np.float32(127))) + 128)


@jit
def _seen(codes, present, some):  # type: ignore[no-untyped-def]
    """Which codes there are, and how often in a sixteenth of the pixels: any may be called usual, a common one makes it fast."""
    for i in range(codes.size):
        present[codes[i]] = True
    for i in range(0, codes.size, 16):
        some[codes[i]] += 1


@jit
def _replace(codes, places):  # type: ignore[no-untyped-def]
    for i in range(codes.size):
        codes[i] = places[codes[i]]


@jit
def sums_by_code(codes, rows, low, usual, wanted, order, start, sums):  # type: ignore[no-untyped-def]
    """The weights of each code in `wanted` but the `usual` one summed, sums (K + 1, outputs from `low` on).

    The pixels are in `order`, those of code k from start[k] on.
    The pixels of each code are followed by none (the zero row) up to a multiple of AT_ONCE.
    """
    count, pixels, some = np.zeros(wanted.size, np.int64), codes.size, np.int64(0)
    others = np.empty(pixels + 1, np.int64)
    for i in range(pixels):
        others[some] = i
        some += np.int64(wanted[codes[i]] & (codes[i] != usual))
    for j in range(some):
        count[codes[others[j]]] += 1
    for k in range(wanted.size):
        start[k + 1] = start[k] + -(-count[k] // AT_ONCE) * AT_ONCE
    order[: start[wanted.size]] = pixels
    for k in range(wanted.size):
        count[k] = start[k]
    for j in range(some):
        k = codes[others[j]]
        order[count[k]] = others[j]
        count[k] += 1
    for k in range(wanted.size):
        if start[k + 1] > start[k]:
            sums[k, :] = 0
            for j in range(start[k], start[k + 1], AT_ONCE):
                add_rows(rows, order, j, low, sums[k])


@jit
def rest_of(total, start, sums, usual, rest):  # type: ignore[no-untyped-def]
    """The sum of the usual code into sums[usual], by way of `rest`: the total without the others."""
    for o in range(rest.size):
        rest[o] = total[o]
    for k in range(len(start) - 1):
        if start[k + 1] > start[k]:
            own = sums[k]
            for o in range(rest.size):
                rest[o] -= own[o]
    own = sums[usual]
    for o in range(rest.size):
        own[o] = rest[o]


@jit
def mark_alive(steps, alive):  # type: ignore[no-untyped-def]
    """Mark the codes that are not zero at every step of `steps` (T, K)."""
    for t in range(len(steps)):
        for k in range(alive.size):
            alive[k] |= steps[t, k] != 0


@jit
def _forward(codes, steps, rows, usual, total, binary, z):  # type: ignore[no-untyped-def]
    """Steps in the outer loop: at each, the sums of the codes that are active."""
    kinds, width = steps.shape[1], rows.shape[1]
    wanted = np.zeros(kinds, np.bool_)
    mark_alive(steps, wanted)
    if wanted[usual]:
        wanted[:] = True  # its sum is the rest that all others leave
    order, start = np.empty(codes.shape[1] + kinds * AT_ONCE, np.int64), np.zeros(kinds + 1, np.int64)
    sums, whole, found = np.zeros((kinds + 1, width), np.int16), np.empty(width, np.int16), np.empty(kinds + AT_ONCE, np.int64)
    here, none = np.empty(kinds, np.float32), np.int64(kinds)
    for n in range(len(codes)):
        sums_by_code(codes[n], rows, 0, usual, wanted, order, start, sums)
        if wanted[usual]:
            rest_of(total, start, sums, usual, whole)
        for t in range(len(steps)):
            for k in range(kinds):
                here[k] = steps[t, k] if (start[k + 1] > start[k]) | (k == usual) else np.float32(0)
            count, out = active(here, none, found), z[n, t]
            if binary:
                whole[:] = 0
                for j in range(0, count, AT_ONCE):
                    add_rows(sums, found, j, 0, whole)
                for o in range(width):
                    out[o] = np.float32(whole[o]) * UNIT
            else:
                out[:] = 0
                for j in range(count):
                    if found[j] != none:
                        add_times(sums[found[j]], here[found[j]] * UNIT, out)


@jit
def _backward(codes, steps, rows, usual, total, gz, low, high, gw, g_table):  # type: ignore[no-untyped-def]
    """For the outputs in [low, high): adds to gw (I, O) and to g_table (K, T)."""
    kinds, width = steps.shape[1], high - low
    alive, wanted = np.zeros(kinds, np.bool_), np.ones(kinds, np.bool_)
    mark_alive(steps, alive)
    order, start = np.empty(codes.shape[1] + kinds * AT_ONCE, np.int64), np.zeros(kinds + 1, np.int64)
    sums, trains = np.zeros((kinds + 1, width), np.int16), np.empty((kinds, width), np.float32)
    part, rest = np.empty(width, np.float32), np.empty(width, np.int16)
    for n in range(len(codes)):
        sums_by_code(codes[n], rows, low, usual, wanted, order, start, sums)
        rest_of(total[low:high], start, sums, usual, rest)
        for k in range(kinds):
            if (start[k + 1] > start[k]) | (k == usual):
                own = sums[k]
                for o in range(width):
                    part[o] = np.float32(own[o])
                for t in range(len(steps)):
                    g_table[k, t] += np.float64(dot(part, gz[n, t, low:high]) * UNIT)
                if alive[k]:
                    trains[k, :] = 0
                    for t in range(len(steps)):
                        if steps[t, k] != 0:
                            add_times(gz[n, t, low:high], steps[t, k], trains[k])
        for i in range(codes.shape[1]):
            if alive[codes[n, i]]:
                add_times(trains[codes[n, i]], np.float32(1), gw[i, low:high])


@jit
def add_times(x, factor, total):  # type: ignore[no-untyped-def]
    """total += factor * x."""
    for o in range(total.size):
        total[o] += factor * np.float32(x[o])


@jit_sum
def dot(x, y):  # type: ignore[no-untyped-def]
    """The sum of x y, in an order that the compiler chooses."""
    total = np.float32(0)
    for o in range(x.size):
        total += x[o] * y[o]
    return total
