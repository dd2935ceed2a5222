"""A dense layer of plain CUBA neurons that only runs: sums and neurons in one pass, so that neither
sums nor voltages leave the cache.

Its spikes are those of dense_forward and cuba_forward in every bit. Sums are in units of 1/32 and
fit 16 bits (`events.rows_of`).
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels.adding import active, add_rows
from refboot.kernels.coded import Picture, by_sums, sum_codes
from refboot.kernels.cuba import any_of, bounded, kept, narrow_step
from refboot.kernels.events import LARGEST, UNIT, Rows, most_forward, spiking
from refboot.kernels.jit import inlined, jit
from refboot.kernels.layout import empty, over_samples, time_major

STATE_UNITS = np.int32(4096 * UNIT)  # in a unit of the sums


def dense_spikes(
    x: Floats, rows: Rows, i_decay: Ints, v_decay: Ints, threshold: int
) -> Floats | None:
    """Spikes (N, O, T) for spikes x (N, I, T) and a weight, from rest; None where this is not the
    way to take. float32.
    """
    inputs, width = time_major(x), len(rows.total)
    if not bounded(LARGEST, x.shape[-1], i_decay, v_decay, threshold) or not spiking(
        inputs, most_forward(width)
    ):
        return None
    spikes, out = empty((len(x), width, x.shape[-1]))
    neuron = kept(i_decay, width), kept(v_decay, width), np.int32(threshold)
    over_samples(spikes.shape, lambda some: _dense(inputs[some], rows.each, *neuron, out[some]))
    return spikes


def coded_spikes(
    picture: Picture, table: Floats, rows: Rows, i_decay: Ints, v_decay: Ints, threshold: int
) -> Floats | None:
    """Spikes (N, O, T) for a still `picture`, the spike train of each code (K, T) and a weight,
    from rest; None as above. float32.
    """
    width, steps = len(rows.total), table.shape[1]
    if not bounded(LARGEST, steps, i_decay, v_decay, threshold):
        return None
    spikes, out = empty((len(picture.codes), width, steps))
    neuron = kept(i_decay, width), kept(v_decay, width), np.int32(threshold)
    by_sums(
        picture,
        table,
        rows,
        lambda trains, sums, there, some: _coded(trains, sums, there, *neuron, out[some]),
    )
    return spikes


@inlined
def driven(drive, u, v, keeps, i_keep, v_keep):  # type: ignore[no-untyped-def]
    """The current and, before a spike, the voltage of a neuron, a step on; `keeps`: whether any
    current is kept.
    """
    current = np.int32(np.int32(drive) * STATE_UNITS)
    if keeps:
        current = narrow_step(u, current, i_keep)
    return current, narrow_step(v, current, v_keep)


@inlined
def fire(total, u, v, keeps, i_keep, v_keep, threshold, spikes):  # type: ignore[no-untyped-def]
    """One step of the neurons whose drives are `total`."""
    for c in range(total.size):
        u[c], now = driven(total[c], u[c], v[c], keeps, i_keep[c], v_keep[c])
        fires = now > threshold
        spikes[c] = fires
        v[c] = np.int32(0) if fires else now


@jit
def _dense(x, rows, i_keep, v_keep, threshold, spikes):  # type: ignore[no-untyped-def]
    samples, steps, inputs = x.shape
    width = rows.shape[1]
    total, found = np.empty(width, np.int16), np.empty(inputs + 1, np.int64)
    u, v, keeps = np.empty(width, np.int32), np.empty(width, np.int32), any_of(i_keep)
    for n in range(samples):
        u[:] = 0
        v[:] = 0
        for t in range(steps):
            total[:] = 0
            add_rows(rows, found, 0, active(x[n, t], found), total)
            fire(total, u, v, keeps, i_keep, v_keep, threshold, spikes[n, t])


@jit
def _coded(steps, sums, there, i_keep, v_keep, threshold, spikes):  # type: ignore[no-untyped-def]
    kinds, width = steps.shape[1], sums.shape[2]
    total, found, here = (
        np.empty(width, np.int16),
        np.empty(kinds + 1, np.int64),
        np.empty(kinds, np.float32),
    )
    u, v, keeps = np.empty(width, np.int32), np.empty(width, np.int32), any_of(i_keep)
    for n in range(len(sums)):
        u[:] = 0
        v[:] = 0
        for t in range(len(steps)):
            sum_codes(steps[t], there[n], sums[n], here, found, total)
            fire(total, u, v, keeps, i_keep, v_keep, threshold, spikes[n, t])
