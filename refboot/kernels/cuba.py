"""Kernels of refboot.reference.cuba: forward equal to it in every bit, backward to 4 ulps of what |grad| would give.

Arrays come as (N, C, S, T); state is int64. The stages of a step are decay, integrate, fire, reset.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels.jit import jit
from refboot.kernels.leaky import DECAY_SCALE, four, leaky_step
from refboot.kernels.spike import surrogate


def cuba_forward(z: Floats, i_decay: Ints, v_decay: Ints, threshold: int, u: Ints, v: Ints) -> tuple[Floats, Floats, Ints, Ints]:
    """See reference.cuba_forward."""
    spikes, voltage = np.empty(z.shape, np.float32), np.empty(z.shape, np.float32)
    u, v = np.ascontiguousarray(u).copy(), np.ascontiguousarray(v).copy()
    state = four(u[..., None])[..., 0], four(v[..., None])[..., 0]
    _cuba(four(z), i_decay, v_decay, threshold, *state, four(spikes), four(voltage))
    return spikes, voltage, u, v


def cuba_backward(grad: Floats, voltage: Floats, i_decay: Ints, v_decay: Ints, threshold: float, tau: float, scale: float) -> Floats:
    """See reference.cuba_backward."""
    gz = np.empty(grad.shape, np.float32)
    i_keep, v_keep = (1 - decay.astype(np.float32) / np.float32(DECAY_SCALE) for decay in (i_decay, v_decay))
    constants = np.float32(threshold), np.float32(scale / (2 * tau)), np.float32(-1 / tau)
    _cuba_backward(four(grad), four(voltage), i_keep, v_keep, *constants, four(gz))
    return gz


@jit
def cuba_step(z, u, v, i_keep, v_keep):  # type: ignore[no-untyped-def]
    """Decay and integrate: the current takes z on the state grid, the voltage takes the current."""
    u = leaky_step(u, np.int64(z * np.float32(4096)), i_keep)
    return u, leaky_step(v, u, v_keep)


@jit
def _cuba(z, i_decay, v_decay, threshold, u, v, spikes, voltage):  # type: ignore[no-untyped-def]
    samples, channels, space, steps = z.shape
    for n in range(samples):
        for c in range(channels):
            i_keep = DECAY_SCALE - i_decay[c if i_decay.size > 1 else 0]
            v_keep = DECAY_SCALE - v_decay[c if v_decay.size > 1 else 0]
            for k in range(space):
                u_now, v_now = u[n, c, k], v[n, c, k]
                for t in range(steps):
                    u_now, v_now = cuba_step(z[n, c, k, t], u_now, v_now, i_keep, v_keep)
                    voltage[n, c, k, t] = np.float32(v_now / 4096)
                    fires = v_now > threshold
                    spikes[n, c, k, t] = np.float32(fires)
                    if fires:
                        v_now = 0
                u[n, c, k], v[n, c, k] = u_now, v_now


@jit
def _cuba_backward(grad, voltage, i_keep, v_keep, threshold, slope, inverse, gz):  # type: ignore[no-untyped-def]
    samples, channels, space, steps = grad.shape
    for n in range(samples):
        for c in range(channels):
            i_factor = i_keep[c if i_keep.size > 1 else 0]
            v_factor = v_keep[c if v_keep.size > 1 else 0]
            for k in range(space):
                gu, later = np.float32(0), np.float32(0)
                for t in range(steps - 1, -1, -1):
                    gv = grad[n, c, k, t] * surrogate(voltage[n, c, k, t], threshold, slope, inverse)
                    gu = gv + v_factor * gu
                    later = gu + i_factor * later
                    gz[n, c, k, t] = later
