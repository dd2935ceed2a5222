"""Kernels of refboot.reference.cuba: forward equal to it in every bit, backward to 4 ulps of what
|grad| would give.

The stages of a step are decay, integrate, fire, reset. Arrays (N, C, T) are worked on as (N, T, C),
many neurons at a time, and in 32-bit integers where the state provably fits; else, and with space,
as (N, C, S, T), neuron by neuron, in 64-bit integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels import memory
from refboot.kernels.jit import inlined, jit, jit_gradient
from refboot.kernels.layout import empty, over_samples, time_major
from refboot.kernels.leaky import DECAY_SCALE, four, leaky_step
from refboot.kernels.magnitude import farthest, largest
from refboot.kernels.spike import surrogate

LIMIT = 2.0**31 - 1


def cuba_forward(
    z: Floats, i_decay: Ints, v_decay: Ints, threshold: int, u: Ints, v: Ints
) -> tuple[Floats, Floats, Ints, Ints]:
    """See reference.cuba_forward."""
    return cuba_within(largest(z), z, i_decay, v_decay, threshold, u, v)


def cuba_within(
    size: float, z: Floats, i_decay: Ints, v_decay: Ints, threshold: int, u: Ints, v: Ints
) -> tuple[Floats, Floats, Ints, Ints]:
    """`cuba_forward` for a z whose largest magnitude is known."""
    if z.ndim == 3 and fits(size, z.shape[-1], i_decay, v_decay, threshold, u, v):
        return _narrow(z, i_decay, v_decay, threshold, u, v)
    spikes, voltage = memory.empty(z.shape), memory.empty(z.shape)
    u, v = np.ascontiguousarray(u).copy(), np.ascontiguousarray(v).copy()
    arrays = (
        four(z),
        four(u[..., None])[..., 0],
        four(v[..., None])[..., 0],
        four(spikes),
        four(voltage),
    )
    over_samples(
        z.shape, lambda part: _cuba(i_decay, v_decay, threshold, *(a[part] for a in arrays))
    )
    return spikes, voltage, u, v


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
    i_keep, v_keep = (
        1 - decay.astype(np.float32) / np.float32(DECAY_SCALE) for decay in (i_decay, v_decay)
    )
    constants = np.float32(threshold), np.float32(scale / (2 * tau)), np.float32(-1 / tau)
    if grad.ndim == 3:
        return _narrow_backward(grad, voltage, i_keep, v_keep, *constants)
    gz = memory.empty(grad.shape)
    arrays = four(grad), four(voltage), four(gz)
    over_samples(
        grad.shape,
        lambda part: _cuba_backward(i_keep, v_keep, *constants, *(a[part] for a in arrays)),
    )
    return gz


def fits(
    size: float, steps: int, i_decay: Ints, v_decay: Ints, threshold: int, u: Ints, v: Ints
) -> bool:
    """`bounded` from the state u and v."""
    return bounded(size, steps, i_decay, v_decay, threshold, farthest(u), farthest(v))


def bounded(
    size: float,
    steps: int,
    i_decay: Ints,
    v_decay: Ints,
    threshold: int,
    u: float = 0,
    v: float = 0,
) -> bool:
    """Whether for |z| up to `size` and states up to `u` and `v` no current or voltage can leave 32
    bits.

    Drives are at most |4096 z|, and a decay sums them geometrically.
    """
    if not size * DECAY_SCALE < LIMIT:  # nor where it is not finite
        return False
    current = u + size * DECAY_SCALE * gathered(i_decay, steps)
    return max(v + current * gathered(v_decay, steps), threshold) < LIMIT


def gathered(decay: Ints, steps: int) -> float:
    """The most that a constant drive gathers in `steps` steps, in units of the drive."""
    least = int(decay.min())
    return min(steps, DECAY_SCALE / least) if least else steps


def _narrow(
    z: Floats, i_decay: Ints, v_decay: Ints, threshold: int, u: Ints, v: Ints
) -> tuple[Floats, Floats, Ints, Ints]:
    (spikes, s), (voltage, w) = empty(z.shape), empty(z.shape)
    i_keep, v_keep = (kept(decay, z.shape[1]) for decay in (i_decay, v_decay))
    arrays = time_major(z), u.astype(np.int32, order="C"), v.astype(np.int32, order="C"), s, w
    over_samples(
        z.shape,
        lambda part: _cuba_narrow(i_keep, v_keep, np.int32(threshold), *(a[part] for a in arrays)),
    )
    return spikes, voltage, arrays[1].astype(np.int64), arrays[2].astype(np.int64)


def kept(decay: Ints, channels: int) -> np.ndarray:
    """What a decay leaves, of 4096, for each channel (C,), int32."""
    return each(DECAY_SCALE - decay, channels, np.int32)


def each(values: np.ndarray, channels: int, dtype: Any) -> np.ndarray:
    """`values` (1,) or (C,), for each channel (C,)."""
    found = np.empty(channels, dtype)
    found[...] = values
    return found


def _narrow_backward(
    grad: Floats,
    voltage: Floats,
    i_keep: Floats,
    v_keep: Floats,
    threshold: np.float32,
    slope: np.float32,
    inverse: np.float32,
) -> Floats:
    gz, g = empty(grad.shape)
    i_keep, v_keep = (each(k, grad.shape[1], np.float32) for k in (i_keep, v_keep))
    arrays = time_major(grad), time_major(voltage), g
    over_samples(
        grad.shape,
        lambda part: _cuba_narrow_backward(
            i_keep, v_keep, threshold, slope, inverse, *(a[part] for a in arrays)
        ),
    )
    return gz


@jit
def cuba_step(z, u, v, i_keep, v_keep):  # type: ignore[no-untyped-def]
    """Decay and integrate: the current takes z on the state grid, the voltage takes the current."""
    u = leaky_step(u, np.int64(z * np.float32(4096)), i_keep)
    return u, leaky_step(v, u, v_keep)


@inlined
def any_of(keep):  # type: ignore[no-untyped-def]
    """Whether anything of a state is kept: where not, a third of a step is saved. (Numba takes long
    to compile `any` of an array.)
    """
    found = False
    for c in range(keep.size):
        found |= keep[c] != 0
    return found


@inlined
def narrow_step(state, drive, keep):  # type: ignore[no-untyped-def]
    """`leaky_step` in 32 bits: the product by its upper and lower part. Numba widens each
    operation, hence the many int32.
    """
    size = np.int32(abs(state))
    low = np.int32(np.int32(np.int32(size & 4095) * keep) >> 12)
    left = np.int32(np.int32(np.int32(size >> 12) * keep) + low)
    return np.int32(drive + (left if state >= 0 else np.int32(-left)))


@inlined
def gradient_step(grad, voltage, gu, later, i_keep, v_keep, threshold, slope, inverse):  # type: ignore[no-untyped-def]
    """One step back: through the spike's surrogate, the voltage and the current."""
    gv = grad * surrogate(voltage, threshold, slope, inverse)
    gu = gv + v_keep * gu
    return gu, gu + i_keep * later


@jit
def _cuba(i_decay, v_decay, threshold, z, u, v, spikes, voltage):  # type: ignore[no-untyped-def]
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
def _cuba_narrow(i_keep, v_keep, threshold, z, u, v, spikes, voltage):  # type: ignore[no-untyped-def]
    samples, steps, channels = z.shape
    keeps = any_of(i_keep)
    for n in range(samples):
        for t in range(steps):
            for c in range(channels):
                current = np.int32(z[n, t, c] * np.float32(4096))
                if keeps:
                    current = narrow_step(u[n, c], current, i_keep[c])
                u[n, c] = current
                now = narrow_step(v[n, c], current, v_keep[c])
                voltage[n, t, c] = np.float32(now) * np.float32(1 / 4096)
                fires = now > threshold
                spikes[n, t, c] = np.float32(1) if fires else np.float32(0)
                v[n, c] = np.int32(0) if fires else now


@jit
def _cuba_backward(i_keep, v_keep, threshold, slope, inverse, grad, voltage, gz):  # type: ignore[no-untyped-def]
    samples, channels, space, steps = grad.shape
    for n in range(samples):
        for c in range(channels):
            i_factor = i_keep[c if i_keep.size > 1 else 0]
            v_factor = v_keep[c if v_keep.size > 1 else 0]
            for k in range(space):
                gu, later = np.float32(0), np.float32(0)
                for t in range(steps - 1, -1, -1):
                    near = voltage[n, c, k, t]
                    gu, later = gradient_step(
                        grad[n, c, k, t],
                        near,
                        gu,
                        later,
                        i_factor,
                        v_factor,
                        threshold,
                        slope,
                        inverse,
                    )
                    gz[n, c, k, t] = later


@jit_gradient
def _cuba_narrow_backward(i_keep, v_keep, threshold, slope, inverse, grad, voltage, gz):  # type: ignore[no-untyped-def]
    samples, steps, channels = grad.shape
    gu, later = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for n in range(samples):
        gu[:] = 0
        later[:] = 0
        for t in range(steps - 1, -1, -1):
            for c in range(channels):
                first, second = gradient_step(
                    grad[n, t, c],
                    voltage[n, t, c],
                    gu[c],
                    later[c],
                    i_keep[c],
                    v_keep[c],
                    threshold,
                    slope,
                    inverse,
                )
                gu[c], later[c], gz[n, t, c] = first, second, second
