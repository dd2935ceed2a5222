"""The fitted curve follows the sampled rates, for constant inputs.

A neuron that resets to zero and gets the constant z fires every n(z) steps: its rate in T steps is
floor(T / n) / T, a staircase. So no bound of the order 1/T can hold everywhere: between n = 2 and n
= 1 the rate jumps by one half at every T. What holds:
 - bands no wider than 1/T give every rate k/T a centre of its own, and the curve rises from one to
 the next. Between two centres
   it is off by less than the step between them, at most 1/T + 1 / (n (n + 1)), n being the interval
   on the upper stair;
 - where the neuron fires at most every sqrt(T)-th step the stairs are single counts, and the curve
 is off by at most 1/T;
 - with the five bands that are usual, it stays within one band (0.16) of the rates.
Each bound is shown to fail for a curve that lies 2/T higher or lower (the last from T = 16 down: at
64 that is less than its slack).
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import decays_c, reals_of, shapes_nct, thresholds, wide_reals

from refboot import ops
from refboot.ann_sampler import AnnSampler
from refboot.neuron.cuba import Neuron
from refboot.reference import pwl_forward
from refboot.reference.fit import Curve

STEPS = [8, 16, 64]
LEAKS = [0.0, 0.03, 0.3]
THRESHOLD = 1.25
ROUNDING = 1e-6


def sampled(steps, leak, **options):
    """Constant inputs z (n,) up to twice the threshold, their rates, and the sampler fitted to
    them.
    """
    z = np.linspace(0, 2 * THRESHOLD, 4001, dtype=np.float32)[1:]
    held = np.broadcast_to(z[:, None, None], (len(z), 1, steps))
    spikes = Neuron(THRESHOLD, 1, leak).forward(held)
    sampler = AnnSampler(**options)
    sampler.append(spikes, held)
    sampler.fit()
    return z, spikes.mean(axis=-1, dtype=np.float64)[:, 0], sampler


def fine(steps, leak):
    """One band for each rate k/T below 0.95, and the centres of the fit."""
    z, rate, sampler = sampled(steps, leak, num_centers=steps, sample_range=(0.0, 0.95))
    return z, rate, sampler.curve, sampler.centers[1:-1]


def off_by(curve, z, rate):
    return np.abs(pwl_forward(z, *curve) - rate)


def shifted(curve, by):
    return Curve(curve.knots + np.array([0, by]), curve.slopes)


def interval(z, leak):
    """How many steps a constant z takes to bring the voltage from zero above the threshold, in
    whole state units; 0 for never.
    """
    drive, keep, limit = int(z * 4096), 4096 - round(4096 * leak), int(THRESHOLD * 4096)
    voltage, n = 0, 0
    while voltage <= limit:
        voltage, last, n = (voltage * keep >> 12) + drive, voltage, n + 1
        if voltage == last:
            return 0
    return n


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("leak", LEAKS)
def test_rate_of_a_constant_input_is_the_whole_number_of_intervals_that_fit(steps, leak):
    z, rate, _ = sampled(steps, leak)
    intervals = [interval(float(value), leak) for value in z[::50]]
    assert len(set(intervals)) > 5
    np.testing.assert_array_equal(rate[::50], [steps // n / steps if n else 0 for n in intervals])


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("leak", LEAKS)
def test_curve_passes_through_the_middle_of_every_stair(steps, leak):
    z, rate, curve, centers = fine(steps, leak)
    stairs = [k for k in np.unique(rate) if 0 < k <= 0.95]
    np.testing.assert_allclose(centers[:, 1], stairs, atol=1e-12)
    np.testing.assert_allclose(
        centers[:, 0], [np.median(z[rate == k].astype(np.float64)) for k in stairs], rtol=1e-6
    )
    np.testing.assert_allclose(
        pwl_forward(centers[:, 0].astype(np.float32), *curve), stairs, atol=1e-5
    )


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("leak", LEAKS)
def test_curve_is_off_by_less_than_the_step_between_two_stairs(steps, leak):
    z, rate, curve, centers = fine(steps, leak)
    for (left, low), (right, high) in pairwise(centers):
        inside = (z >= left) & (z <= right)
        count = round(high * steps)
        n = steps // count
        assert high - low <= 1 / steps + 1 / (n * (n + 1)) + ROUNDING
        assert (off_by(curve, z, rate)[inside] <= high - low + ROUNDING).all()


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("leak", [0.0, 0.03])
def test_curve_is_off_by_at_most_one_count_where_a_neuron_fires_at_most_every_sqrt_t_steps(
    steps, leak
):
    z, rate, curve, centers = fine(steps, leak)
    slow = centers[centers[:, 1] <= 1 / np.sqrt(steps)]
    inside = (z >= slow[0, 0]) & (z <= slow[-1, 0])
    assert len(slow) > 1
    assert (off_by(curve, z, rate)[inside] <= 1 / steps + ROUNDING).all()
    for by in (2 / steps, -2 / steps):
        assert (off_by(shifted(curve, by), z, rate)[inside] > 1 / steps + ROUNDING).any()


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("leak", LEAKS)
def test_curve_of_five_bands_stays_within_one_band_of_the_rates(steps, leak):
    z, rate, sampler = sampled(steps, leak)
    centers, band = sampler.centers[1:-1], 0.8 * sampler.max / 5
    inside = (z >= centers[0, 0]) & (z <= centers[-1, 0])
    assert sampler.max == 1
    assert (off_by(sampler.curve, z, rate)[inside] <= band).all()
    if steps <= 16:
        for by in (2 / steps, -2 / steps):
            assert (off_by(shifted(sampler.curve, by), z, rate)[inside] > band).any()


@given(st.data())
def test_rate_of_a_constant_input_never_falls_as_the_input_rises(data):
    shape = data.draw(shapes_nct())
    decays, threshold = (
        (data.draw(decays_c(shape[1])), data.draw(decays_c(shape[1]))),
        data.draw(thresholds),
    )
    one, other = (data.draw(reals_of((*shape[:-1], 1), wide_reals)) for _ in range(2))
    state = np.zeros(shape[:-1], np.int64)
    held = (
        np.broadcast_to(z, (*shape[:-1], 12))
        for z in (np.minimum(one, other), np.maximum(one, other))
    )
    lower, higher = (
        ops.active().cuba_forward(z, *decays, threshold, state, state)[0].mean(axis=-1)
        for z in held
    )
    assert (lower <= higher).all()
