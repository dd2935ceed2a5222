"""The leaky integrator: the integer recurrence under both the current and the voltage of a neuron.

Letters: N samples, C channels (more axes may follow), T steps; time is the last axis.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.reference.numbers import DECAY_SCALE, channel_total, shift_to_zero, to_real, total


def leaky_step(state: Ints, drive: Ints, decay: Ints) -> Ints:
    """One step: y = shift_to_zero(state * (4096 - decay)) + drive; all int64 state units, decay in
    0..4096. Spec: LIF-1.

    >>> leaky_step(np.array([4096, -4096]), np.array([10, 10]), np.array(123)).tolist()
    [3983, -3963]
    """
    return shift_to_zero(state * (DECAY_SCALE - decay)) + drive


def leaky_forward(
    drive: Ints, decay: Ints, state: Ints, threshold: int | None = None, subtract: bool = False
) -> tuple[Ints, Ints]:
    """Integrate `drive` (N, C, ..., T) from `state` (N, C, ...): the state of every step before its
    reset, and the last after it.

    `decay` is (1,) or one per channel (C,). With a `threshold` (state units) a state above it
    restarts from zero, or with `subtract` from what it is above the threshold; without one nothing
    resets. Spec: LIF-2.
    """
    decay = per_channel(decay, state.ndim)
    y = np.empty_like(drive)
    for t in range(drive.shape[-1]):
        y[..., t] = leaky_step(state, drive[..., t], decay)
        state = y[..., t] if threshold is None else reset(y[..., t], threshold, subtract)
    return y, state.copy()


def reset(y: Ints, threshold: int, subtract: bool) -> Ints:
    """The state after a step: y, where it is above the threshold zero or, with `subtract`, y -
    threshold; int64.

    >>> y = np.array([100, 130])
    >>> reset(y, 100, False).tolist(), reset(y, 100, True).tolist()
    ([100, 0], [100, 30])
    """
    return np.where(y > threshold, y - threshold if subtract else 0, y)


def leaky_backward(grad: Floats, decay: Ints) -> Floats:
    """Gradient for the real input: gx[t] = gy[t] + (1 - decay/4096) * gx[t+1]; the reset is passed
    over. float32.

    Forward line: y[t] = y[t-1] * (1 - decay/4096) + x[t]. Spec: GRD-2, GRD-15.
    """
    keep: Floats = per_channel(
        1 - decay.astype(np.float32) / np.float32(DECAY_SCALE), grad.ndim - 1
    )
    gx = np.empty_like(grad)
    later: Floats = np.zeros_like(grad[..., 0])
    for t in reversed(range(grad.shape[-1])):
        later = grad[..., t] + keep * later
        gx[..., t] = later
    return gx


def leaky_decay_backward(gx: Floats, y: Ints, shared: bool) -> Floats:
    """Gradient with respect to the decay mantissas: (1,) if `shared`, else (C,); float32.

    -1/4096 times the sum over t >= 1 of gx[t] * y[t-1] (y in real units): for each channel over
    samples, space and steps in order, then over channels. Forward line: y[t] = y[t-1] * (1 -
    decay/4096) + x[t]. lava-dl returns -4096 times this (see the spec). Spec: GRD-4.
    """
    sums = channel_total(gx[..., 1:] * to_real(y[..., :-1]))
    return -(total(sums).reshape(1) if shared else sums) / np.float32(DECAY_SCALE)


def per_channel(values: np.ndarray, ndim: int) -> np.ndarray:
    """`values` of shape (1,) or (C,), reshaped so that they lie along axis 1 of an array with
    `ndim` axes. Spec: LIF-3.
    """
    return values.reshape(1, -1, *[1] * (ndim - 2))
