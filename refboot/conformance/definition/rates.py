"""Points, curves, dropout and the schedule on plain arrays."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from refboot import arrays, reference
from refboot.errors import FormatError, OrderError, RangeError
from refboot.reference import fit, modes, sampling
from refboot.reference.pwl import Curve

Array = np.ndarray
EPS = 1e-5


def curve_forward(z: Array, knots: Array | None, slopes: Array | None) -> Array:
    """ACT-2, ACT-7: the rate at z; raises OrderError without a curve."""
    if knots is None or slopes is None:
        raise OrderError("ANN mode", "asked for before any fit", "a fit first")
    return reference.pwl_forward(z, knots, slopes)


def curve_backward(grad: Array, z: Array, knots: Array, slopes: Array) -> Array:
    """ACT-4, ACT-5: gradient of `curve_forward` with respect to z."""
    return reference.pwl_backward(grad, z, knots, slopes, gradient_scale(knots), EPS)


def gradient_scale(knots: Array) -> float:
    """ACT-5: z over a of the last knot, 1 where that z is not positive."""
    return Curve(knots, knots[:0, 0]).scale


def flatten(x: Array) -> Array:
    """MOD-6: (N, C, ..., T) as (N, C * ..., T), row-major."""
    return x.reshape(len(x), -1, x.shape[-1])


def hold(x: Array, steps: int, spiking: bool) -> Array:
    """MOD-13: a still x (N, C) as one step, or held for all steps where the first layer spikes."""
    return np.repeat(x[..., None], steps if spiking else 1, axis=-1)


def mean_rate(x: Array) -> Array:
    """MOD-12: the mean over time, as one step."""
    return modes.mean_rate_forward(x)


def dropout_forward(x: Array, kept: Array, p: float, training: bool) -> Array:
    """NRM-9, NRM-10: one mask (N, C) for all steps, survivors scaled by 1 / (1 - p); x itself
    outside training.
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
    points = sampling.sample_points(s, z)
    return points[0], points[1]


def keep_newest(z: Array, capacity: int) -> Array:
    """SAM-3: the newest points."""
    return sampling.newest(z[None, :0], z[None], arrays.whole("capacity", capacity))[0]


def keep_half(z: Array, permutation: Array) -> Array:
    """SAM-4: what stays after a fit: all but the first half (rounded down) of the permutation."""
    return z[sampling.half(SimpleNamespace(permutation=lambda n: permutation[:n]), len(z))]


def fit_curve(
    z: Array,
    a: Array,
    knots: Array | None,
    slopes: Array | None,
    num_centers: int = 5,
    low: float = 0.1,
    high: float = 0.9,
    alpha: float = 0.1,
    eps: float = EPS,
) -> tuple[Array, Array]:
    """FIT-1 to FIT-12: knots and slopes fitted to the points, from the previous curve if any.

    Raises RangeError, ShapeError.
    """
    arrays.whole("num_centers", num_centers, 1, 1024)
    if not 0 <= low < high <= 1:
        raise RangeError("low, high", (low, high), "two rising fractions")
    arrays.check_shape("a", a, z.shape)
    previous = None if knots is None or slopes is None else Curve(knots, slopes)
    found = fit.fit_curve(
        z, a, previous, num_centers, (low, high), alpha, eps, fit.saturation, fit.band_medians
    )
    return found.knots, found.slopes


def load_curve(knots: Array, slopes: Array) -> tuple[Array, Array]:
    """NET-16: a stored curve, unchanged; raises FormatError unless it fits together, is finite and
    rises.
    """
    if slopes.ndim != 1 or not len(slopes) or knots.shape != (len(slopes) + 1, 2):
        raise FormatError(
            "a fitted curve", f"of shape {knots.shape}", "knots (K, 2), slopes (K-1,)"
        )
    finite = np.isfinite(knots).all() and np.isfinite(slopes).all()
    if not (finite and (np.diff(knots, axis=0) >= 0).all() and (slopes > 0).all()):
        raise FormatError("a fitted curve", "falling or not finite", "rising knots and slopes > 0")
    if knots[-1, 1] <= 0:
        raise FormatError("a fitted curve", "zero everywhere", "a last rate above 0")
    return knots, slopes


def schedule(
    num_sample_iter: int,
    sample_period: int,
    crossover_epochs: Array,
    layers: int,
    epochs: Array,
    iterations: Array,
    train: Array,
) -> Array:
    """MOD-8 to MOD-11: the mode (SNN 0, ANN 1, SAMPLE 2, FIT 3) of each layer for each question,
    (S, L); raises RangeError, TypeMismatchError.
    """
    samples = arrays.whole("num_sample_iter", num_sample_iter, 0)
    period = arrays.whole("sample_period", sample_period)
    marks = {arrays.whole("crossover_epochs", e, 0) for e in crossover_epochs.tolist()}
    asked = zip(epochs.tolist(), iterations.tolist(), train.tolist(), strict=True)
    found = []
    for epoch, iteration, training in asked:
        count = modes.crossover(arrays.whole("epoch", epoch, 0), sorted(marks))
        base = modes.base_mode(epoch, iteration, bool(training), samples, period)
        found.append([modes.layer_mode(layer, base, count).value for layer in range(layers)])
    return np.array(found, np.int64)
