"""Chapters 5 to 7: sampling, the fit, and the curve as activation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refboot.conformance.case import Case
from refboot.conformance.cases.ask import Draw, ask, f4, ulps

KNOTS = np.array([[-0.3, 0.0], [0.1, 0.2], [0.3, 0.3], [1.7, 0.95]])
SLOPES = np.array([0.5, 0.5, 0.4642857142857143])
NOTHING = f4([])
FIT: dict[str, Any] = {
    "knots": None,
    "slopes": None,
    "num_centers": 5,
    "low": 0.1,
    "high": 0.9,
    "alpha": 0.1,
    "eps": 1e-5,
}


def cases() -> Iterator[Case]:
    """The questions of these chapters."""
    yield from samples()
    yield from saturations()
    yield from medians()
    yield from first_fits()
    yield from later_fits()
    yield from curves()


def samples() -> Iterator[Case]:
    """Points, and which of them are kept."""
    draw = Draw(31)
    z, s = draw.real(2, 5, 16, low=-1, high=3), draw.spikes(2, 5, 16)
    yield ask("sample-points", "sample_points", "SAM-1 SAM-2 SPK-4", ulps(2), z=z, s=s)
    yield ask("sample-one-step", "sample_points", "SAM-1 SPK-4", z=z[..., :1], s=s[..., :1])
    yield ask(
        "sample-three-steps", "sample_points", "SAM-1 SPK-4", ulps(2), z=z[..., :3], s=s[..., :3]
    )
    yield ask("sample-silent", "sample_points", "SAM-1 SPK-4", ulps(2), z=-np.abs(z), s=s * 0)
    points = draw.real(7)
    for n in (7, 2, 1):
        yield ask(
            f"keep-half-of-{n}", "keep_half", "SAM-4", z=points[:n], permutation=draw.permutation(n)
        )
    yield ask("keep-newest", "keep_newest", "SAM-3", z=points, capacity=3)
    yield ask("keep-all", "keep_newest", "SAM-3", z=points, capacity=8)
    yield ask("refused-capacity", "keep_newest", "SAM-3", reject="range", z=points, capacity=0)


def saturations() -> Iterator[Case]:
    """The rate at saturation."""

    def case(name: str, clauses: str, a: np.ndarray, high: float = 0.9) -> Case:
        return ask(f"saturation-{name}", "saturation", clauses, ulps(1), a=a, high=high)

    yield case("mean", "FIT-1", f4(0.1, 0.5, 0.92, 0.95, 1.0, 0.9375))
    yield case("strictly-above", "FIT-1", f4(1.0, 0.5, 0.25, 0.875), 0.875)
    yield case("of-the-largest", "FIT-1", f4(0.95, 0.875, 0.5))
    yield case("at-least", "FIT-1", f4(0.1, 0.5, 0.55, 0.56))
    yield case("one", "FIT-1", f4([1.0]))
    yield case("none-above", "FIT-1", f4(1.0, 0.9375), 1.0)
    yield case("silent", "FIT-2", f4(0, 0, 0))
    yield case("empty", "FIT-2", NOTHING)


def medians() -> Iterator[Case]:
    """Bands and the medians in them."""
    levels = np.array([0.125, 0.25, 0.5, 0.75, 1.0])

    def case(name: str, clauses: str, z: Any, a: Any, levels: np.ndarray = levels) -> Case:
        return ask(
            f"medians-{name}", "band_medians", clauses, ulps(1), z=f4(z), a=f4(a), levels=levels
        )

    draw = Draw(32)
    yield case(
        "edges", "FIT-4 FIT-5", [1, 2, 3, 4, 5, 6, 7], [0.125, 0.25, 0.375, 0.5, 0.75, 1.0, 1.125]
    )
    yield case("even", "FIT-5", [1, 2, 4, 9, 3, 8], [0.3, 0.4, 0.45, 0.5, 0.6, 0.7])
    yield case("apart", "FIT-5", [1, 7, 2, 0, 30], [0.26, 0.27, 0.28, 0.29, 0.5])
    yield case("empty-bands", "FIT-4 FIT-6", [1, 2, 3], [0.6, 0.7, 0.1])
    yield case("no-points", "FIT-6", [], [])
    tenths = np.linspace(0.1, 0.9, 6)
    yield case("tenths", "FIT-4 FIT-3", np.arange(11), np.arange(11) / np.float32(10), tenths)
    yield case("random", "FIT-4 FIT-5", draw.real(60), draw.whole(60, low=0, high=17) / 16)


def cloud(draw: Draw, n: int, threshold: float = 1.25) -> tuple[np.ndarray, np.ndarray]:
    """Points as a layer with 16 steps gives them: rates that rise with z, scattered, in
    sixteenths.
    """
    z = draw.real(n, low=-0.5 * threshold, high=1.5 * threshold)
    a = (
        np.clip(
            np.floor(16 * z.astype(np.float64) / threshold + draw.real(n, low=-1, high=2)), 0, 16
        )
        / 16
    )
    return z, a.astype(np.float32)


def fit(name: str, clauses: str, z: np.ndarray, a: np.ndarray, **change: Any) -> Case:
    """A question for a fit."""
    return ask(f"fit-{name}", "fit_curve", clauses, ulps(4), **({"z": z, "a": a} | FIT | change))


def first_fits() -> Iterator[Case]:
    """Fits without a previous curve."""
    draw = Draw(33)
    z, a = cloud(draw, 200)
    yield fit("cloud", "FIT-1 FIT-3 FIT-4 FIT-5 FIT-10 FIT-12", z, a)
    yield fit("three-centres", "FIT-3 FIT-10", z, a, num_centers=3)
    yield fit("one-band", "FIT-3 FIT-9", z, a, num_centers=1)
    yield fit("other-range", "FIT-3", z, a, low=0.25, high=0.75)
    yield fit("large-threshold", "FIT-10 FIT-12", *cloud(draw, 200, 100.0))
    yield fit("low-rates", "FIT-1 FIT-3", z, (a / 4).astype(np.float32))
    yield fit("one-step", "FIT-9", f4(0.5, 1.5, 2.0, -1.0), f4(0, 1, 1, 0))
    yield fit("silent", "FIT-2 FIT-9", z, a * 0)
    yield fit("no-points", "FIT-2 FIT-9 FIT-11", NOTHING, NOTHING)
    yield fit("one-point", "FIT-9", f4([0.75]), f4([0.5]))
    yield fit("one-point-left-of-zero", "FIT-9", f4([-0.75]), f4([0.5]))
    yield fit("one-point-at-zero", "FIT-9", f4([0.0]), f4([0.5]))
    yield fit("one-point-beside-zero", "FIT-9", f4([3e-6]), f4([0.5]))
    yield fit("one-point-far-left", "FIT-9", f4([-1e20]), f4([0.5]))
    rates = (np.arange(11) / 10).astype(np.float32)
    yield fit("tenths", "FIT-4", rates**2, rates)
    yield fit("falling", "FIT-8 FIT-12", f4(0.1, 0.5, 0.3, 0.2, 0.9), f4(0.15, 0.3, 0.5, 0.65, 0.8))
    yield fit(
        "all-falling",
        "FIT-8 FIT-9 FIT-12",
        f4(0.9, 0.7, 0.5, 0.3, 0.1),
        f4(0.15, 0.3, 0.5, 0.65, 0.8),
    )
    yield fit(
        "coinciding", "FIT-8 FIT-12", f4(0.1, 0.4, 0.4, 0.6, 0.9), f4(0.15, 0.3, 0.5, 0.65, 0.8)
    )
    yield fit("steep", "FIT-8", f4(0.5, 0.5 + 2**-20, 0.75, 1.0), f4(0.2, 0.45, 0.65, 0.8))


def later_fits() -> Iterator[Case]:
    """Fits that start from a curve, and those to refuse."""
    z, a = cloud(Draw(34), 200)
    old: dict[str, Any] = {"knots": KNOTS, "slopes": SLOPES}
    yield fit("blend", "FIT-7", z, a, **old)
    yield fit("blend-evenly", "FIT-7", z, a, alpha=0.5, **old)
    yield fit("blend-two-knots-in-a-band", "FIT-7", z, a, num_centers=2, **old)
    some = a > 0.5
    yield fit("old-where-empty", "FIT-6 FIT-7", z[some], a[some], **old)
    yield fit("silent-after-a-curve", "FIT-2 FIT-7", z, a * 0, **old)
    yield fit("no-points-after-a-curve", "FIT-11", NOTHING, NOTHING, **old)
    yield ask(
        "refused-range",
        "fit_curve",
        "FIT-3",
        reject="range",
        z=z,
        a=a,
        **(FIT | {"low": 0.9, "high": 0.1}),
    )
    yield ask(
        "refused-no-bands",
        "fit_curve",
        "FIT-3",
        reject="range",
        z=z,
        a=a,
        **(FIT | {"num_centers": 0}),
    )
    yield ask("refused-unequal", "fit_curve", "NUM-9", reject="shape", z=z, a=a[:-1], **FIT)


def curves() -> Iterator[Case]:
    """The curve at its knots, between and beyond."""
    at = f4(KNOTS[:, 0])
    beside = np.concatenate([np.nextafter(at, np.float32(9)), np.nextafter(at, np.float32(-9))])
    curve: dict[str, Any] = {"knots": KNOTS, "slopes": SLOPES}
    yield ask(
        "curve-knots", "pwl_forward", "ACT-1 ACT-2 ACT-3", z=np.concatenate([at, beside]), **curve
    )
    yield ask(
        "curve-beyond", "pwl_forward", "ACT-3", z=f4(-3e38, -10, -0.31, 1.71, 10, 3e38), **curve
    )
    yield ask(
        "curve-random",
        "pwl_forward",
        "ACT-2 NUM-10",
        z=Draw(35).real(200, low=-0.5, high=2),
        **curve,
    )
    one: dict[str, Any] = {"knots": np.array([[0.0, 0.0], [0.8, 0.8]]), "slopes": np.array([1.0])}
    yield ask(
        "curve-one-piece", "pwl_forward", "ACT-1 ACT-2 ACT-3", z=f4(-1, 0, 0.4, 0.8, 0.9), **one
    )
    step: dict[str, Any] = {
        "knots": np.array([[0.0, 0.0], [0.5, 0.25], [0.5, 0.75], [1.0, 1.0]]),
        "slopes": np.array([0.5, 1e6, 0.5]),
    }
    yield ask("curve-step", "pwl_forward", "ACT-2", z=f4(0.25, 0.5, 0.75), **step)
