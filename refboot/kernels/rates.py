"""Rates: the mean over time, one step after the other, as NumPy takes it of an array whose steps
are not neighbours in memory.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.kernels.jit import jit
from refboot.kernels.layout import over_samples


def mean_over_time(x: Floats) -> Floats:
    """The mean of x (N, C, ..., T) over its steps, float32; exact for spikes and for sums of
    quantised weights.
    """
    steps = x.transpose(0, 2, 1) if x.ndim == 3 else x
    if x.ndim != 3 or not steps.flags.c_contiguous:
        return x.mean(axis=-1)
    mean = np.empty(x.shape[:-1], np.float32)
    over_samples(x.shape, lambda part: _mean(steps[part], mean[part]))
    return mean


@jit
def _mean(x, mean):  # type: ignore[no-untyped-def]
    samples, steps, channels = x.shape
    for n in range(samples):
        total = mean[n]
        total[:] = 0
        for t in range(steps):
            now = x[n, t]
            for c in range(channels):
                total[c] += now[c]
        for c in range(channels):
            total[c] /= np.float32(steps)
