"""Rates, curves, samples and the schedule on plain arrays: what layers are made of beside synapse
and neuron.

Everything here computes in the float type it is given: the vectors are made from double copies of
their inputs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refboot import arrays, reference
from refboot.block.base import checked_curve
from refboot.errors import OrderError, RangeError
from refboot.reference import fit
from refboot.routine import Scheduler

Array = np.ndarray
Backward = Callable[[Array], Array]
EPS = 1e-5


def curve_forward(z: Array, knots: Array | None, slopes: Array | None) -> Array:
    """ACT-2, ACT-7: the rate at z; raises OrderError without a curve."""
    if knots is None or slopes is None:
        raise OrderError("ANN mode", "asked for before any fit", "a fit first")
    return reference.pwl_forward(z, knots, slopes)


def curve_backward(grad: Array, z: Array, knots: Array, slopes: Array) -> Array:
    """ACT-4, ACT-5: gradient for the z of `curve_forward`."""
    return reference.pwl_backward(grad, z, knots, slopes, gradient_scale(knots), EPS)


def gradient_scale(knots: Array) -> float:
    """ACT-5: z over a of the last knot, 1 where that z is not positive."""
    return fit.Curve(knots, knots[:0, 0]).scale


def flatten(x: Array) -> Array:
    """MOD-6: (N, C, ..., T) as (N, C * ..., T), row-major."""
    return x.reshape(len(x), -1, x.shape[-1])


def hold(x: Array, steps: int, spiking: bool) -> Array:
    """MOD-13: a still x (N, C) as one step, or held for all steps where the first layer spikes."""
    return np.repeat(x[..., None], steps if spiking else 1, axis=-1)


def mean_rate(x: Array) -> Array:
    """MOD-12: the mean over time, as one step."""
    return x.mean(axis=-1, keepdims=True)


def mean_rate_backward(grad: Array, steps: int) -> Array:
    """GRD-12: each step gets its share."""
    return np.repeat(grad / steps, steps, axis=-1)


def delay_forward(x: Array) -> Array:
    """MOD-7: one step later, zero first."""
    return np.concatenate([np.zeros_like(x[..., :1]), x[..., :-1]], axis=-1)


def delay_backward(grad: Array) -> Array:
    """GRD-13: one step earlier, zero last."""
    return np.concatenate([grad[..., 1:], np.zeros_like(grad[..., :1])], axis=-1)


def dropout_forward(x: Array, kept: Array, p: float, training: bool) -> Array:
    """NRM-9, NRM-10: one mask (N, C) for all steps, survivors scaled by float32(1 / (1 - p)); x
    itself outside training.
    """
    return x * (kept * survivor_scale(p))[..., None] if training else x


def dropout_backward(grad: Array, kept: Array, p: float) -> Array:
    """GRD-14: the same mask."""
    return grad * (kept * survivor_scale(p))[..., None]


def survivor_scale(p: float) -> np.float32:
    """NRM-10: what survivors are multiplied by."""
    return np.float32(1) / np.float32(1 - p)


def sample_points(z: Array, s: Array) -> tuple[Array, Array]:
    """SAM-1, SAM-2: the means over time of weighted input and spikes, in row-major order."""
    return z.mean(axis=-1).ravel(), s.mean(axis=-1).ravel()


def keep_newest(z: Array, capacity: int) -> Array:
    """SAM-3: the newest points."""
    return z[-arrays.whole("capacity", capacity) :]


def keep_half(z: Array, permutation: Array) -> Array:
    """SAM-4: what is left after a fit: all but the first half (rounded down) of the permutation, in
    order.
    """
    kept = np.ones(len(z), bool)
    kept[permutation[: len(z) // 2]] = False
    return z[kept]


def fit_curve(
    z: Array,
    a: Array,
    knots: Array | None,
    slopes: Array | None,
    num_centers: int = 5,
    low: float = 0.1,
    high: float = 0.9,
    alpha: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array]:
    """FIT-1 to FIT-12: knots and slopes fitted to the points, from the previous ones where there
    are any. Raises RangeError, ShapeError.
    """
    arrays.whole("num_centers", num_centers, 1, 1024)
    if not 0 <= low < high <= 1:
        raise RangeError("low, high", (low, high), "two rising fractions")
    arrays.check_shape("a", a, z.shape) if len(z) or len(a) else None
    previous = None if knots is None or slopes is None else fit.Curve(knots, slopes)
    found = fit.fit_curve(
        z, a, previous, num_centers, (low, high), alpha, eps, fit.saturation, fit.band_medians
    )
    return found.knots, found.slopes


def schedule(
    num_sample_iter: int,
    sample_period: int,
    crossover_epochs: Array,
    layers: int,
    epochs: Array,
    iterations: Array,
    train: Array,
) -> Array:
    """MOD-8 to MOD-11: the mode (SNN 0, ANN 1, SAMPLE 2, FIT 3) of each layer for each asking, (n,
    layers).
    """
    scheduler = Scheduler(num_sample_iter, sample_period, [int(e) for e in crossover_epochs])
    asked = [
        scheduler.mode(int(e), int(i), bool(t))
        for e, i, t in zip(epochs, iterations, train, strict=True)
    ]
    return np.array([[mode.of(layer).value for layer in range(layers)] for mode in asked])


def load_curve(knots: Array, slopes: Array) -> tuple[Array, Array]:
    """NET-16: a stored curve, unchanged; raises FormatError unless it fits together, is finite and
    rises.
    """
    found = checked_curve(knots, slopes)
    return found.knots, found.slopes
