"""Twins of refboot.reference.cuba and spike: a layer of neurons in one pass, forward and backward.

Arrays are worked on as (N, T, M), M neurons that are neighbours in memory, in 32-bit integers where
the states provably fit. Where they may not, the definition computes.
"""

from __future__ import annotations

import numpy as np

from refboot import reference, threads
from refboot.arrays import Floats, Ints
from refboot.kernels.jit import inlined, jit, per_neuron, time_last, time_major
from refboot.kernels.leaky import SMALL, keep_of
from refboot.kernels.numbers import exp_negative

F = np.float32
LIMIT = 2.0**31 - 1


def cuba_forward(
    z: Floats, i_decay: Ints, v_decay: Ints, threshold: int, u: Ints, v: Ints
) -> tuple[Floats, Floats, Ints, Ints]:
    """See reference.cuba_forward."""
    given = time_major(z)
    if not fits(largest(given.reshape(-1)), z.shape[-1], i_decay, v_decay, threshold, u, v):
        return reference.cuba_forward(z, i_decay, v_decay, threshold, u, v)
    keep_i, keep_v = (per_neuron(4096 - d, u.shape, np.int32) for d in (i_decay, v_decay))
    states = [np.array(state, np.int32, order="C").reshape(len(z), -1) for state in (u, v)]
    spikes, voltage = (np.empty(given.shape, np.float32) for _ in range(2))

    def some(part: slice) -> None:
        own = given[part], states[0][part], states[1][part], spikes[part], voltage[part]
        _forward(keep_i, keep_v, np.int32(threshold), *own)

    threads.over_slices(len(z), some, given.size < SMALL)
    u, v = (state.astype(np.int64).reshape(u.shape) for state in states)
    return time_last(spikes, z.shape), time_last(voltage, z.shape), u, v


def cuba_backward(
    grad: Floats,
    voltage: Floats,
    i_decay: Ints,
    v_decay: Ints,
    threshold: float,
    tau: float,
    scale: float,
) -> Floats:
    """See reference.cuba_backward."""
    given, volts = time_major(grad), time_major(voltage)
    keep_i, keep_v = (keep_of(decay, grad.shape) for decay in (i_decay, v_decay))
    constants = F(threshold), F(scale / (2 * tau)), F(-1 / tau)
    gz = np.empty(given.shape, np.float32)

    def some(part: slice) -> None:
        _backward(given[part], volts[part], keep_i, keep_v, *constants, gz[part])

    threads.over_slices(len(given), some, given.size < SMALL)
    return time_last(gz, grad.shape)


def spike_backward(
    grad: Floats, voltage: Floats, threshold: float, tau: float, scale: float
) -> Floats:
    """See reference.spike_backward."""
    given, volts = time_major(grad), time_major(voltage)
    out = np.empty(given.shape, np.float32)
    constants = F(threshold), F(scale / (2 * tau)), F(-1 / tau)
    _surrogates(given.reshape(-1), volts.reshape(-1), *constants, out.reshape(-1))
    return time_last(out, grad.shape)


def fits(
    size: float, steps: int, i_decay: Ints, v_decay: Ints, threshold: int, u: Ints, v: Ints
) -> bool:
    """True if for |z| up to `size` no current or voltage of `steps` steps can leave 32 bits.

    Each step adds at most 4096 |z|; with a decay d the state stays below that times 4096 / d.
    """
    far_u, far_v = (float(np.abs(state).max(initial=0)) for state in (u, v))
    gain_i, gain_v = (min(steps, 4096 / max(int(d.min()), 1)) for d in (i_decay, v_decay))
    current = far_u + size * 4096 * gain_i
    return max(far_v + current * gain_v, threshold) < LIMIT


@jit
def largest(x):
    """The largest |x[i]|."""
    found = F(0)
    for i in range(x.size):
        found = max(found, abs(x[i]))
    return found


@inlined
def leak(state, drive, keep):
    """shift_to_zero(state * keep) + drive in 32 bits: the product by its upper and lower part.

    Numba widens each operation to 64 bits, hence the many int32.
    """
    size = np.int32(abs(state))
    low = np.int32(np.int32(np.int32(size & 4095) * keep) >> 12)
    left = np.int32(np.int32(np.int32(size >> 12) * keep) + low)
    return np.int32(drive + (left if state >= 0 else np.int32(-left)))


@jit
def _forward(keep_i, keep_v, threshold, z, u, v, spikes, voltage):
    N, T, M = z.shape
    for n in range(N):
        current, volt = u[n], v[n]
        for t in range(T):
            drive, fired, before = z[n, t], spikes[n, t], voltage[n, t]
            for m in range(M):
                now = leak(current[m], np.int32(drive[m] * F(4096)), keep_i[m])
                current[m] = now
                now = leak(volt[m], now, keep_v[m])
                before[m] = F(now) * F(1 / 4096)
                fires = now > threshold
                fired[m] = fires
                volt[m] = np.int32(0) if fires else now


@jit
def _backward(grad, voltage, keep_i, keep_v, threshold, slope, inverse, gz):
    N, T, M = grad.shape
    gu, gi = np.empty(M, F), np.empty(M, F)
    for n in range(N):
        gu[:] = 0
        gi[:] = 0
        for t in range(T - 1, -1, -1):
            own, volt, out = grad[n, t], voltage[n, t], gz[n, t]
            for m in range(M):
                surrogate = slope * exp_negative(abs(volt[m] - threshold) * inverse)
                gu[m] = own[m] * surrogate + keep_v[m] * gu[m]
                gi[m] = gu[m] + keep_i[m] * gi[m]
                out[m] = gi[m]


@jit
def _surrogates(grad, voltage, threshold, slope, inverse, out):
    for i in range(grad.size):
        out[i] = grad[i] * (slope * exp_negative(abs(voltage[i] - threshold) * inverse))
