"""Kernels of refboot.reference.pwl; equal to it in every bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Floats
from refboot.kernels.jit import jit
from refboot.kernels.layout import axes_of, empty_like, flat


def pwl_forward(z: Floats, knots: NDArray[np.float64], slopes: NDArray[np.float64]) -> Floats:
    """See reference.pwl_forward."""
    axes = axes_of(z)
    a, to = empty_like(z, axes)
    _pwl(flat(z, axes), *pieces(knots, slopes), to)
    return a


def pieces(
    knots: NDArray[np.float64], slopes: NDArray[np.float64]
) -> tuple[Floats, Floats, Floats]:
    """Left edge (with the end of the last), rate there and slope of each piece, float32."""
    return knots[:, 0].astype(np.float32), knots[:, 1].astype(np.float32), slopes.astype(np.float32)


def pwl_backward(
    grad: Floats,
    z: Floats,
    knots: NDArray[np.float64],
    slopes: NDArray[np.float64],
    scale: float,
    eps: float,
) -> Floats:
    """See reference.pwl_backward."""
    axes = axes_of(z)
    gain, to = empty_like(z, axes)
    arrays = flat(grad, axes), flat(z, axes), to
    _pwl_backward(
        *arrays,
        knots[:, 0].astype(np.float32),
        slopes.astype(np.float32),
        np.float32(scale),
        np.float32(eps),
    )
    return gain


@jit
def _pwl(z, edges, bases, slopes, a):  # type: ignore[no-untyped-def]
    """Pieces in the outer loop: the inner one has no branches and is vectorised. Where the next
    piece begins it takes over.
    """
    a[:] = 0
    for k in range(slopes.size):
        left, base, slope = edges[k], bases[k], slopes[k]
        for i in range(z.size):
            a[i] = base + slope * (z[i] - left) if z[i] > left else a[i]
    last, highest = edges[-1], bases[-1]
    for i in range(z.size):
        a[i] = highest if z[i] > last else a[i]


@jit
def _pwl_backward(grad, z, gain, edges, slopes, scale, eps):  # type: ignore[no-untyped-def]
    gain[:] = 0
    for k in range(slopes.size):
        left, slope = edges[k], slopes[k]
        for i in range(z.size):
            gain[i] = slope if z[i] > left else gain[i]
    last = edges[-1]
    for i in range(z.size):
        own = np.float32(0) if z[i] > last else gain[i]
        gain[i] = grad[i] * (own * scale + eps)
