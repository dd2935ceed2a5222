"""Batch norms that a chip can do: subtract a mean (a bias there), divide by a power of two (a shift
there).

Letters: N samples, C channels (more axes may follow), T steps.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.reference.leaky import per_channel


def norm_statistics(x: Floats) -> tuple[Floats, Floats]:
    """Mean of each channel (C,) and the one variance (by their number) of all of x (1,); summed in
    float64, rounded to float32.

    Spec: NRM-1.
    """
    mean = x.mean(axis=(0, *range(2, x.ndim)), dtype=np.float64)
    return mean.astype(np.float32), np.array([x.var(dtype=np.float64)], np.float32)


def norm_std(variance: Floats, eps: float = 1e-5, bits: int = 3) -> Floats:
    """The power of two at or above sqrt(variance + eps), its exponent held within +-bits; (1,)
    float32.

    lava-dl takes a float32 logarithm, which is the same but within an ulp or two above a power of
    two. Spec: NRM-6.

    >>> norm_std(np.float32([0.9])).tolist(), norm_std(np.float32([5.0])).tolist(), norm_std(np.float32([1e9])).tolist()
    ([1.0], [4.0], [8.0])
    """
    fraction, exponent = np.frexp(np.sqrt(variance + np.float32(eps)))
    return np.ldexp(np.float32(1), np.clip(exponent - (fraction == 0.5), -bits, bits))


def norm_forward(x: Floats, mean: Floats, std: Floats) -> Floats:
    """y = (x - mean) / std for x (N, C, ..., T), mean (C,), already quantised, and std (1,);
    float32. Spec: NRM-3, NRM-5.
    """
    return (x - per_channel(mean, x.ndim)) / std


def norm_backward(grad: Floats, std: Floats, through: Floats) -> Floats:
    """Gradient of `norm_forward` for x, directly and through the mean: gx = g - through * mean of g
    over its channel, g = grad / std.

    `through` (C,) is 1 where the mean came from x and its quantisation lets the gradient pass, else
    0. The std passes none: it is a step function. The mean is summed in float64. Spec: NRM-4,
    NRM-7.
    """
    g = grad / std
    mean = g.mean(axis=(0, *range(2, g.ndim)), dtype=np.float64).astype(np.float32)
    return g - per_channel(through * mean, g.ndim)
