"""Twins of refboot.reference.norm and rates: sums over channels and over time."""

from __future__ import annotations

import numpy as np

from refboot import reference, threads
from refboot.arrays import Floats
from refboot.kernels.jit import jit, time_last, time_major
from refboot.kernels.numbers import add_rows


def channel_total(x: Floats) -> Floats:
    """See reference.numbers.channel_total."""
    sums = np.zeros(x.shape[1], np.float32)
    add_rows(np.ascontiguousarray(np.moveaxis(x, 1, -1)).reshape(-1, x.shape[1]), sums)
    return sums


def norm_statistics(x: Floats) -> tuple[Floats, Floats]:
    """See reference.norm_statistics."""
    return reference.norm_statistics(x, channel_total)


def norm_backward(grad: Floats, std: Floats, through: Floats) -> Floats:
    """See reference.norm_backward."""
    return reference.norm_backward(grad, std, through, channel_total)


def mean_rate_forward(x: Floats) -> Floats:
    """See reference.mean_rate_forward."""
    if x.shape[-1] == 1:
        return x
    given = time_major(x)
    mean = np.empty((len(given), 1, given.shape[2]), np.float32)
    small = given.size < 1 << 16
    threads.over_slices(len(given), lambda part: _mean(given[part], mean[part, 0]), small)
    return time_last(mean, (*x.shape[:-1], 1))


@jit
def _mean(x, mean):
    N, T, _ = x.shape
    for n in range(N):
        own = mean[n]
        own[:] = 0
        for t in range(T):
            row = x[n, t]
            for m in range(own.size):
                own[m] += row[m]
        for m in range(own.size):
            own[m] /= np.float32(T)
