"""Twins of refboot.reference.leaky: the recurrence, many neurons side by side.

Arrays are worked on as (N, T, M), M neurons that are neighbours in memory.
"""

from __future__ import annotations

import numpy as np

from refboot import threads
from refboot.arrays import Floats, Ints
from refboot.kernels.jit import inlined, jit, per_neuron, time_last, time_major
from refboot.kernels.norm import channel_total

SMALL = 1 << 16  # arrays with fewer numbers stay on one thread


def leaky_forward(
    drive: Ints, decay: Ints, state: Ints, threshold: int | None = None, subtract: bool = False
) -> tuple[Ints, Ints]:
    """See reference.leaky_forward."""
    given, last = time_major(drive), np.array(state, np.int64, order="C").reshape(len(state), -1)
    keep, y = per_neuron(4096 - decay, state.shape, np.int64), np.empty(given.shape, np.int64)
    limit = np.int64(0 if threshold is None else threshold)

    def some(part: slice) -> None:
        _forward(given[part], keep, last[part], threshold is not None, limit, subtract, y[part])

    threads.over_slices(len(given), some, given.size < SMALL)
    return time_last(y, drive.shape), last.reshape(state.shape)


def leaky_backward(grad: Floats, decay: Ints) -> Floats:
    """See reference.leaky_backward."""
    given, keep = time_major(grad), keep_of(decay, grad.shape)
    gx = np.empty(given.shape, np.float32)
    threads.over_slices(
        len(given), lambda part: _backward(given[part], keep, gx[part]), given.size < SMALL
    )
    return time_last(gx, grad.shape)


def leaky_decay_backward(gx: Floats, y: Ints, shared: bool) -> Floats:
    """See reference.leaky_decay_backward."""
    products = gx[..., 1:] * (y[..., :-1] / 4096).astype(np.float32)
    sums = channel_total(products)
    if shared:
        sums = channel_total(sums.reshape(-1, 1))
    return -sums / np.float32(4096)


def keep_of(decay: Ints, shape: tuple[int, ...]) -> Floats:
    """The real 1 - decay / 4096 for each neuron of an array of `shape` (N, C, ..., T): (M,)."""
    keep = 1 - decay.astype(np.float32) / np.float32(4096)
    return per_neuron(keep, shape[:-1], np.float32)


@inlined
def shift_to_zero(product):
    """product / 4096, rounded toward zero; int64."""
    return product >> 12 if product >= 0 else -(-product >> 12)


@jit
def _forward(drive, keep, last, resets, threshold, subtract, y):
    N, T, M = drive.shape
    for n in range(N):
        state = last[n]
        for t in range(T):
            own, out = drive[n, t], y[n, t]
            for m in range(M):
                now = shift_to_zero(state[m] * keep[m]) + own[m]
                out[m] = now
                if resets and now > threshold:
                    now = now - threshold if subtract else 0
                state[m] = now


@jit
def _backward(grad, keep, gx):
    N, T, M = grad.shape
    later = np.empty(M, np.float32)
    for n in range(N):
        later[:] = 0
        for t in range(T - 1, -1, -1):
            own, out = grad[n, t], gx[n, t]
            for m in range(M):
                later[m] = own[m] + keep[m] * later[m]
                out[m] = later[m]
