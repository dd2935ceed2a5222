"""The clauses once more, in plain Python numbers and loops, written from the text alone: what the
tests of the clauses compare with.

Python's integers do not overflow, its `round` goes to even, its floats are float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

Point = tuple[float, float]


def q(x: float) -> float:
    """NUM-2."""
    return min(max(round(32 * x) / 32, -4), 3.96875)


def shift0(a: int) -> int:
    """NUM-8."""
    return (1 if a >= 0 else -1) * (abs(a) // 4096)


def leaky(
    drive: Sequence[int], decay: int, y: int, threshold: int | None = None
) -> tuple[list[int], int]:
    """LIF-1 and LIF-2."""
    seen = []
    for x in drive:
        y = shift0(y * (4096 - decay)) + x
        seen.append(y)
        if threshold is not None and y > threshold:
            y = 0
    return seen, y


def neuron(
    z: Sequence[float], i_decay: int, v_decay: int, m: int, u: int = 0, v: int = 0
) -> tuple[list[int], list[int], int, int]:
    """LIF-4 to LIF-7: spikes, voltages before the reset, last current, last voltage."""
    spikes, voltages = [], []
    for x in z:
        u = shift0(u * (4096 - i_decay)) + math.trunc(4096 * x)
        v = shift0(v * (4096 - v_decay)) + u
        voltages.append(v)
        spikes.append(int(v > 64 * m))
        v = 0 if spikes[-1] else v
    return spikes, voltages, u, v


def surrogate(v: float, threshold: float, tau: float, scale: float) -> float:
    """SPK-6."""
    return scale / (2 * tau) * math.exp(-abs(v - threshold) / tau)


def saturation(a: Sequence[float], high: float = 0.9) -> float:
    """FIT-1 and FIT-2."""
    if not a or max(a) <= 0:
        return 0.8
    return max(fmean([x for x in a if x > high * max(a)] or [max(a)]), 0.8)


def levels(top: float, count: int, low: float = 0.1, high: float = 0.9) -> list[float]:
    """FIT-3."""
    step = (high * top - low * top) / count
    return [low * top + i * step for i in range(count)] + [high * top]


def fit(
    points: Sequence[Point], previous: Sequence[Point] | None = None, count: int = 5
) -> tuple[list[Point], list[float]]:
    """The knots and slopes of chapter 6, with its defaults."""
    top = saturation([a for _, a in points])
    edges = levels(top, count)
    centers = []
    for low, high in pairwise(edges):
        new = [p for p in points if low < p[1] <= high]
        old = [p for p in previous or [] if low < p[1] <= high]
        if new or old:
            centers.append(blended(new, old))
    centers = completed(pooled(centers), top)
    inner = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(centers)]
    slopes = [inner[0], *inner, inner[-1]]
    (z0, a0), (z1, a1) = centers[0], centers[-1]
    return [(z0 - a0 / slopes[0], 0.0), *centers, (z1 + (top - a1) / slopes[-1], top)], slopes


def blended(new: Sequence[Point], old: Sequence[Point]) -> Point:
    """FIT-5 and FIT-7."""
    late = (median(p[0] for p in new), median(p[1] for p in new)) if new else None
    early = (fmean(p[0] for p in old), fmean(p[1] for p in old)) if old else None
    if late is None or early is None:
        found = late or early
        assert found is not None
        return found
    return 0.1 * late[0] + 0.9 * early[0], 0.1 * late[1] + 0.9 * early[1]


def pooled(centers: Sequence[Point], eps: float = 1e-5) -> list[Point]:
    """FIT-8."""
    kept: list[tuple[Point, int]] = []
    for center in centers:
        (z, a), size = center, 1
        while kept and z - kept[-1][0][0] <= eps * (a - kept[-1][0][1]):
            last, count = kept.pop()
            z, a = ((last[k] * count + (z, a)[k] * size) / (count + size) for k in range(2))
            size += count
        kept.append(((z, a), size))
    return [point for point, _ in kept]


def completed(centers: list[Point], top: float, eps: float = 1e-5) -> list[Point]:
    """FIT-9."""
    if not centers:
        return [(0.0, 0.0), (min(1.0, top), min(1.0, top))]
    if len(centers) > 1:
        return centers
    z, a = centers[0]
    return [(0.0, 0.0) if z > eps * a else (z - a, 0.0), (z, a)]


def mode(epoch: int, iteration: int, train: bool, period: int = 10, samples: int = 10) -> str:
    """MOD-8 and MOD-9."""
    if epoch % period:
        return "ANN"
    if not train:
        return "SNN"
    return "SAMPLE" if iteration < samples else "FIT" if iteration == samples else "ANN"
