"""Dense sums driven by events: a spike adds its weights, and no spike costs nothing.

Weights on their grid are bytes in units of 1/32, and where no sum of an output's weights can leave
16 bits, sums are taken there: they are whole numbers, hence equal to any other way of summing them,
in every bit. Letters: N samples, T steps, R = N T, I inputs, O outputs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.adding import active, add_rows, others
from refboot.kernels.jit import COMPILED, inlined, jit
from refboot.kernels.layout import over_elements
from refboot.kernels.places import new_ints, new_numbers

FEW_OUTPUTS, MANY_OUTPUTS = 32, 128
UNIT = np.float32(1 / 32)
LARGEST = float((1 << 15) * UNIT)  # no sum of any weights of an output is larger


class Rows(NamedTuple):
    """A weight as bytes in units of 1/32, a row per input (I, O) int8, and the sum of its rows (O,)
    int16.
    """

    each: np.ndarray
    total: np.ndarray


def spiking(x: Floats, most: float) -> bool:
    """Whether x (any shape, contiguous) holds zeros and ones alone, and at most this share of ones.

    False where that is 0, or where kernels run as Python.
    """
    if not (most and COMPILED):
        return False
    flat, counts = x.reshape(-1), [0]
    over_elements(flat.size, lambda part: counts.append(_count(flat[part])))
    return min(counts) >= 0 and sum(counts) <= most * x.size


def most_forward(outputs: int) -> float:
    """Spikes per input and step up to which to add rows is quicker than a product of matrices, 0
    where it never is.

    As measured: see spec/speed.md.
    """
    return 0.7 if outputs >= MANY_OUTPUTS else 0.3 if outputs >= FEW_OUTPUTS else 0.0


def most_backward(outputs: int) -> float:
    """The same for the gradient of a weight."""
    return 0.25 if outputs >= MANY_OUTPUTS else 0.1 if outputs >= FEW_OUTPUTS else 0.0


def rows_of(weight: Floats) -> Rows | None:
    """`weight` (I, O) as bytes; None where that is not the same, or where the sum of some weights
    of an output may leave 16 bits.
    """
    each, total, size = (
        memory.empty(weight.shape, np.int8),
        *(np.zeros(weight.shape[1], np.int32) for _ in range(2)),
    )
    on_grid = _to_bytes(np.ascontiguousarray(weight), each, total, size)
    return Rows(each, total.astype(np.int16)) if on_grid and size.max() * UNIT < LARGEST else None


@jit
def _count(x):  # type: ignore[no-untyped-def]
    """How many ones there are, -1 for anything but zeros and ones."""
    count, other = np.int32(0), np.int32(0)
    for i in range(x.size):
        count += np.int32(x[i] == 1)
        other += np.int32((x[i] != 0) & (x[i] != 1))
    return -1 if other else count


@jit
def _to_bytes(weight, rows, total, size):  # type: ignore[no-untyped-def]
    inputs, outputs = weight.shape
    on_grid = True
    for i in range(inputs):
        for o in range(outputs):
            scaled = weight[i, o] * np.float32(32)
            whole = np.int32(scaled)
            on_grid &= (np.float32(whole) == scaled) & (whole >= -128) & (whole <= 127)
            rows[i, o] = np.int8(whole)
            total[o] += whole
            size[o] += np.int32(abs(whole))
    return on_grid


@jit
def sum_events(x, rows, z):  # type: ignore[no-untyped-def]
    """z (R, O) of spikes x (R, I) and weights `rows` (I, O)."""
    total, found = np.empty(rows.shape[1], np.int16), np.empty(x.shape[1] + 1, np.int64)
    for r in range(len(x)):
        total[:] = 0
        add_rows(rows, found, 0, active(x[r], found), total)
        for o in range(total.size):
            z[r, o] = np.float32(total[o]) * UNIT


@inlined
def by_input(x, low, high, start, where, silent):  # type: ignore[no-untyped-def]
    """For each input i in [low, high): the rows r of x (R, I) in which it spikes are where[start[i
    - low] : start[i - low + 1]].

    `silent` is the 0 of x's type."""
    start[:] = 0
    for r in range(len(x)):
        part = x[r, low:high]
        for i in range(part.size):
            start[i + 1] += np.int32(part[i] != 0)
    for i in range(high - low):
        start[i + 1] += start[i]
    at, found = new_ints((high - low,)), new_numbers((high - low + 1,))
    for i in range(at.size):
        at[i] = start[i]
    for r in range(len(x)):
        for j in range(others(x[r, low:high], silent, found)):
            where[at[found[j]]] = r
            at[found[j]] += 1


@jit
def gather_gradient(x, gz, low, high, gw):  # type: ignore[no-untyped-def]
    """gw (I, O) for the inputs in [low, high): the sum of the rows of gz (R, O) in which each
    spikes, in order.
    """
    start, where = new_ints((high - low + 1,)), new_ints(((high - low) * len(x),))
    by_input(x, low, high, start, where, np.float32(0))
    for i in range(high - low):
        total = gw[low + i]
        total[:] = 0
        add_rows(gz, where, start[i], start[i + 1], total)
