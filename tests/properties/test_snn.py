"""What may be done to a spiking network without changing its answer, and what may not bring a spike
forward.
"""

import hashlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import SAMPLE, SNN, TUTORIAL, build, images_ni, movies_nit
from strategies import (
    any_reals,
    decays_c,
    own_layouts,
    positive,
    reals_of,
    seeds,
    shapes_nct,
    spikes_nct,
    states_of,
    thresholds,
    weights_oi,
)

import refboot
from refboot import block, ops, reference
from refboot.network import Network
from refboot.neuron.cuba import Neuron
from refboot.reference import numbers
from refboot.reference.modes import delay_forward
from refboot.routine import Mode

SOURCES = str(Path(refboot.__file__).parents[1])
EXACT_FAN_IN = 131_072
SETS = [
    "reference",
    pytest.param(
        "numba", marks=pytest.mark.skipif(not find_spec("numba"), reason="Numba is not installed")
    ),
]
neurons = st.fixed_dictionaries(
    {
        "threshold": st.floats(0.25, 4),
        "current_decay": st.floats(0, 1),
        "voltage_decay": st.floats(0, 1),
    }
)


@given(seeds, neurons, st.integers(2, 6), st.booleans(), st.data())
def test_order_of_the_batch_changes_nothing(seed, neuron, n, delay_shift, data):
    network, x = build(seed, neuron=neuron, delay_shift=delay_shift), images_ni(seed, n, 6)
    order = data.draw(st.permutations(range(n)))
    np.testing.assert_array_equal(network(x[order], SNN), network(x, SNN)[order])


@given(seeds, neurons, st.integers(2, 6), st.booleans(), st.data())
def test_splitting_the_batch_changes_nothing(seed, neuron, n, delay_shift, data):
    network, x = build(seed, neuron=neuron, delay_shift=delay_shift), images_ni(seed, n, 6)
    cut = data.draw(st.integers(1, n - 1))
    np.testing.assert_array_equal(
        np.concatenate([network(x[:cut], SNN), network(x[cut:], SNN)]), network(x, SNN)
    )


def large_answer():
    """The digest of a network's output that is large enough for a matrix product to be shared out
    among threads.
    """
    network, x = build(5, (784, 512, 512, 10), time_steps=4), images_ni(5, 32, 784)
    output = network(x, SNN)
    assert np.unique(output).size > 10, "a silent network shows nothing"
    return hashlib.sha256(output.tobytes()).hexdigest()


def test_number_of_threads_changes_nothing():
    def answer(threads):
        names = (
            "OPENBLAS_NUM_THREADS",
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
            "NUMBA_NUM_THREADS",
            "VECLIB_MAXIMUM_THREADS",
        )
        path = os.pathsep.join([SOURCES, str(Path(__file__).parent)])
        env = {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": path}
        code = "import test_snn; print(test_snn.large_answer())"
        return subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert answer(1) == answer(2) == large_answer()


@pytest.mark.parametrize("choice", SETS)
def test_number_of_numba_threads_changes_nothing(choice):
    numba = pytest.importorskip("numba")
    most = numba.get_num_threads()
    with ops.use(choice):
        expected = large_answer()
        try:
            numba.set_num_threads(1)
            assert large_answer() == expected
        finally:
            numba.set_num_threads(most)


@given(seeds, neurons, st.integers(2, 8), st.booleans(), st.data())
def test_input_at_a_step_changes_no_output_before_it(seed, neuron, t, delay_shift, data):
    network, x = build(seed, neuron=neuron, delay_shift=delay_shift), movies_nit(seed, 2, 6, t)
    step = data.draw(st.integers(0, t - 1))
    changed = x.copy()
    changed[..., step:] = movies_nit(seed + 1, 2, 6, t - step)
    np.testing.assert_array_equal(network(changed, SNN)[..., :step], network(x, SNN)[..., :step])


def first_spike(spikes):
    """The step of the first spike (N, C, ...), T where there is none."""
    return np.where(spikes.any(axis=-1), spikes.argmax(axis=-1), spikes.shape[-1])


@given(st.data())
def test_raising_the_threshold_never_brings_the_first_spike_forward(data):
    shape = data.draw(shapes_nct())
    z, decays = (
        data.draw(reals_of(shape)),
        (data.draw(decays_c(shape[1])), data.draw(decays_c(shape[1]))),
    )
    state = data.draw(states_of(shape[:-1], 20000)), data.draw(states_of(shape[:-1], 20000))
    low, high = sorted([data.draw(st.one_of(thresholds, st.integers(1, 40000))) for _ in range(2)])
    early, late = (
        ops.active().cuba_forward(z, *decays, threshold, *state)[0] for threshold in (low, high)
    )
    assert (first_spike(late) >= first_spike(early)).all()


def run_blocks(network, x):
    """The blocks in SNN mode on the steps of x; the network itself takes a single step for a still
    input and holds it.
    """
    for b in network.blocks:
        x = b(x, Mode.SNN)
    return x


@pytest.mark.parametrize("shape", [(1, 2, 1), (2, 1, 2, 1, 1)], ids=str)
@pytest.mark.parametrize("threshold", [1, 80, 64 * 64, 1024 * 64])
@pytest.mark.parametrize("choice", SETS)
def test_a_voltage_at_the_threshold_does_not_fire_and_one_unit_more_does(choice, threshold, shape):
    state, all_at_once = np.zeros(shape[:-1], np.int64), np.array([4096])
    with ops.use(choice) as o:
        for unit, fires in ((-1, 0), (0, 0), (1, 1)):
            z = np.full(shape, threshold / 64 + unit / 4096, np.float32)
            spikes, voltage, _, v = o.cuba_forward(
                z, all_at_once, np.array([123]), 64 * threshold, state, state
            )
            assert (voltage == z).all()
            assert (spikes == fires).all()
            assert (v == (0 if fires else 64 * threshold + unit)).all()


@given(seeds, neurons, st.integers(2, 9), st.data())
def test_running_all_steps_at_once_equals_running_them_one_by_one(seed, neuron, t, data):
    keep = {**neuron, "persistent_state": True}
    whole, parts = build(seed, neuron=keep), build(seed, neuron=keep)
    x = movies_nit(seed, 2, 6, t)
    cuts = (
        sorted(data.draw(st.sets(st.integers(1, t - 1))))
        if data.draw(st.booleans())
        else list(range(1, t))
    )
    pieces = [run_blocks(parts, piece) for piece in np.split(x, cuts, axis=-1)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=-1), run_blocks(whole, x))


@given(seeds, neurons)
def test_state_that_does_not_persist_or_was_reset_leaves_no_trace(seed, neuron):
    x, other = movies_nit(seed, 2, 6, 5), movies_nit(seed + 1, 2, 6, 5)
    plain, keep = (
        block.cuba.Input({**neuron, "persistent_state": p}, 1, 0, rng=np.random.default_rng(seed))
        for p in (False, True)
    )
    expected = plain(x, Mode.SNN)
    for b in (plain, keep):
        b(other, Mode.SNN)
    keep.neuron.reset_state()
    for b in (plain, keep):
        np.testing.assert_array_equal(b(x, Mode.SNN), expected)


@given(seeds, neurons, st.integers(1, 6))
def test_delay_shift_is_a_shift_by_one_step(seed, neuron, t):
    x = movies_nit(seed, 2, 6, t)
    now, delayed = (
        block.cuba.Dense(neuron, 6, 3, delay_shift=shift, rng=np.random.default_rng(seed))(
            x, Mode.SNN
        )
        for shift in (False, True)
    )
    np.testing.assert_array_equal(delayed, delay_forward(now))
    np.testing.assert_array_equal(delayed[..., 1:], now[..., :-1])
    assert not delayed[..., 0].any()


@pytest.mark.parametrize("choice", SETS)
@given(st.data())
def test_sums_of_spikes_are_exact_in_any_order_and_layout(choice, data):
    n, i, o, t = (data.draw(st.integers(1, 12)) for _ in range(4))
    x, w = data.draw(spikes_nct((n, i, t))), data.draw(weights_oi(o, i))
    exact = np.einsum("oi,nit->not", (w * 32).astype(np.int64), x.astype(np.int64)) / 32
    order, layout = data.draw(st.permutations(range(i))), data.draw(own_layouts)
    with ops.use(choice) as o:
        np.testing.assert_array_equal(o.dense_forward(x, w), exact)
        np.testing.assert_array_equal(
            o.dense_forward(layout(x[:, order]), layout(w[:, order])), exact
        )


@pytest.mark.parametrize("t", [1, 3])
@pytest.mark.parametrize("choice", SETS)
def test_sums_are_exact_up_to_the_fan_in_that_the_grid_allows(choice, t):
    rng = np.random.default_rng(1)
    fan_in = EXACT_FAN_IN - 1
    w = numbers.quantize_8bit(rng.uniform(-4, 4, (2, fan_in)).astype(np.float32))
    w[1] = numbers.WEIGHT_LOW  # the worst case: the largest partial sums there are
    x = np.ones((1, fan_in, t), np.float32)
    x[0, :, 1:] = rng.random((fan_in, t - 1)) < 0.9
    exact = np.einsum("oi,nit->not", (w * 32).astype(np.int64), x.astype(np.int64)) / 32
    order = rng.permutation(fan_in)
    with ops.use(choice) as o:
        np.testing.assert_array_equal(o.dense_forward(x, w), exact)
        np.testing.assert_array_equal(o.dense_forward(x[:, order], w[:, order]), exact)


def test_that_fan_in_is_the_largest_at_which_no_partial_sum_can_be_lost():
    units = int(np.abs([numbers.WEIGHT_LOW, numbers.WEIGHT_HIGH]).max() / numbers.WEIGHT_STEP)
    exact_integers = 2**24  # float32 holds every integer up to here, and not the next
    assert int(np.float32(exact_integers + 1)) != exact_integers + 1
    assert units * EXACT_FAN_IN == exact_integers
    for total in (units * (EXACT_FAN_IN - 1), units * (EXACT_FAN_IN - 1) - 1):
        assert int(np.float32(total)) == total
    assert (
        int(np.float32(units * EXACT_FAN_IN) + np.float32(1)) == units * EXACT_FAN_IN
    )  # one more synapse of 1/32 is lost


@given(st.data())
def test_export_grid_is_idempotent(data):
    x = data.draw(reals_of(data.draw(shapes_nct()), any_reals))
    once = reference.quantize_8bit(x)
    np.testing.assert_array_equal(reference.quantize_8bit(once), once)
    mantissas = once * 64
    assert ((mantissas % 2 == 0) & (mantissas >= -256) & (mantissas <= 254)).all()


@given(st.data())
def test_quantisation_moves_a_weight_within_range_by_half_a_step_at_most_and_keeps_order(data):
    x = np.sort(data.draw(reals_of(20, any_reals)))
    once = reference.quantize_8bit(x)
    inside = (x >= -4) & (x <= 254 / 64)
    assert (np.abs(once - x.astype(np.float64))[inside] <= 1 / 64).all()
    assert (np.diff(once) >= 0).all()


@given(positive, st.floats(0, 1), st.floats(0, 1))
def test_a_neuron_built_from_its_own_grid_values_is_the_same(
    threshold, current_decay, voltage_decay
):
    first = Neuron(max(threshold, 1 / 64), current_decay, voltage_decay)
    decays = (int(d[0]) / 4096 for d in (first.cx_current_decay, first.cx_voltage_decay))
    assert Neuron(first.threshold, *decays).device_params == first.device_params


@given(seeds, st.integers(1, 8))
def test_a_still_input_is_a_moving_one_that_does_not_move(seed, t):
    network, x = build(seed, time_steps=t), images_ni(seed, 3, 6)
    np.testing.assert_array_equal(
        network(np.repeat(x[..., None], t, axis=-1), SNN), network(x, SNN)
    )


@given(seeds)
def test_sample_mode_answers_as_snn_mode(seed):
    network, x = build(seed), images_ni(seed, 3, 6)
    spiking = network(x, SNN)
    np.testing.assert_array_equal(network(x, SAMPLE), spiking)


def test_the_networks_of_this_file_spike():
    network, x = Network(build(1, neuron=TUTORIAL).blocks[:3], (6,), 16), images_ni(1, 8, 6)
    assert 0.02 < network(x, SNN).mean() < 0.98
