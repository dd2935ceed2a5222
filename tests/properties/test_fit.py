"""The fit gives a finite, rising curve whatever the points; the sampler keeps the newest of
them.
"""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import inputs_around, rising_curves, seeds, single, tame

from refboot.ann_sampler import AnnSampler
from refboot.errors import OrderError
from refboot.reference import band_medians, saturation
from refboot.reference.fit import fit_curve
from refboot.reference.sampling import half
from refboot.viz import curves

sixteenths = st.integers(0, 16).map(lambda k: k / 16)
huge = single(-3e38, 3e38)
zs = st.one_of(tame, st.sampled_from([0.0, 1.0]), huge)
rates = st.one_of(sixteenths, single(0, 1), single(0, 1e6), single(0, 3e38))


@st.composite
def points_n(draw):
    """z and a (n,): scattered, silent, one value, one point, falling, a staircase, none at all."""
    n = draw(st.integers(0, 40))
    z, a = (
        draw(hnp.arrays(np.float32, n, elements=zs)),
        draw(hnp.arrays(np.float32, n, elements=rates)),
    )
    kind = draw(st.sampled_from(["any", "any", "silent", "same z", "same", "falling", "rising"]))
    if kind == "silent":
        a[:] = 0
    if kind in ("same z", "same"):
        z[:] = z[:1]
    if kind == "same":
        a[:] = a[:1]
    if kind in ("falling", "rising"):
        z, a = np.sort(z), np.sort(a)[:: 1 if kind == "rising" else -1].copy()
    return z, a


@st.composite
def ways_to_fit(draw):
    """Bands, range of rates and eps, the usual or any."""
    low, high = sorted(draw(st.sampled_from([(0.1, 0.9), (0.0, 1.0), (0.3, 0.4)])))
    return (
        draw(st.sampled_from([5, 1, 2, 16, 200])),
        (low, high),
        0.1,
        draw(st.sampled_from([1e-5, 1e-2])),
    )


def assert_rising(curve):
    knots, slopes = curve
    assert knots.dtype == slopes.dtype == np.float64
    assert knots.shape == (len(slopes) + 1, 2)
    assert len(slopes) >= 1
    assert np.isfinite(knots).all()
    assert np.isfinite(slopes).all()
    assert (slopes > 0).all()
    assert (np.diff(knots, axis=0) >= 0).all()
    assert knots[0, 1] == 0
    assert curve.max == knots[-1, 1]
    assert np.isfinite(curve.scale)
    assert curve.scale > 0


@given(points_n(), ways_to_fit(), st.one_of(st.none(), rising_curves()))
def test_fit_is_always_a_finite_rising_curve(points, way, previous):
    curve = fit_curve(*points, previous, *way)
    assert_rising(curve)
    assert curve is previous or curve.max >= 0.8


@given(st.lists(points_n(), min_size=2, max_size=4), ways_to_fit())
def test_fit_upon_fit_stays_a_finite_rising_curve(batches, way):
    curve = None
    for points in batches:
        curve = fit_curve(*points, curve, *way)
        assert_rising(curve)


@pytest.mark.parametrize("a", [424619.0, 1.0, 0.97])
def test_fits_of_one_value_that_is_all_of_the_range_stay_rising(a):
    """0.1 a + 0.9 a may be an ulp more than a, which is then the end of the curve."""
    curve = None
    for _ in range(4):
        curve = fit_curve(np.zeros(3, np.float32), np.full(3, a, np.float32), curve, 5, (0.0, 1.0))
        assert_rising(curve)


@given(st.lists(single(-4, 4), min_size=5, max_size=5))
def test_centres_that_fall_are_pooled_into_the_mean_of_all_of_them(zs):
    """Five bands of one point each, falling: one centre is left, their mean."""
    z, a = np.sort(np.float64(zs))[::-1], np.array([0.18, 0.34, 0.5, 0.66, 0.82])
    curve = fit_curve(np.append(z, 9), np.append(a, 1.0))
    np.testing.assert_allclose(curve.knots[-2], [z.mean(), 0.5], atol=1e-12)


@given(rising_curves(), ways_to_fit())
def test_fit_without_points_keeps_the_curve(curve, way):
    assert fit_curve(np.empty(0), np.empty(0), curve, *way) is curve


@pytest.mark.parametrize("a", [[], [0.0, 0.0]])
def test_first_fit_of_nothing_or_silence_is_the_line_of_unit_slope_up_to_the_least_saturation(a):
    curve = fit_curve(np.linspace(-1, 1, len(a)), np.array(a))
    z = np.linspace(0, 0.8, 9)
    np.testing.assert_allclose(np.interp(z, *curve.knots.T), z)
    assert (curve.max, set(curve.slopes)) == (0.8, {1.0})


@given(points_n(), rising_curves())
def test_silence_upon_silence_changes_nothing_more(points, previous):
    silence = np.zeros(3), np.zeros(3)
    for start in (previous, fit_curve(*points)):
        once = fit_curve(*silence, start)
        np.testing.assert_array_equal(fit_curve(*silence, once).knots, once.knots)


@given(points_n(), ways_to_fit())
def test_first_fit_of_rising_medians_passes_through_each(points, way):
    z, a = np.sort(points[0]), np.sort(points[1])
    num_centers, (low, high), _, eps = way
    top = saturation(a, high)
    medians = band_medians(z, a, np.linspace(low * top, high * top, num_centers + 1))
    medians = medians[~np.isnan(medians[:, 0])]
    if len(medians) > 1 and (np.diff(medians[:, 0]) > eps * np.diff(medians[:, 1])).all():
        np.testing.assert_array_equal(fit_curve(z, a, None, *way).knots[1:-1], medians)


@given(rising_curves().filter(lambda c: c.max >= 0.8))
def test_fit_of_points_on_a_straight_line_is_that_line(curve):
    slope, start = curve.slopes[0], curve.knots[0, 0]
    a = np.linspace(0, 1, 101)
    fitted = fit_curve(start + a / slope, a)
    np.testing.assert_allclose(fitted.slopes, slope, rtol=1e-6)
    np.testing.assert_allclose(fitted.knots[0], [start, 0], atol=1e-6)


def test_new_data_moves_a_centre_by_a_tenth_of_the_way():
    """A band with an old centre and a new median has its centre at 0.1 new + 0.9 old."""
    old, new = (np.array([[shift, 0.5], [shift + 1, 0.75]]) for shift in (0.0, 1.0))
    first = fit_curve(np.append(old[:, 0], 9), np.append(old[:, 1], 1))
    second = fit_curve(np.append(new[:, 0], 9), np.append(new[:, 1], 1), first)
    np.testing.assert_allclose(second.knots[1:-1], 0.1 * new + 0.9 * old)


def sampler_after(capacity, sizes, rng=None):
    """A sampler fed with 0, 1, 2, ... in batches of these sizes; z counts up, a counts up by
    1000s.
    """
    sampler = AnnSampler(capacity=capacity, rng=rng)
    numbers = np.arange(sum(sizes), dtype=np.float32)
    for batch in np.split(numbers, np.cumsum(sizes)[:-1]):
        sampler.append(
            1000 * np.repeat(batch[:, None], 2, axis=1), np.repeat(batch[:, None], 2, axis=1)
        )
    return sampler, numbers


batch_sizes = st.lists(st.integers(1, 12), min_size=1, max_size=8)


@given(st.integers(1, 10), batch_sizes)
def test_sampler_keeps_the_newest_points_in_order_of_arrival(capacity, sizes):
    sampler, numbers = sampler_after(capacity, sizes)
    np.testing.assert_array_equal(sampler.z, numbers[-capacity:])
    np.testing.assert_array_equal(sampler.a, 1000 * numbers[-capacity:])
    assert sampler.count == min(capacity, len(numbers))


@given(st.integers(1, 10), batch_sizes, seeds, batch_sizes)
def test_soft_clear_drops_half_keeps_the_order_and_makes_room(capacity, sizes, seed, more):
    sampler, _ = sampler_after(capacity, sizes)
    before = sampler.z.copy()
    sampler.soft_clear(np.random.default_rng(seed))
    kept = sampler.z.copy()
    assert len(kept) == len(before) - len(before) // 2
    assert set(kept) <= set(before)
    assert (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(sampler.a, 1000 * kept)
    for n in more:
        sampler.append_means(np.full(n, 7, np.float32), np.full(n, 7, np.float32))
    np.testing.assert_array_equal(
        sampler.z, np.append(kept, np.full(sum(more), 7, np.float32))[-capacity:]
    )


@given(st.integers(2, 10), batch_sizes, seeds)
def test_same_seed_drops_the_same_points(capacity, sizes, seed):
    first, second = (
        sampler_after(capacity, sizes, np.random.default_rng(seed))[0] for _ in range(2)
    )
    before = first.z.copy()
    for sampler in (first, second):
        sampler.soft_clear()
    np.testing.assert_array_equal(first.z, second.z)
    np.testing.assert_array_equal(first.z, before[half(np.random.default_rng(seed), len(before))])


@given(st.integers(0, 3000), seeds)
def test_half_is_half(n, seed):
    assert np.count_nonzero(half(np.random.default_rng(seed), n)) == n - n // 2


@given(st.integers(0, 3000), st.integers(0, 2**32 - 1))
def test_of_a_legacy_generator_those_first_in_its_permutation_are_dropped(n, seed):
    dropped = np.random.RandomState(seed).permutation(n)[: n // 2]
    np.testing.assert_array_equal(
        np.flatnonzero(~half(np.random.RandomState(seed), n)), np.sort(dropped)
    )


@pytest.mark.parametrize("n", [1, 4, 5, 6])
def test_any_half_is_as_likely_as_another(n):
    rng, drawn, count = np.random.default_rng(7), Counter(), 20_000
    for _ in range(count):
        drawn[half(rng, n).tobytes()] += 1
    kinds = math.comb(n, n // 2)
    wanted = count / kinds
    assert len(drawn) == kinds
    assert sum((found - wanted) ** 2 / wanted for found in drawn.values()) < kinds + 4 * math.sqrt(
        2 * kinds
    )  # chi squared


def test_of_many_each_and_each_pair_stays_as_often():
    rng, n, count = np.random.default_rng(8), 300, 4000
    stay = np.array([half(rng, n) for _ in range(count)], np.float64)
    together = stay.T @ stay / count
    assert abs(np.diag(together) - 0.5).max() < 5 * 0.5 / math.sqrt(count)
    apart = together[np.triu_indices(n, 1)]
    assert abs(apart - (n / 2 - 1) / (n - 1) / 2).max() < 6 * math.sqrt(0.25 * 0.75 / count)


def test_clear_forgets_the_points_and_keeps_the_curve():
    sampler, _ = sampler_after(8, [5])
    sampler.fit()
    curve = sampler.curve
    sampler.clear()
    assert (sampler.count, sampler.fresh, sampler.z.size, sampler.curve) == (0, 0, 0, curve)
    sampler.fit()
    assert sampler.curve is curve


def test_plotting_between_a_forward_and_its_backward_leaves_the_gradient_as_it_was():
    pytest.importorskip("matplotlib", reason="the extra viz is not installed")
    sampler, _ = sampler_after(8, [5])
    sampler.fit()
    z = np.linspace(-2, 6, 9, dtype=np.float32)
    sampler.forward(z)
    before = sampler.backward(np.ones_like(z))
    curves.samples(sampler)
    np.testing.assert_array_equal(sampler.backward(np.ones_like(z)), before)


def test_soft_clear_without_a_generator_is_an_error():
    with pytest.raises(OrderError, match="without a generator"):
        AnnSampler().soft_clear()


@given(points_n(), seeds)
def test_order_of_the_points_does_not_matter_to_the_fit(points, seed):
    order = np.random.default_rng(seed).permutation(len(points[0]))
    one, other = fit_curve(*points), fit_curve(points[0][order], points[1][order])
    np.testing.assert_allclose(one.knots, other.knots, rtol=1e-9, atol=1e-9)


@given(st.lists(points_n().filter(lambda p: len(p[0])), min_size=1, max_size=3), seeds)
def test_same_points_and_seed_give_the_same_curve_in_every_bit(batches, seed):
    curves = []
    for _ in range(2):
        sampler = AnnSampler(capacity=32, rng=np.random.default_rng(seed))
        for z, a in batches:
            sampler.append_means(a, z)
            sampler.fit()
            sampler.soft_clear()
        curves.append(sampler.curve)
    for first, second in zip(*curves, strict=True):
        np.testing.assert_array_equal(first, second)


@given(rising_curves(), st.data())
def test_rate_never_falls_as_the_input_rises_and_stays_between_zero_and_saturation(curve, data):
    """But for the rounding of the knots to float32, which a steep piece enlarges by its slope."""
    sampler = AnnSampler()
    sampler.curve = curve
    z = np.sort(data.draw(inputs_around(curve, (20,))))
    a = sampler.forward(z).astype(np.float64)
    slack = curve.slopes.max() * np.abs(curve.knots[:, 0]).max() * 2**-23 + 2**-23 * curve.max
    assert (np.diff(a) >= -slack).all()
    assert (a >= -slack).all()
    assert (a <= curve.max + slack).all()
