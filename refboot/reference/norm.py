"""Batch norms that a chip can do: subtract a mean (a bias there), divide by a power of two (a shift
there).

Letters: N samples, C channels (more axes may follow), T steps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refboot.arrays import Floats
from refboot.reference.leaky import per_channel
from refboot.reference.numbers import channel_total, total

Total = Callable[[Floats], Floats]


def norm_statistics(x: Floats, channel_total: Total = channel_total) -> tuple[Floats, Floats]:
    """The mean of each channel (C,) and the variance of all of x (1,), divided by the count.

    Sums are float32: for each channel over samples, space and steps in order, then over channels.
    Spec: NRM-1.
    """
    sums, size = channel_total(x), np.float32(x.size)
    distance = x - total(sums) / size
    variance = total(channel_total(distance * distance)) / size
    return sums / np.float32(x.size // x.shape[1]), variance.reshape(1)


def norm_std(variance: Floats, eps: float = 1e-5, bits: int = 3) -> Floats:
    """The power of two at or above sqrt(variance + eps), its exponent clamped to +-bits; (1,).

    lava-dl takes a float32 logarithm. The result is the same except within an ulp or two above a
    power of two. Spec: NRM-6.

    >>> [norm_std(np.float32([v])).item() for v in (0.9, 5.0, 1e9)]
    [1.0, 4.0, 8.0]
    """
    fraction, exponent = np.frexp(np.sqrt(variance + np.float32(eps)))
    return np.ldexp(np.float32(1), np.clip(exponent - (fraction == 0.5), -bits, bits))


def norm_forward(x: Floats, mean: Floats, std: Floats) -> Floats:
    """y = (x - mean) / std for x (N, C, ..., T), a quantised mean (C,) and std (1,); float32.

    Spec: NRM-3, NRM-5.
    """
    return (x - per_channel(mean, x.ndim)) / std


def norm_backward(
    grad: Floats, std: Floats, through: Floats, channel_total: Total = channel_total
) -> Floats:
    """Gradient of `norm_forward` with respect to x, directly and through the mean.

    gx = g - through * (mean of g over its channel), with g = grad / std. `through` (C,) is 1 where
    the mean came from x and its quantisation lets the gradient pass, else 0. The std passes none:
    it is a step function. Spec: NRM-4, NRM-7.
    """
    g = grad / std
    mean = channel_total(g) / np.float32(g.size // g.shape[1])
    return g - per_channel(through * mean, g.ndim)
