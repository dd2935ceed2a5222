"""The input layer of spikes behind still pictures, once for each code, forward and backward.

Letters: K codes, T steps, P parts.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.cuba import gradient_step, narrow_step
from refboot.kernels.fixed_point import quantised
from refboot.kernels.jit import jit
from refboot.kernels.weight import unclipped


@jit
def trains_of(values, weight, bias, i_keep, v_keep, limit, steps, voltage, means, fires):  # type: ignore[no-untyped-def]
    """The input layer on each code, from rest: spikes and voltages (T, K), means over time of
    spikes and weighted input (2, K), and which
    codes ever spike."""
    w, b, length = quantised(weight[0]), quantised(bias[0]), len(steps)
    for k in range(values.size):
        drive = values[k] * w
        drive += b
        u, v, count, total = np.int32(0), np.int32(0), np.float32(0), np.float32(0)
        for t in range(length):
            u = narrow_step(u, np.int32(drive * np.float32(4096)), i_keep)
            v = narrow_step(v, u, v_keep)
            voltage[t, k], steps[t, k] = np.float32(v) * np.float32(1 / 4096), np.float32(v > limit)
            count, total = count + steps[t, k], total + drive
            v = np.int32(0) if v > limit else v
        means[0, k], means[1, k], fires[k] = (
            count / np.float32(length),
            total / np.float32(length),
            count > 0,
        )


@jit
def through_trains(
    g_table, values, weight, bias, i_keep, v_keep, threshold, slope, inverse, voltage
):  # type: ignore[no-untyped-def]
    """Gradients of weight and bias (1,) of the input layer, given those for the trains of codes, in
    parts (P, T, K).
    """
    gw, gb, along, total = np.empty(1, np.float32), np.empty(1, np.float32), 0.0, 0.0
    for k in range(values.size):
        gu, later = np.float32(0), np.float32(0)
        for t in range(len(voltage) - 1, -1, -1):
            grad = 0.0
            for part in range(len(g_table)):
                grad += g_table[part, t, k]
            gu, later = gradient_step(
                np.float32(grad),
                voltage[t, k],
                gu,
                later,
                i_keep,
                v_keep,
                threshold,
                slope,
                inverse,
            )
            along += np.float64(later * values[k])
            total += np.float64(later)
    gw[0], gb[0] = unclipped(np.float32(along), weight[0]), unclipped(np.float32(total), bias[0])
    return gw, gb
