"""Kernels of refboot.reference.leaky; equal to it in every bit.

Arrays come as (N, C, S, T): S is all of space, 1 for dense layers. State is int64.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels.jit import jit

DECAY_SCALE = 4096
NO_LIMIT = 2**62


def leaky_forward(
    drive: Ints, decay: Ints, state: Ints, threshold: int | None = None, subtract: bool = False
) -> tuple[Ints, Ints]:
    """See reference.leaky_forward."""
    return integrate(drive, decay, state, threshold, subtract, NO_LIMIT)


def integrate(
    drive: Ints, decay: Ints, state: Ints, threshold: int | None, subtract: bool, largest: int
) -> tuple[Ints, Ints]:
    """The recurrence with states clipped to +-largest."""
    y, last = np.empty(drive.shape, np.int64), np.ascontiguousarray(state).copy()
    limit = NO_LIMIT if threshold is None else threshold
    _leaky(
        four(drive),
        decay,
        four(last[..., None])[..., 0],
        limit,
        limit if subtract else NO_LIMIT,
        largest,
        four(y),
    )
    return y, last


def leaky_backward(grad: Floats, decay: Ints) -> Floats:
    """See reference.leaky_backward."""
    gx = np.empty(grad.shape, np.float32)
    keep = 1 - decay.astype(np.float32) / np.float32(DECAY_SCALE)
    _leaky_backward(four(grad), keep, four(gx))
    return gx


def leaky_decay_backward(gx: Floats, y: Ints, shared: bool) -> Floats:
    """See reference.leaky_decay_backward; agrees to 4 ulps of the sum of magnitudes."""
    channels = 1 if shared else gx.shape[1]
    totals = np.zeros(channels)
    _decay_sums(four(gx), four(y), totals)
    return (-totals / DECAY_SCALE).astype(np.float32)


def four(x: np.ndarray) -> np.ndarray:
    """A contiguous (N, C, S, T) view (or copy) of x (N, C, ..., T)."""
    return np.ascontiguousarray(x).reshape(x.shape[0], x.shape[1], -1, x.shape[-1])


@jit
def leaky_step(state, drive, keep):  # type: ignore[no-untyped-def]
    """One step of the recurrence; keep = 4096 - decay. The shift cuts off towards zero."""
    product = state * keep
    return drive + (product >> 12 if product >= 0 else -((-product) >> 12))


@jit
def _leaky(drive, decay, state, threshold, less, largest, y):  # type: ignore[no-untyped-def]
    """A state above `threshold` loses `less`, or all of itself if that is larger."""
    samples, channels, space, steps = drive.shape
    for n in range(samples):
        for c in range(channels):
            keep = DECAY_SCALE - decay[c if decay.size > 1 else 0]
            for k in range(space):
                now = state[n, c, k]
                for t in range(steps):
                    now = max(min(leaky_step(now, drive[n, c, k, t], keep), largest), -largest)
                    y[n, c, k, t] = now
                    if now > threshold:
                        now = max(now - less, 0)
                state[n, c, k] = now


@jit
def _leaky_backward(grad, keep, gx):  # type: ignore[no-untyped-def]
    samples, channels, space, steps = grad.shape
    for n in range(samples):
        for c in range(channels):
            factor = keep[c if keep.size > 1 else 0]
            for k in range(space):
                later = np.float32(0)
                for t in range(steps - 1, -1, -1):
                    later = grad[n, c, k, t] + factor * later
                    gx[n, c, k, t] = later


@jit
def _decay_sums(gx, y, totals):  # type: ignore[no-untyped-def]
    samples, channels, space, steps = gx.shape
    for n in range(samples):
        for c in range(channels):
            total = 0.0
            for k in range(space):
                for t in range(1, steps):
                    total += np.float64(gx[n, c, k, t]) * (y[n, c, k, t - 1] / 4096)
            totals[c if totals.size > 1 else 0] += total
