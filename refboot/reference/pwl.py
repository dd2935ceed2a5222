"""ANN: the piecewise-linear activation that stands for a spiking layer's rate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Doubles, Floats


class Curve(NamedTuple):
    """A rising curve of straight pieces: `knots` (K, 2) as (z, a) and `slopes` (K-1,), float64."""

    knots: Doubles
    slopes: Doubles

    @property
    def max(self) -> float:
        """The rate at which the curve saturates."""
        return float(self.knots[-1, 1])

    @property
    def scale(self) -> float:
        """z / a at the last knot, the factor of the gradient; 1 where that z is not positive.

        Spec: ACT-5.
        """
        z, a = self.knots[-1]
        return float(z / a) if z > 0 else 1.0


def pwl_forward(z: Floats, knots: NDArray[np.float64], slopes: NDArray[np.float64]) -> Floats:
    """The rate at z (any shape): 0 up to the first knot, a line in each half-open piece (k_i,
    k_i+1], the top above the last. float32.

    `knots` (K, 2) as (z, a) and `slopes` (K-1,) are rounded to float32 first. Spec: ACT-1, ACT-2,
    ACT-3.

    >>> knots, slopes = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([1.0])
    >>> pwl_forward(np.float32([-1, 0.25, 2]), knots, slopes).tolist()
    [0.0, 0.25, 1.0]
    """
    knots, slopes = knots.astype(np.float32), slopes.astype(np.float32)
    a = np.zeros_like(z)
    for (left, base), (right, _), slope in zip(knots[:-1], knots[1:], slopes, strict=True):
        with np.errstate(over="ignore"):  # far outside the piece, where the line is not taken
            line = base + slope * (z - left)
        a = np.where((z > left) & (z <= right), line, a)
    return np.where(z > knots[-1, 0], knots[-1, 1], a)


def pwl_backward(
    grad: Floats,
    z: Floats,
    knots: NDArray[np.float64],
    slopes: NDArray[np.float64],
    scale: float,
    eps: float,
) -> Floats:
    """Gradient for z: grad * (slope of the piece * scale + eps), slope 0 outside the pieces;
    float32.

    Forward line: a = base + slope * (z - left). `scale` brings saturation to unit gain, `eps` keeps
    silent neurons learning. Spec: ACT-4, ACT-6.
    """
    edges, slopes = knots[:, 0].astype(np.float32), slopes.astype(np.float32)
    gain = np.zeros_like(z)
    for left, right, slope in zip(edges[:-1], edges[1:], slopes, strict=True):
        gain = np.where((z > left) & (z <= right), slope, gain)
    return grad * (gain * np.float32(scale) + np.float32(eps))
