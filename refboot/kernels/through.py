"""A spiking network that only runs, on still pictures: an image goes through all layers before the
next, and nothing of it is stored.

Sums and neurons are those of `coded` and `running`, in every bit. Letters: N samples, I inputs, K
codes, T steps, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refboot import threads
from refboot.arrays import Floats, Ints
from refboot.kernels.adding import add_at_each, others
from refboot.kernels.coded import Picture, _sums, firing, wanted
from refboot.kernels.cuba import any_of, bounded, kept
from refboot.kernels.events import LARGEST, UNIT, Rows
from refboot.kernels.jit import jit
from refboot.kernels.layout import empty
from refboot.kernels.running import fire
from refboot.kernels.weight_tasks import WIDE


def spikes_through(
    picture: Picture,
    table: Floats,
    weights: Sequence[Rows],
    neurons: Sequence[tuple[Ints, Ints, int]],
) -> Floats | None:
    """z (N, O, T) of the last of the `weights`, a read-out; behind each other one `neurons` (both
    decays, threshold), from rest. float32.

    `table` (K, T) is the spike train of each code of the `picture`. None where a state might not
    fit 32 bits.
    """
    if not all(bounded(LARGEST, table.shape[1], *neuron) for neuron in neurons):
        return None
    first, *behind = weights
    widths = [len(rows.total) for rows in weights]
    z, out = empty((len(picture.codes), widths[-1], table.shape[1]))
    packed = np.concatenate(
        [*(rows.each.reshape(-1) for rows in behind[:-1]), _padded(behind[-1].each).reshape(-1)]
    )
    widths[-1] += -widths[-1] % WIDE
    i_decays, v_decays, limits = zip(*neurons, strict=True)
    i_keep, v_keep = (
        np.concatenate([*map(kept, decays, widths)]) for decays in (i_decays, v_decays)
    )
    given = (
        picture.usual,
        first.each,
        first.total,
        np.ascontiguousarray(table.T),
        wanted(table, picture.usual),
        np.array(widths),
        packed,
    )
    neuron = i_keep, v_keep, np.array(limits, np.int32)
    threads.over(len(z), lambda part: _through(picture.codes[part], *given, *neuron, out[part]))
    return z


def _padded(rows: np.ndarray) -> np.ndarray:
    """The rows (I, O) with zeros up to a width that is a whole number of vectors."""
    wide = np.zeros((len(rows), rows.shape[1] + -rows.shape[1] % WIDE), np.int8)
    wide[:, : rows.shape[1]] = rows
    return wide


@jit
def _through(codes, usual, rows, total, steps, needed, widths, packed, i_keep, v_keep, limits, z):  # type: ignore[no-untyped-def]
    length, kinds, most = len(steps), needed.size, max(widths.max(), needed.size)
    sums, there, here = (
        np.empty((kinds, widths[0]), np.int16),
        np.empty(kinds, np.bool_),
        np.empty(kinds, np.float32),
    )
    found, count, drives = (
        np.empty((length, most + 1), np.int64),
        np.empty(length, np.int64),
        np.empty((length, most), np.int16),
    )
    for n in range(len(codes)):
        _sums(
            codes[n : n + 1],
            rows,
            total,
            usual,
            needed,
            sums.reshape(1, kinds, widths[0]),
            there.reshape(1, kinds),
        )
        for t in range(length):
            count[t] = firing(steps[t], there, here, found[t])
        add_at_each(sums, found, count, drives)
        low, place = 0, 0
        for k in range(limits.size):
            high, beyond = low + widths[k], place + widths[k] * widths[k + 1]
            _fire(drives, i_keep[low:high], v_keep[low:high], limits[k], found, count)
            add_at_each(
                packed[place:beyond].reshape(widths[k], widths[k + 1]), found, count, drives
            )
            low, place = high, beyond
        for t in range(length):
            for o in range(z.shape[2]):
                z[n, t, o] = np.float32(drives[t, o]) * UNIT


@jit
def _fire(drives, i_keep, v_keep, limit, found, count):  # type: ignore[no-untyped-def]
    """The numbers of the neurons that spike at each step."""
    width = i_keep.size
    u, v, spikes, keeps = (
        np.zeros(width, np.int32),
        np.zeros(width, np.int32),
        np.empty(width, np.uint8),
        any_of(i_keep),
    )
    for t in range(len(count)):
        fire(drives[t, :width], u, v, keeps, i_keep, v_keep, limit, spikes)
        count[t] = others(spikes, np.uint8(0), found[t])
