"""Resets, integrate-and-fire, adaptive thresholds, decays per channel, and Loihi's limits: each
neuron by its own arithmetic.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot.block import cuba as block
from refboot.errors import OrderError, RangeError, TypeMismatchError
from refboot.neuron import Dropout, alif, cuba, integrate_fire
from refboot.neuron.limits import reach
from refboot.reference.numbers import to_state
from refboot.routine import Mode

T = 12
UNIT = 4096
seeds = st.integers(0, 2**32 - 1)
decays = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))


def drive(seed, steps=T, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(0.4, 1, (2, 3, steps))).astype(np.float32)


def cut(value, keep):
    """value * keep / 4096, towards zero, in Python's whole numbers."""
    return abs(value * keep) // UNIT * (1 if value >= 0 else -1)


def by_hand(z, neuron, reset):
    """Spikes of one neuron's weighted input z (T,), step by step in Python's whole numbers."""
    u = v = 0
    limit, spikes = 64 * neuron.v_th_mant, []
    for x in to_state(z).tolist():
        u = cut(u, UNIT - int(neuron.cx_current_decay[0])) + x
        v = cut(v, UNIT - int(neuron.cx_voltage_decay[0])) + u
        spikes.append(float(v > limit))
        v = {"zero": 0, "subtract": v - limit, "none": v}[reset] if v > limit else v
    return spikes


@pytest.mark.parametrize("reset", cuba.RESETS)
@given(seeds, st.floats(0.1, 3), decays, decays)
def test_each_reset_does_what_it_says(reset, seed, threshold, current, voltage):
    neuron, z = cuba.Neuron(threshold, current, voltage, reset=reset), drive(seed)
    s = neuron.forward(z)
    for n, c in np.ndindex(*z.shape[:2]):
        assert s[n, c].tolist() == by_hand(z[n, c], neuron, reset)


@given(seeds, st.floats(0.2, 3))
def test_integrate_and_fire_by_subtraction_loses_no_charge(seed, threshold):
    """What went in is what the spikes took away and what is left: the property that makes its rate
    linear.
    """
    neuron, z = integrate_fire.Neuron(threshold, persistent_state=True), drive(seed)
    spikes = neuron.forward(z).sum(axis=-1).astype(np.int64)
    np.testing.assert_array_equal(
        spikes * 64 * neuron.v_th_mant + neuron.state[1], to_state(z).sum(axis=-1)
    )


@given(st.floats(0.05, 0.95))
def test_integrate_and_fire_has_the_rate_of_its_input_over_the_threshold(share):
    neuron = integrate_fire.Neuron(1)
    z = np.full((1, 1, 256), share, np.float32)
    assert abs(neuron.forward(z).mean() - share) <= 1 / 128


@given(seeds, st.floats(0.2, 2), st.floats(0, 1), decays, decays, decays, decays)
def test_adaptive_threshold_neuron_by_hand(
    seed, threshold, jump, current, voltage, a_decay, r_decay
):
    neuron, z = (
        alif.Neuron(threshold, jump, current, voltage, a_decay, r_decay),
        drive(seed, scale=3),
    )
    keeps = [
        UNIT - int(neuron.decays[name].mantissa[0])
        for name in ("current_decay", "voltage_decay", "threshold_decay", "refractory_decay")
    ]
    base, step = 64 * neuron.v_th_mant, 64 * int(jump * 64)
    s = neuron.forward(z)
    for n, c in np.ndindex(*z.shape[:2]):
        u = v = a = r = 0
        for t, x in enumerate(to_state(z[n, c]).tolist()):
            u = cut(u, keeps[0]) + x
            v = cut(v, keeps[1]) + u
            a, r = cut(a, keeps[2]), cut(r, keeps[3])
            fires = v > base + a + r
            assert s[n, c, t] == fires
            if fires:
                a, r = a + step, r + 2 * (base + a)


def test_a_spike_makes_the_adaptive_neuron_slower():
    z = np.full((1, 1, 40), 0.6, np.float32)
    settings = {
        "current_decay": 1,
        "voltage_decay": 0.1,
        "threshold_decay": 0.05,
        "refractory_decay": 0.3,
    }
    counts = [alif.Neuron(1, jump, **settings).forward(z).sum() for jump in (0, 0.5, 2)]
    assert counts[0] > counts[1] > counts[2] > 0


@pytest.mark.parametrize(
    "make",
    [
        lambda keep: cuba.Neuron(1, 0.5, 0.1, persistent_state=keep),
        lambda keep: cuba.Neuron(1, 0.5, 0.1, persistent_state=keep, reset="subtract"),
        lambda keep: integrate_fire.Neuron(1, persistent_state=keep),
        lambda keep: alif.Neuron(1, 0.5, 0.5, 0.1, 0.1, 0.2, persistent_state=keep),
    ],
    ids=["zero", "subtract", "if", "alif"],
)
def test_persistent_state_makes_two_halves_one_whole(make):
    z, halves = drive(3), make(True)
    parts = [halves.forward(z[..., :5]), halves.forward(z[..., 5:])]
    whole = make(False).forward(z)
    assert whole.any()
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), whole)
    halves.reset_state()
    np.testing.assert_array_equal(halves.forward(z), whole)


@pytest.mark.parametrize("reset", cuba.RESETS)
def test_the_trace_shows_what_forward_does_and_changes_nothing(reset):
    z, neuron = drive(5), cuba.Neuron(1, 0.3, 0.1, reset=reset, persistent_state=True)
    trace = neuron.trace(z)
    np.testing.assert_array_equal(neuron.forward(z), trace.s)
    np.testing.assert_array_equal(trace.s, trace.v > UNIT)


@pytest.mark.parametrize("graded", [False, True])
def test_the_adaptive_neuron_grades_its_spikes_by_the_voltage(graded):
    neuron = alif.Neuron(1, 0.5, 0.5, 0.1, 0.1, 0.2, graded_spike=graded)
    trace = neuron.trace(drive(6))
    fired = trace.s > 0
    assert fired.any()
    np.testing.assert_array_equal(
        trace.s[fired], np.float32(trace.v[fired] / UNIT) if graded else 1
    )


def test_channels_draw_their_own_decays_within_the_range_and_from_the_blocks_generator():
    params = {
        "threshold": 1,
        "current_decay": 0.5,
        "voltage_decay": (0.1, 0.3),
        "shared_param": False,
    }
    one, same, other = (
        block.Dense(params, 5, 400, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    current, voltage = one.neuron.current_decay.data / UNIT, one.neuron.voltage_decay.data / UNIT
    assert current.shape == voltage.shape == (400,)
    assert 0.495 <= current.min() < 0.4955
    assert 0.5045 < current.max() <= 0.505
    assert 0.1 <= voltage.min() < 0.105
    assert 0.295 < voltage.max() <= 0.3
    np.testing.assert_array_equal(one.neuron.voltage_decay.data, same.neuron.voltage_decay.data)
    assert not np.array_equal(one.neuron.voltage_decay.data, other.neuron.voltage_decay.data)
    assert one.neuron.device_params["vDecay"].shape == (400,)


def test_each_channel_runs_with_its_own_decay():
    neuron = cuba.Neuron(1, 1, (0, 1), shared_param=False)
    neuron.build(3, np.random.default_rng(0))
    z = np.repeat(drive(8)[:, :1], 3, axis=1)
    for c, s in enumerate(np.moveaxis(neuron.forward(z), 1, 0)):
        alone = cuba.Neuron(1, 1, float(neuron.voltage_decay.data[c]) / UNIT)
        np.testing.assert_array_equal(s, alone.forward(z[:, c : c + 1])[:, 0])


@pytest.mark.parametrize("shared", [True, False])
def test_learned_decays_get_a_gradient_each_that_lowers_the_loss(shared):
    """The surrogate's own loss: the sum of voltages weighs like spikes whose slope is the
    surrogate.
    """
    params = {
        "threshold": 1,
        "current_decay": 0.5,
        "voltage_decay": 0.3,
        "shared_param": shared,
        "requires_grad": True,
    }
    b = block.Dense(params, 4, 3, weight_scale=4, rng=np.random.default_rng(0))
    x = (np.random.default_rng(1).random((8, 4, T)) < 0.5).astype(np.float32)
    s = b.forward(x, Mode.SNN)
    b.backward(np.ones_like(s))
    for p in (b.neuron.current_decay, b.neuron.voltage_decay):
        assert p.trainable
        assert p.grad.shape == p.data.shape == ((1,) if shared else (3,))
        assert (p.grad != 0).all()


def test_decays_before_their_channels_are_known_or_for_other_channels_are_refused():
    b = block.Input(
        {"threshold": 1, "current_decay": 1, "voltage_decay": 0.1, "shared_param": False},
        1,
        0,
        rng=np.random.default_rng(0),
    )
    with pytest.raises(OrderError, match="build"):
        b.forward(np.zeros((1, 3, 4), np.float32), Mode.SNN)
    b.build((3,))
    b.build((3,))
    with pytest.raises(RangeError, match="channels"):
        b.build((4,))
    assert b.forward(np.zeros((1, 3, 4), np.float32), Mode.SNN).shape == (1, 3, 4)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"voltage_decay": (0.1, 0.2)}, TypeMismatchError),
        ({"voltage_decay": (0.3, 0.2), "shared_param": False}, RangeError),
        ({"voltage_decay": (0.3, 1.2), "shared_param": False}, RangeError),
        ({"voltage_decay": (0.3,), "shared_param": False}, TypeMismatchError),
        ({"voltage_decay": 0.1, "reset": "soft"}, RangeError),
    ],
)
def test_bad_arguments_are_refused(given, error):
    with pytest.raises(error):
        cuba.Neuron(**{"threshold": 1, "current_decay": 1} | given)


def test_two_layers_never_share_a_dropout_mask():
    drop = Dropout(0.5, np.random.default_rng(0))
    one, other = (cuba.Neuron(1, 1, 0.1, dropout=drop) for _ in range(2))
    x = np.ones((2, 40, 3), np.float32)
    first = one.drop.forward(x, True)
    other.drop.forward(x, True)
    np.testing.assert_array_equal(one.drop.backward(x), first)


# Loihi's limits.


@given(seeds, st.sampled_from(cuba.RESETS))
def test_within_the_limits_nothing_changes(seed, reset):
    z = drive(seed)
    plain, limited = (
        cuba.Neuron(1, 0.3, 0.1, reset=reset, loihi_limits=limits).trace(z)
        for limits in (False, True)
    )
    for one, other in zip(plain, limited, strict=True):
        np.testing.assert_array_equal(one, other)


def test_beyond_the_limits_the_current_wraps_and_the_voltage_saturates():
    z = np.float32([[[2047, 1, 1, 0]]])
    u, v, _ = cuba.Neuron(1, 0, 0, reset="none", loihi_limits=True).trace(z)
    assert u.ravel().tolist() == [2047 * UNIT, 2**23, -(2**23) + UNIT, -(2**23) + UNIT]
    assert v.ravel().tolist() == [2047 * UNIT, 2**23 - 1, UNIT - 1, -(2**23) + 2 * UNIT - 1]


mantissas = st.one_of(st.sampled_from([0, UNIT]), st.integers(0, UNIT))


@given(
    seeds, mantissas, mantissas, st.integers(1, 30), st.floats(0.1, 4), st.sampled_from(cuba.RESETS)
)
def test_no_input_leads_further_than_the_proof_allows(seed, i_decay, v_decay, steps, scale, reset):
    rng = np.random.default_rng(seed)
    weight = (np.rint(rng.normal(0, scale, (3, 20)) * 32) / 32).astype(np.float32)
    bound = reach(weight, i_decay, v_decay, steps)
    neuron = cuba.Neuron(1, i_decay / UNIT, v_decay / UNIT, reset=reset)
    u, v, _ = neuron.trace(weight @ (rng.random((4, 20, steps)) < 0.5).astype(np.float32))
    for low, x, high in ((bound.u_low, u, bound.u_high), (bound.v_low, v, bound.v_high)):
        assert (low[:, None] <= x).all()
        assert (x <= high[:, None]).all()


@given(seeds, mantissas, mantissas, st.integers(1, 30))
def test_the_bounds_are_reached_by_the_worst_input(seed, i_decay, v_decay, steps):
    weight = (np.rint(np.random.default_rng(seed).normal(0, 2, (3, 20)) * 32) / 32).astype(
        np.float32
    )
    bound = reach(weight, i_decay, v_decay, steps)
    neuron = cuba.Neuron(1, i_decay / UNIT, v_decay / UNIT, reset="none")
    for o in range(3):
        worst = np.repeat((weight[o] > 0).astype(np.float32)[None, :, None], steps, axis=-1)
        u, v, _ = neuron.trace(weight[o : o + 1] @ worst)
        assert (u.max(initial=0), v.max(initial=0)) == (bound.u_high[o], bound.v_high[o])
        u, v, _ = neuron.trace(weight[o : o + 1] @ (1 - worst))
        assert (u.min(initial=0), v.min(initial=0)) == (bound.u_low[o], bound.v_low[o])


def test_the_proof_tells_safe_layers_from_those_that_can_overflow():
    weight = np.full((2, 512), 3.96875, np.float32) * np.float32([[1], [0.01]])
    assert reach(weight, UNIT, 123, 16).overflows.tolist() == [True, False]
    assert reach(weight, UNIT, 123, 1).overflows.tolist() == [False, False]
    assert reach(-weight, UNIT, 123, 16).overflows.tolist() == [True, False]
    assert reach(weight, 0, 4096, 4000).overflows.all()
