"""The rules once more, real-valued and in float64, written from their formulas: what gradients are
checked against.
"""

import numpy as np


def leaky(x, keep):
    """y[t] = keep * y[t-1] + x[t] along the last axis; `keep` fits x without its last axis."""
    y = np.empty(np.shape(x))
    state = np.zeros(y.shape[:-1])
    for t in range(y.shape[-1]):
        state = keep * state + x[..., t]
        y[..., t] = state
    return y


def keep_of(decay, ndim):
    """1 - decay/4096 along axis 1 of an array with `ndim` axes."""
    return (1 - decay / 4096.0).reshape(1, -1, *[1] * (ndim - 2))


def surrogate(v, threshold, tau, scale):
    """The density of a two-sided exponential about the threshold, `scale` high in area."""
    return scale / (2 * tau) * np.exp(-np.abs(v.astype(np.float64) - threshold) / tau)


def graded_surrogate(v, threshold, tau, scale):
    """Full above the threshold, falling off exponentially below."""
    distance = threshold - v.astype(np.float64)
    return np.where(distance > 0, scale * np.exp(-distance / tau), scale)


def weight_norm(v, g):
    """Each row of v at length g."""
    rows = v.astype(np.float64).reshape(len(v), -1)
    return (rows / np.linalg.norm(rows, axis=1)[:, None] * g.astype(np.float64)[:, None]).reshape(
        v.shape
    )


def gain(z, curve, eps):
    """What the rate's gradient is multiplied by at z: slope times z over a at saturation, plus eps;
    just eps off the curve.
    """
    piece = np.searchsorted(curve.knots[:, 0], z, side="left") - 1
    inside = (piece >= 0) & (piece < len(curve.slopes))
    slope = np.where(inside, curve.slopes[np.clip(piece, 0, len(curve.slopes) - 1)], 0)
    z_top, a_top = curve.knots[-1]
    return slope * (z_top / a_top if z_top > 0 else 1) + eps


def cross_entropy(logits, labels):
    """The mean of log(sum(exp(logits))) - logits[label]."""
    top = logits.max(axis=1)
    return np.mean(
        top
        + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        - logits[np.arange(len(labels)), labels]
    )


def slope_along(function, x, direction, h):
    """The central difference of a scalar function at x along a direction."""
    return (function(x + h * direction) - function(x - h * direction)) / (2 * h)


def inner(x, y):
    """<x, y> in float64."""
    return float(np.sum(np.asarray(x, np.float64) * np.asarray(y, np.float64)))


def size(x, y):
    """The sum of the magnitudes in <x, y>, by which rounding is measured."""
    return float(np.sum(np.abs(np.asarray(x, np.float64) * np.asarray(y, np.float64))))
