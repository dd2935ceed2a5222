"""Mistakes in sampling, in the fit and in the curve."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from refboot.conformance.definition import rates
from refboot.conformance.mutants.mutant import Mutant
from refboot.reference import fit, pwl
from refboot.reference.pwl import Curve

Array = np.ndarray
saturation, band_medians, blend, draw = fit.saturation, fit.band_medians, fit.blend, fit.draw
pwl_forward, pwl_backward = pwl.pwl_forward, pwl.pwl_backward


def centres(
    inside: Callable[[Array, float, float], Array], middle: Callable[[Array], float]
) -> Callable[[Array, Array, Array], Array]:
    """Bands with another rule of who is in, or another middle."""

    def find(z: Array, a: Array, levels: Array) -> Array:
        z, a = z.astype(np.float64), a.astype(np.float64)
        masks = [inside(a, low, high) for low, high in pairwise(levels)]
        return np.array(
            [(middle(z[m]), middle(a[m])) if m.any() else (np.nan, np.nan) for m in masks]
        )

    return find


def half_open(a: Array, low: float, high: float) -> Array:
    """Who is in a band."""
    return (a > low) & (a <= high)


def in_float32(z: Array, a: Array, levels: Array) -> Array:
    """Bands whose levels are rounded to float32 before they are compared."""
    return band_medians(z, a.astype(np.float32), levels.astype(np.float32))


def jointly(z: Array, a: Array, levels: Array) -> Array:
    """The rate that belongs to the point of median z, in place of the median rate."""
    found = band_medians(z, a, levels)
    for i, (low, high) in enumerate(pairwise(levels)):
        inside = half_open(a, low, high)
        if inside.any():
            order = np.argsort(z[inside], kind="stable")
            found[i, 1] = a[inside][order[len(order) // 2]]
    return found


def saturation_as(
    pick: Callable[[Array, float], Array], floor: float = 0.8
) -> Callable[[Array, float], float]:
    """Saturation as the mean of other rates, or with another least value."""

    def find(a: Array, high: float) -> float:
        if not len(a) or a.max() <= 0:
            return 0.8
        rates = a.astype(np.float64)
        picked = pick(rates, high)
        return max(float(picked.mean() if len(picked) else rates.max()), floor)

    return find


def old_lost(medians: Array, previous: Curve | None, levels: Array, alpha: float) -> Array:
    """Empty bands that forget what was in them."""
    found = [
        blend(row[None], previous, levels[i : i + 2], alpha)
        for i, row in enumerate(medians)
        if not np.isnan(row[0])
    ]
    return np.concatenate([np.zeros((0, 2)), *found])


def last_only(centers: Array, top: float, eps: float) -> Array:
    """One centre alone is given unit slope."""
    if len(centers) == 1:
        return np.array([centers[0] - centers[0, 1], centers[0]])
    return original_anchor(centers, top, eps)


def not_prolonged(centers: Array, top: float) -> Curve:
    """A curve that begins at the first centre's z and ends at the last one's."""
    found = draw(centers, top)
    knots = found.knots.copy()
    knots[0, 0], knots[-1, 0] = centers[0, 0], centers[-1, 0]
    return found._replace(knots=knots)


def absolute_slopes(centers: Array, top: float) -> Curve:
    """Slopes of falling pieces made positive, the centres left where they are."""
    rise = np.diff(centers, axis=0)
    with np.errstate(all="ignore"):
        inner = np.abs(rise[:, 1] / rise[:, 0])
        slopes = np.concatenate([inner[:1], inner, inner[-1:]])
        first = centers[0, 0] - centers[0, 1] / slopes[0], 0.0
        last = centers[-1, 0] + (top - centers[-1, 1]) / slopes[-1], top
    return Curve(np.vstack([first, centers, last]), slopes)


def beyond(z: Array, knots: Array, slopes: Array) -> Array:
    """A curve that goes on rising above the last knot."""
    line = knots[-1, 1] + slopes[-1] * (z - knots[-1, 0])
    return np.where(z > knots[-1, 0], line, pwl_forward(z, knots, slopes)).astype(z.dtype)


def below(z: Array, knots: Array, slopes: Array) -> Array:
    """A curve that goes on falling below the first knot."""
    return np.where(
        z < knots[0, 0], slopes[0] * (z - knots[0, 0]), pwl_forward(z, knots, slopes)
    ).astype(z.dtype)


def left_closed(
    grad: Array, z: Array, knots: Array, slopes: Array, scale: float, eps: float
) -> Array:
    """The gradient with pieces [k_i, k_i+1)."""
    return pwl_backward(
        grad, np.nextafter(z.astype(np.float32), np.float32(np.inf)), knots, slopes, scale, eps
    )


def slope_beyond(
    grad: Array, z: Array, knots: Array, slopes: Array, scale: float, eps: float
) -> Array:
    """The gradient with the last slope above the last knot."""
    last = np.nextafter(knots[-1, 0].astype(np.float32), np.float32(-np.inf))
    return pwl_backward(grad, np.minimum(z, last), knots, slopes, scale, eps)


def forward_left_closed(z: Array, knots: Array, slopes: Array) -> Array:
    """The curve with pieces [k_i, k_i+1)."""
    at, height = knots.astype(z.dtype).T
    piece = np.clip(np.searchsorted(at, z, side="right") - 1, 0, len(slopes) - 1)
    line = height[piece] + slopes.astype(z.dtype)[piece] * (z - at[piece])
    return np.where((z >= at[0]) & (z < at[-1]), line, pwl_forward(z, knots, slopes)).astype(
        z.dtype
    )


def left_by_its_rate(centers: Array, top: float, eps: float) -> Array:
    """One centre left of the origin, joined to (z - a, 0) even where that is the same z."""
    if len(centers) != 1 or centers[0, 0] > eps * centers[0, 1]:
        return original_anchor(centers, top, eps)
    return np.array([centers[0] - centers[0, 1] * np.array([1, 1]), centers[0]])


def last_step(z: Array, s: Array) -> tuple[Array, Array]:
    """Points with the weighted input of the last step in place of its mean."""
    return z[..., -1].ravel(), s.mean(axis=-1).ravel()


def column_major(z: Array, s: Array) -> tuple[Array, Array]:
    """Points by neuron, then by sample."""
    return z.mean(axis=-1).T.ravel(), s.mean(axis=-1).T.ravel()


def closed(a: Array, low: float, high: float) -> Array:
    """Who is in a band closed on both sides."""
    return (a >= low) & (a <= high)


original_anchor, pool_falling, keep_half = fit.anchor, fit.pool_falling, rates.keep_half
mean, lower = (lambda x: float(x.mean())), (lambda x: float(np.sort(x)[(len(x) - 1) // 2]))


def forgotten(
    z: Array, a: Array, knots: Array | None, slopes: Array | None, *rest: object
) -> tuple[Array, Array]:
    """A fit without points that starts again from the unit line."""
    return original_fit(z, a, knots if len(a) else None, slopes, *rest)  # type: ignore[arg-type]


original_fit = rates.fit_curve

MUTANTS = [
    Mutant(
        "rates summed",
        "SAM-1",
        "points hold spike counts",
        {"sample_points": lambda z, s: (z.mean(axis=-1).ravel(), s.sum(axis=-1).ravel())},
    ),
    Mutant(
        "input of the last step sampled",
        "SAM-1",
        "z is not averaged over time",
        {"sample_points": last_step},
    ),
    Mutant(
        "points by neuron", "SAM-2", "points in column-major order", {"sample_points": column_major}
    ),
    Mutant(
        "oldest points kept",
        "SAM-3",
        "the newest points are turned away",
        {"keep_newest": lambda z, n: z[:n]},
    ),
    Mutant(
        "other half kept",
        "SAM-4",
        "the first half of the permutation is kept",
        {"keep_half": lambda z, p: z[np.sort(p[: len(z) // 2])]},
    ),
    Mutant(
        "half rounded up",
        "SAM-4",
        "the larger half is dropped",
        {"keep_half": lambda z, p: z[np.sort(p[(len(z) + 1) // 2 : len(z)])]},
    ),
    Mutant(
        "points kept in shuffled order",
        "SAM-4",
        "what is kept changes order",
        {"keep_half": lambda z, p: z[p[len(z) // 2 : len(z)]]},
    ),
    Mutant(
        "all points forgotten", "SAM-4", "a fit drops all points", {"keep_half": lambda z, p: z[:0]}
    ),
    Mutant("no points forgotten", "SAM-4", "a fit drops no points", {"keep_half": lambda z, p: z}),
    Mutant(
        "saturation is the largest rate",
        "FIT-1",
        "not the mean of the rates near it",
        {"saturation": saturation_as(lambda a, h: a[a == a.max()])},
    ),
    Mutant(
        "saturation with >=",
        "FIT-1",
        "rates at high * max take part",
        {"saturation": saturation_as(lambda a, h: a[a >= h * a.max()])},
    ),
    Mutant(
        "saturation above high",
        "FIT-1",
        "rates above high, not high * max, take part",
        {"saturation": saturation_as(lambda a, h: a[a > h])},
    ),
    Mutant(
        "saturation of any height",
        "FIT-1",
        "not at least 0.8",
        {"saturation": saturation_as(lambda a, h: a[a > h * a.max()], 0)},
    ),
    Mutant(
        "band intervals reversed",
        "FIT-4",
        "bands are [low, high)",
        {"band_medians": centres(lambda a, lo, hi: (a >= lo) & (a < hi), np.median)},
    ),  # type: ignore[arg-type]
    Mutant(
        "band intervals closed",
        "FIT-4",
        "a point at a level is in two bands",
        {"band_medians": centres(closed, np.median)},
    ),  # type: ignore[arg-type]
    Mutant(
        "levels in float32", "FIT-4", "levels are compared in float32", {"band_medians": in_float32}
    ),
    Mutant(
        "mean in place of median",
        "FIT-5",
        "centres are means",
        {"band_medians": centres(half_open, mean)},
    ),
    Mutant(
        "lower median",
        "FIT-5",
        "of an even number the lower middle",
        {"band_medians": centres(half_open, lower)},
    ),
    Mutant(
        "rate of the median point",
        "FIT-5",
        "z and a are not taken separately",
        {"band_medians": jointly},
    ),
    Mutant(
        "alpha swapped",
        "FIT-7",
        "0.9 new + 0.1 old",
        {"blend": lambda m, p, lv, alpha: blend(m, p, lv, 1 - alpha)},
    ),
    Mutant(
        "previous curve ignored",
        "FIT-7",
        "each fit starts afresh",
        {"blend": lambda m, p, lv, alpha: blend(m, None, lv, alpha)},
    ),
    Mutant(
        "empty bands forget",
        "FIT-7",
        "an old centre without new points is lost",
        {"blend": old_lost},
    ),
    Mutant(
        "falling centres kept",
        "FIT-8",
        "neighbours that fall are joined as they are",
        {"pool_falling": lambda c, eps: c},
    ),
    Mutant(
        "falling slopes made positive",
        "FIT-8",
        "falling centres stay, with absolute slopes",
        {"pool_falling": lambda c, eps: c, "draw": absolute_slopes},
    ),
    Mutant(
        "steep centres kept",
        "FIT-8",
        "neighbours may rise by any slope",
        {"pool_falling": lambda c, eps: pool_falling(c, 0.0)},
    ),
    Mutant(
        "one centre joined steeply",
        "FIT-9",
        "to the origin if z > 0",
        {"anchor": lambda c, top, eps: original_anchor(c, top, 0)},
    ),
    Mutant(
        "one centre far left on itself",
        "FIT-9",
        "z - a is not kept apart from z",
        {"anchor": left_by_its_rate},
    ),
    Mutant(
        "one centre given unit slope", "FIT-9", "not joined to the origin", {"anchor": last_only}
    ),
    Mutant(
        "ends not prolonged",
        "FIT-10",
        "the curve ends at its outer centres",
        {"draw": not_prolonged},
    ),
    Mutant(
        "curve up to one",
        "FIT-10",
        "the curve saturates at 1",
        {"draw": lambda c, top: draw(c, 1.0)},
    ),
    Mutant(
        "no points, new curve",
        "FIT-11",
        "a fit without points forgets the curve",
        {"fit_curve": forgotten},
    ),
    Mutant(
        "curve without an upper end",
        "ACT-3",
        "it rises above the last knot",
        {"pwl_forward": beyond},
    ),
    Mutant(
        "curve without a lower end",
        "ACT-3",
        "it falls below the first knot",
        {"pwl_forward": below},
    ),
    Mutant(
        "curve in float64",
        "ACT-1",
        "knots and slopes are not rounded to float32",
        {"pwl_forward": lambda z, k, s: pwl_forward(z.astype(np.float64), k, s)},
    ),
    Mutant(
        "pieces reversed",
        "ACT-2",
        "the pieces are [k_i, k_i+1)",
        {"pwl_forward": forward_left_closed},
    ),
    Mutant(
        "the gradient's pieces reversed",
        "ACT-4",
        "the gradient's pieces are [k_i, k_i+1)",
        {"pwl_backward": left_closed},
    ),
    Mutant(
        "slope above saturation", "ACT-6", "the last slope goes on", {"pwl_backward": slope_beyond}
    ),
    Mutant(
        "curve gradient without its scale",
        "ACT-4",
        "the slope is not scaled",
        {"pwl_backward": lambda g, z, k, s, c, e: pwl_backward(g, z, k, s, 1.0, e)},
    ),
    Mutant(
        "curve gradient without eps",
        "ACT-4",
        "silent and saturated neurons learn nothing",
        {"pwl_backward": lambda g, z, k, s, c, e: pwl_backward(g, z, k, s, c, 0.0)},
    ),
    Mutant(
        "curve gradient's scale inverted",
        "ACT-5",
        "a over z in place of z over a",
        {"gradient_scale": lambda k: k[-1, 1] / k[-1, 0] if k[-1, 0] > 0 else 1.0},
    ),
    Mutant(
        "curve gradient's scale of any sign",
        "ACT-5",
        "not 1 where the last z is not positive",
        {"gradient_scale": lambda k: k[-1, 0] / k[-1, 1]},
    ),
]
