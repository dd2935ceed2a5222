"""FIT: from sampled points (z, a) to a piecewise-linear rate curve.

z is a neuron's mean weighted input, a its spike rate. The rates between 10 % and 90 % of saturation
are cut into bands. The medians of the points in a band are its centre. Straight lines join the
centres and are prolonged to a = 0 and to saturation. All numbers are float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from operator import add  # the built-in sum compensates for rounding from Python 3.12 on
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Doubles
from refboot.reference.pwl import Curve

Points = NDArray[np.floating[Any]]  # float32, as samplers keep them, or float64

MIN_SATURATION = 0.8


def saturation(a: Points, high: float) -> float:
    """The mean of the rates above `high` times the largest rate, but at least 0.8.

    If rounding leaves no rate above, the largest rate; 0.8 without data and for a silent layer.
    The sum takes the rates in order. Spec: FIT-1, FIT-2.

    >>> saturation(np.array([0.1, 0.95, 1.0]), 0.9), saturation(np.zeros(3), 0.9)
    (0.975, 0.8)
    """
    largest = float(a.max()) if len(a) else 0.0
    above = [rate for rate in a.astype(np.float64).tolist() if rate > high * largest]
    return max(reduce(add, above) / len(above) if above else largest, MIN_SATURATION)


def band_medians(z: Points, a: Points, levels: Doubles) -> Doubles:
    """The medians (z, a) of the points in each band (level_i, level_i+1], each computed separately.

    (B, 2); a band without points gives a row of NaN. The median of an even number of values is
    half the sum of the two in the middle. Spec: FIT-4, FIT-5.
    """
    medians = np.full((len(levels) - 1, 2), np.nan)
    for median, low, high in zip(medians, levels[:-1], levels[1:], strict=True):
        inside = (a > low) & (a <= high)
        if inside.any():
            for k, values in enumerate((z, a)):
                ordered = np.sort(values[inside].astype(np.float64))
                middle = len(ordered) // 2
                median[k] = (ordered[middle] + ordered[-1 - middle]) / 2
    return medians


def fit_curve(
    z: Points,
    a: Points,
    previous: Curve | None = None,
    num_centers: int = 5,
    sample_range: tuple[float, float] = (0.1, 0.9),
    alpha: float = 0.1,
    eps: float = 1e-5,
    saturation: Callable[[Points, float], float] = saturation,
    band_medians: Callable[[Points, Points, Doubles], Doubles] = band_medians,
) -> Curve:
    """Fit the points z, a (n,), starting from the `previous` curve; always finite and rising.

    This is lava-dl's fit wherever that rises strictly with slopes below 1 / eps. Elsewhere: without
    points the previous curve stays; a silent layer saturates at 0.8; centres that coincide or fall
    are merged into their mean (in the default run this happens at the second fit); one centre alone
    is joined to the origin or, if that is not to its left, gets unit slope; no centre gives unit
    slope from the origin. Spec: FIT-3, FIT-11, FIT-12.
    """
    if not len(a) and previous is not None:
        return previous
    low, high = sample_range
    top = saturation(a, high)
    width = (high * top - low * top) / num_centers
    levels: Doubles = low * top + np.arange(num_centers + 1).astype(np.float64) * width
    levels[-1] = high * top
    centers = blend(band_medians(z, a, levels), previous, levels, alpha)
    return draw(anchor(pool_falling(centers, eps), top, eps), top)


def blend(medians: Doubles, previous: Curve | None, levels: Doubles, alpha: float) -> Doubles:
    """One centre per band, (B', 2): alpha * new + (1 - alpha) * old, or the one that exists.

    old is the mean of the previous knots in the band. Spec: FIT-6, FIT-7.
    """
    knots = [] if previous is None else previous.knots.tolist()
    centers = []
    for (low, high), new in zip(pairwise(levels.tolist()), medians.tolist(), strict=True):
        inside = [knot for knot in knots if low < knot[1] <= high]
        empty = math.isnan(new[0])
        if inside:
            old = [reduce(add, numbers) / len(inside) for numbers in zip(*inside, strict=True)]
            both = zip(new, old, strict=True)
            centers.append(old if empty else [alpha * x + (1 - alpha) * y for x, y in both])
        elif not empty:
            centers.append(new)
    return np.array(centers).reshape(-1, 2)


def pool_falling(centers: Doubles, eps: float) -> Doubles:
    """Merge neighbours whose z does not rise by more than eps times their rise in a; (B'', 2).

    Each merged centre is the mean of its members; this goes on until all centres rise. Spec: FIT-8.
    """
    pools: list[tuple[float, float, int]] = []
    for center in centers.tolist():
        (z, a), size = center, 1
        while pools and z - pools[-1][0] <= eps * (a - pools[-1][1]):
            last_z, last_a, count = pools.pop()
            z = (last_z * count + z * size) / (count + size)
            a = (last_a * count + a * size) / (count + size)
            size += count
        pools.append((z, a, size))
    return np.array([pool[:2] for pool in pools]).reshape(-1, 2)


def anchor(centers: Doubles, top: float, eps: float) -> Doubles:
    """At least two rising centres: the origin or a line of unit slope completes fewer.

    Spec: FIT-9.
    """
    if len(centers) >= 2:
        return centers
    if not len(centers):
        return np.array([[0.0, 0.0], [min(1.0, top), min(1.0, top)]])
    z, a = centers[0]
    start = 0.0 if z > eps * a else min(z - a, np.nextafter(z, -np.inf))  # a vanishes by a huge z
    return np.array([[start, 0.0], [z, a]])


def draw(centers: Doubles, top: float) -> Curve:
    """Join the centres by lines; prolong the first down to a = 0, the last up to a = top.

    Spec: FIT-10.
    """
    knots = centers.tolist()
    inner = [np.float64(a1 - a0) / (z1 - z0) for (z0, a0), (z1, a1) in pairwise(knots)]
    (z0, a0), (z1, a1) = knots[0], knots[-1]
    top = max(top, a1)  # with a range up to 1, rounding may bring the last centre an ulp above it
    first, last = (z0 - a0 / inner[0], 0.0), (z1 + (top - a1) / inner[-1], top)
    return Curve(np.array([first, *knots, last]), np.array([inner[0], *inner, inner[-1]]))
