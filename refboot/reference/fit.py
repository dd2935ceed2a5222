"""FIT: from sampled points (z, a) to a piecewise-linear rate curve.

z is a neuron's mean weighted input, a its spike rate. The rates between 10 % and 90 % of saturation
are cut into bands; the medians of the points in a band are its centre; straight lines join the
centres and are prolonged to a = 0 and to saturation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
MIN_SATURATION = 0.8


class Curve(NamedTuple):
    """A rising curve of straight pieces: `knots` (K, 2) float64 as (z, a), `slopes` (K-1,) float64,
    one per piece.
    """

    knots: Doubles
    slopes: Doubles

    @property
    def max(self) -> float:
        """The rate at which the curve saturates."""
        return float(self.knots[-1, 1])

    @property
    def scale(self) -> float:
        """z over a at the last knot, by which the gradient is multiplied; 1 where that z is not
        positive. Spec: ACT-5.
        """
        z, a = self.knots[-1]
        return float(z / a) if z > 0 else 1.0


def saturation(a: Doubles, high: float) -> float:
    """The mean of the rates above `high` times the largest (or the largest, if none is), but at
    least 0.8.

    So 0.8 for no data and for a silent layer. Computed in float64. Spec: FIT-1, FIT-2.

    >>> saturation(np.array([0.1, 0.95, 1.0]), 0.9), saturation(np.zeros(3), 0.9)
    (0.975, 0.8)
    """
    if not len(a) or a.max() <= 0:
        return MIN_SATURATION
    rates = a.astype(np.float64)
    above = rates[rates > high * rates.max()]
    return max(float(above.mean() if len(above) else rates.max()), MIN_SATURATION)


def band_medians(z: Doubles, a: Doubles, levels: Doubles) -> Doubles:
    """The medians (z, a) of the points of each band (level_i, level_i+1]: (B, 2) float64, NaN where
    a band is empty. Spec: FIT-4, FIT-5.
    """
    z, a = z.astype(np.float64), a.astype(np.float64)
    medians = np.full((len(levels) - 1, 2), np.nan)
    for i in range(len(medians)):
        inside = (a > levels[i]) & (a <= levels[i + 1])
        if inside.any():
            medians[i] = np.median(z[inside]), np.median(a[inside])
    return medians


def fit_curve(
    z: Doubles,
    a: Doubles,
    previous: Curve | None = None,
    num_centers: int = 5,
    sample_range: tuple[float, float] = (0.1, 0.9),
    alpha: float = 0.1,
    eps: float = 1e-5,
    saturation: Callable[[Doubles, float], float] = saturation,
    band_medians: Callable[[Doubles, Doubles, Doubles], Doubles] = band_medians,
) -> Curve:
    """Fit the points z, a (n,), float64, starting from the `previous` curve; any n, 0 included.
    Always a finite, rising curve.

    lava-dl's fit wherever that rises strictly with slopes below 1/eps. Elsewhere: without points
    the previous curve stays; a silent layer saturates at 0.8; centres that coincide or fall are
    pooled into their mean; one centre alone is joined to the origin, or, where that is not to its
    left, given unit slope; no centre gives unit slope from the origin. Spec: FIT-3, FIT-11, FIT-12.
    """
    if not len(a) and previous is not None:
        return previous
    top = saturation(a, sample_range[1])
    levels = levels_to(top, num_centers, sample_range)
    return curve_through(band_medians(z, a, levels), top, levels, previous, alpha, eps)


def levels_to(top: float, num_centers: int, sample_range: tuple[float, float]) -> Doubles:
    """The bounds of the bands of a layer that saturates at `top`: (num_centers + 1,). Spec:
    FIT-3.
    """
    low, high = sample_range
    return np.linspace(low * top, high * top, num_centers + 1)


def curve_through(
    medians: Doubles, top: float, levels: Doubles, previous: Curve | None, alpha: float, eps: float
) -> Curve:
    """The curve through the medians (B, 2) of the bands between the levels (B + 1,)."""
    centers = blend(medians, previous, levels, alpha)
    return draw(anchor(pool_falling(centers, eps), top, eps), top)


def blend(medians: Doubles, previous: Curve | None, levels: Doubles, alpha: float) -> Doubles:
    """One centre per band: alpha * new + (1 - alpha) * mean of the previous knots in the band, or
    the one there is; (B', 2).

    Spec: FIT-6, FIT-7.
    """
    knots = [] if previous is None else previous.knots.tolist()
    centers = []
    for (low, high), new in zip(pairwise(levels.tolist()), medians.tolist(), strict=True):
        inside = [knot for knot in knots if low < knot[1] <= high]
        if not inside:
            centers += [] if math.isnan(new[0]) else [new]
            continue
        old = [reduce(add, numbers) / len(inside) for numbers in zip(*inside, strict=True)]
        centers.append(
            old
            if math.isnan(new[0])
            else [alpha * x + (1 - alpha) * y for x, y in zip(new, old, strict=True)]
        )
    return np.array(centers).reshape(-1, 2)


def pool_falling(centers: Doubles, eps: float) -> Doubles:
    """Merge neighbours whose z does not rise by more than eps times their a into their mean, until
    all rise; (B'', 2). Spec: FIT-8.
    """
    pools: list[tuple[float, float, int]] = []
    for center in centers.tolist():
        (z, a), size = center, 1
        while pools and z - pools[-1][0] <= eps * (a - pools[-1][1]):
            last_z, last_a, count = pools.pop()
            z, a = (
                (last_z * count + z * size) / (count + size),
                (last_a * count + a * size) / (count + size),
            )
            size += count
        pools.append((z, a, size))
    return np.array([pool[:2] for pool in pools]).reshape(-1, 2)


def anchor(centers: Doubles, top: float, eps: float) -> Doubles:
    """At least two rising centres: fewer are completed by the origin, or by a line of unit slope.
    Spec: FIT-9.
    """
    if len(centers) >= 2:
        return centers
    if not len(centers):
        return np.array([[0.0, 0.0], [min(1.0, top), min(1.0, top)]])
    z, a = centers[0]
    start = (
        0.0 if z > eps * a else min(z - a, np.nextafter(z, -np.inf))
    )  # a may vanish beside a huge z
    return np.array([[start, 0.0], [z, a]])


def draw(centers: Doubles, top: float) -> Curve:
    """Join the centres by lines and prolong the first down to a = 0, the last up to a = top. Spec:
    FIT-10.
    """
    knots = centers.tolist()
    inner = [np.float64(a1 - a0) / (z1 - z0) for (z0, a0), (z1, a1) in pairwise(knots)]
    (z0, a0), (z1, a1) = knots[0], knots[-1]
    top = max(top, a1)  # with a range up to 1, rounding may bring the last centre an ulp above it
    first, last = (z0 - a0 / inner[0], 0.0), (z1 + (top - a1) / inner[-1], top)
    return Curve(np.array([first, *knots, last]), np.array([inner[0], *inner, inner[-1]]))
