"""Chapters 5 to 7, clause by clause: sampling, fit, activation."""

from collections.abc import Sequence

import numpy as np
import pytest
import spec_plain as plain
from hypothesis import given
from hypothesis import strategies as st

from refboot import ops
from refboot.ann_sampler import CAPACITY, AnnSampler
from refboot.block import cuba
from refboot.errors import OrderError
from refboot.ops import Ops
from refboot.reference import fit
from refboot.reference.fit import Curve
from refboot.routine import Mode

Rng = np.random.Generator
NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
CLOSE = {"rtol": 1e-12, "atol": 1e-13}
CURVE = Curve(
    np.array([[-1.0, 0.0], [0.5, 0.25], [0.5, 0.25], [2.0, 1.0]]), np.array([0.1875, 0.7, 0.55])
)
AROUND = np.float32(
    [
        -9,
        -1.0001,
        -1,
        -0.9999,
        0,
        0.5,
        np.nextafter(np.float32(0.5), np.float32(9)),
        1.7,
        2,
        2.0001,
        1e30,
    ]
)


class Fixed:
    """A generator with one permutation."""

    def __init__(self, order: Sequence[int]) -> None:
        self.order = order

    def permutation(self, n: int) -> np.ndarray:
        assert n == len(self.order)
        return np.array(self.order, np.int64)


def sampled(z: Sequence[float], **options: object) -> AnnSampler:
    """A sampler that got the points (z, 0) in one call."""
    sampler = AnnSampler(**options)  # type: ignore[arg-type]
    sampler.append(np.zeros((1, len(z), 1)), np.float32(z).reshape(1, -1, 1))
    return sampler


def points(rng: Rng, n: int, T: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Points along a noisy curve, float32."""
    z = rng.normal(0.5, 0.7, n)
    return np.float32(z), np.float32(
        np.clip(np.rint(T * (0.7 * z + rng.normal(0, 0.05, n))), 0, T) / T
    )


def check(curve: Curve, expected: tuple[list[plain.Point], list[float]]) -> None:
    np.testing.assert_allclose(curve.knots, expected[0], **CLOSE)
    np.testing.assert_allclose(curve.slopes, expected[1], **CLOSE)


@pytest.mark.parametrize("shift", [False, True])
def test_point_is_taken_before_dropout_and_shift(rng: Rng, shift: bool):
    """SAM-1."""
    block = cuba.Dense(NEURON, 8, 4, weight_scale=3, delay_shift=shift, rng=rng)
    x = np.float32(rng.integers(0, 2, (5, 8, 16)))
    z = block.synapse.forward(x)
    expected = block.neuron.forward(z)
    block.forward(x, Mode.SAMPLE)
    assert block.f.a.tolist() == expected.mean(axis=-1).ravel().tolist()
    assert block.f.z.tolist() == np.float32(z.astype(np.float64).mean(axis=-1)).ravel().tolist()
    assert len(set(block.f.a.tolist())) > 2


def test_points_come_in_order(rng: Rng):
    """SAM-2."""
    sampler, calls = (
        AnnSampler(),
        [rng.normal(0, 1, shape).astype(np.float32) for shape in ((2, 3, 1), (1, 2, 2, 2, 1))],
    )
    for z in calls:
        sampler.append(np.zeros(z.shape), z)
    assert sampler.z.tolist() == np.concatenate([z.ravel() for z in calls]).tolist()


@pytest.mark.parametrize("count", [2, 3, 7, 20])
def test_the_newest_points_stay(count: int):
    """SAM-3."""
    assert AnnSampler().capacity == CAPACITY == 2**20
    sampler = sampled(range(count), capacity=3)
    sampler.append(np.zeros((1, 2, 1)), np.float32([[[100], [101]]]))
    assert sampler.z.tolist() == [*range(count), 100, 101][-3:]


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8])
def test_half_is_forgotten_after_a_fit(rng: Rng, n: int):
    """SAM-4."""
    order = rng.permutation(n).tolist()
    sampler = sampled(range(n)) if n else AnnSampler()
    sampler.soft_clear(Fixed(order))
    assert sampler.z.tolist() == [k for k in range(n) if k not in order[: n // 2]]
    sampler = sampled(range(n)) if n else AnnSampler()
    sampler.soft_clear(rng)
    assert len(sampler.z) == n - n // 2
    assert (np.diff(sampler.z) > 0).all()
    block = cuba.Dense(NEURON, 3, 5, rng=rng)
    block.forward(np.ones((3, 3, 2), np.float32), Mode.SAMPLE)
    block.forward(np.ones((3, 3, 1), np.float32), Mode.FIT)
    assert block.f.count == 8


def test_clearing_keeps_the_curve():
    """SAM-5."""
    sampler = sampled([1, 2])
    sampler.fit()
    curve = sampler.curve
    sampler.clear()
    assert (sampler.count, sampler.curve) == (0, curve)
    assert curve is not None


def test_affine_takes_no_samples(rng: Rng):
    """SAM-6."""
    affine = cuba.Affine(NEURON, 3, 2, rng=rng)
    for mode in Mode:
        affine.forward(np.ones((2, 3, 4)), mode)
    assert (affine.f.count, affine.buffers()) == (0, {})
    assert not hasattr(cuba.Flatten(), "f")


def test_saturation(o: Ops, rng: Rng):
    """FIT-1, FIT-2."""
    for a in (
        [],
        [0, 0],
        [-1.0],
        [0.9, 1.0],
        [0.3, 0.2],
        [0.9 * 0.9375, 0.9375],
        (rng.integers(0, 17, 99) / 16).tolist(),
    ):
        np.testing.assert_allclose(
            o.saturation(np.array(a, np.float64), 0.9), plain.saturation(a), rtol=1e-12
        )


@pytest.mark.parametrize("top", [0.8, 0.9375, 1.0])
def test_levels(monkeypatch: pytest.MonkeyPatch, top: float):
    """FIT-3."""
    seen = []
    fit.fit_curve(
        np.zeros(1),
        np.zeros(1),
        saturation=lambda a, high: top,
        band_medians=lambda z, a, levels: seen.append(levels) or np.full((5, 2), np.nan),
    )
    assert seen[0].tolist() == plain.levels(top, 5)


def test_bands_are_open_below_and_closed_above(o: Ops):
    """FIT-4."""
    edges = plain.levels(1.0, 5)
    a = np.array([0, *edges, *np.nextafter(edges, 9), 1.0])
    for i, (z_median, _) in enumerate(
        o.band_medians(np.arange(len(a), dtype=np.float64), a, np.array(edges))
    ):
        assert z_median == np.median(
            [k for k, rate in enumerate(a) if edges[i] < rate <= edges[i + 1]]
        )


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_centre_is_the_median_of_each(o: Ops, rng: Rng, n: int):
    """FIT-5."""
    z, a = rng.normal(0, 1, n), rng.uniform(0.3, 0.6, n)
    assert o.band_medians(z, a, np.array([0.2, 0.9])).tolist() == [
        list(plain.blended(list(zip(z.tolist(), a.tolist(), strict=True)), []))
    ]


def test_empty_band_has_no_centre(o: Ops):
    """FIT-6."""
    assert np.isnan(o.band_medians(np.ones(2), np.array([0.0, 1.0]), np.array([0.1, 0.9]))).all()
    assert len(fit.fit_curve(np.array([1.0, 2.0, 3.0]), np.array([0.2, 0.5, 1.0])).knots) == 4


@pytest.mark.parametrize("seed", range(6))
def test_fit_of_noisy_points_and_its_successors(seed: int):
    """FIT-1 to FIT-10: three fits in a row, each starting from the last, against the plain one."""
    rng, curve, knots = np.random.default_rng(seed), None, None
    for n in (400, 40, 5):
        z, a = points(rng, n)
        z += np.float32(0.3 * seed)
        curve = fit.fit_curve(z, a, curve)
        expected = plain.fit(list(zip(z.tolist(), a.tolist(), strict=True)), knots)
        check(curve, expected)
        knots = [tuple(knot) for knot in curve.knots.tolist()]


def test_new_points_count_a_tenth():
    """FIT-7."""
    old = fit.draw(np.array([[1.0, 0.2], [1.5, 0.22], [2.0, 0.8]]), 1.0)
    curve = fit.fit_curve(np.array([2.0, 3.0]), np.array([0.2, 1.0]), old)
    np.testing.assert_allclose(
        curve.knots[1:3], [[0.1 * 2 + 0.9 * 1.25, 0.1 * 0.2 + 0.9 * 0.21], [2.0, 0.8]], **CLOSE
    )


@given(
    st.lists(
        st.tuples(st.integers(-8, 8), st.integers(1, 15)),
        max_size=8,
        unique_by=lambda point: point[1],
    )
)
def test_falling_centres_are_pooled(raw: list[tuple[int, int]]):
    """FIT-8."""
    centers = [(z / 4, a / 16) for z, a in sorted(raw, key=lambda point: point[1])]
    np.testing.assert_allclose(
        fit.pool_falling(np.array(centers).reshape(-1, 2), 1e-5),
        np.array(plain.pooled(centers)).reshape(-1, 2),
        **CLOSE,
    )


@pytest.mark.parametrize("centers", [[], [(2.0, 0.5)], [(1e-7, 0.5)], [(0.0, 0.5)], [(-3.0, 0.5)]])
@pytest.mark.parametrize("top", [0.8, 1.0, 1.5])
def test_one_centre_or_none_is_completed(centers: list[plain.Point], top: float):
    """FIT-9."""
    assert fit.anchor(np.array(centers).reshape(-1, 2), top, 1e-5).tolist() == [
        list(point) for point in plain.completed(centers, top)
    ]


def test_ends_are_prolonged():
    """FIT-10."""
    curve = fit.draw(np.array([[1.0, 0.25], [2.0, 0.75], [4.0, 1.0]]), 1.25)
    assert curve.knots.tolist() == [[0.5, 0], [1, 0.25], [2, 0.75], [4, 1], [6, 1.25]]
    assert curve.slopes.tolist() == [0.5, 0.5, 0.125, 0.125]


def test_fit_without_points_changes_nothing():
    """FIT-11."""
    sampler = AnnSampler()
    sampler.fit()
    check(sampler.curve, plain.fit([]))  # type: ignore[arg-type]
    before = sampler.curve
    sampler.fit()
    assert sampler.curve is before


numbers = st.one_of(st.floats(-3, 3, width=32), st.floats(-1e6, 1e6, width=32))
rates = st.one_of(st.integers(0, 16).map(lambda k: k / 16), st.floats(0, 1, width=32))
samples = st.lists(st.tuples(numbers, rates), max_size=20)


@given(st.lists(samples, min_size=1, max_size=3))
def test_every_curve_is_finite_and_rises(calls: list[list[plain.Point]]):
    """FIT-12."""
    curve = None
    for call in calls:
        z, a = np.array(call, np.float32).reshape(-1, 2).T
        curve = fit.fit_curve(z, a, curve)
    assert curve is not None
    assert np.isfinite(curve.knots).all()
    assert (np.diff(curve.knots, axis=0) >= 0).all()
    assert (curve.slopes > 0).all()
    assert (curve.knots[0, 1], curve.knots[-1, 1]) == (0, curve.max)


def rate(z: np.float32, curve: Curve) -> np.float32:
    """ACT-1 to ACT-3, in float32."""
    knots, slopes = curve.knots.astype(np.float32), curve.slopes.astype(np.float32)
    if z > knots[-1, 0]:
        return knots[-1, 1]
    inside = [i for i in range(len(slopes)) if knots[i, 0] < z <= knots[i + 1, 0]]
    return (
        knots[inside[0], 1] + slopes[inside[0]] * (z - knots[inside[0], 0])
        if inside
        else np.float32(0)
    )


@pytest.mark.parametrize("seed", range(3))
def test_activation(o: Ops, seed: int):
    """ACT-1, ACT-2, ACT-3."""
    rng = np.random.default_rng(seed)
    fitted = fit.fit_curve(*points(rng, 300))
    for curve in (CURVE, fitted):
        edges = curve.knots[:, 0].astype(np.float32)
        z = np.concatenate(
            [AROUND, edges, np.nextafter(edges, np.float32(9)), np.float32(rng.normal(0.5, 1, 200))]
        )
        assert o.pwl_forward(z, curve.knots, curve.slopes).tolist() == [
            float(rate(x, curve)) for x in z
        ]


def test_gradient_has_scale_and_eps(o: Ops):
    """ACT-4, ACT-6."""
    ga, scale, eps = np.float32(1.5), np.float32(2), np.float32(1e-5)
    found = o.pwl_backward(np.full(len(AROUND), ga), AROUND, CURVE.knots, CURVE.slopes, 2.0, 1e-5)
    inside = [
        CURVE.slopes[0],
        CURVE.slopes[0],
        CURVE.slopes[0],
        CURVE.slopes[2],
        CURVE.slopes[2],
        CURVE.slopes[2],
    ]
    slopes = np.float32([0, 0, 0, *inside, 0, 0])
    assert found.tolist() == (ga * (slopes * scale + eps)).tolist()


@pytest.mark.parametrize(("z_last", "scale"), [(2.5, 2.5 / 0.8), (0.0, 1.0), (-2.0, 1.0)])
def test_scale_is_that_of_the_last_knot(z_last: float, scale: float):
    """ACT-5."""
    assert Curve(np.array([[z_last - 1, 0.0], [z_last, 0.8]]), np.array([0.8])).scale == scale


@pytest.mark.parametrize("name", ["reference", "numba"])
def test_activation_before_a_fit_is_rejected(name: str):
    """ACT-7."""
    with ops.use(name), pytest.raises(OrderError):
        AnnSampler().forward(np.ones(1, np.float32))
