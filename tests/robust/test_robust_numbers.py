"""Numbers that go wrong are told, with layer, epoch and step, when it happens; never a silent NaN,
never an overflow.
"""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot import ops
from refboot.errors import RangeError, TroubleError
from refboot.neuron import cuba
from refboot.routine import LayerMode, Mode
from refboot.settings import DIGITS, Settings
from refboot.training import Run
from refboot.training.guard import GRADIENT_LIMIT, Guard

TINY = Settings(
    **{
        **DIGITS,
        "hidden": (16, 16),
        "epochs": 2,
        "num_sample_iter": 2,
        "sample_period": 1,
        "batch_size": 300,
        "augment": False,
    }
)


def silent(line):
    pass


def spoiling(run, epoch, iteration, spoil):
    """A track that spoils something after a step."""

    def track(at, step, total, mode):
        if (at, step) == (epoch, iteration):
            spoil(run)

    return track


def nan_weight(run):
    run.network.named_parameters()["blocks.1.synapse.weight_v"].data[3, 5] = np.nan


def infinite_weight(run):
    run.network.named_parameters()["blocks.2.synapse.weight_g"].data[0] = np.inf


def huge_weight(run):
    run.network.named_parameters()["blocks.2.synapse.weight_g"].data[0] = 2e3


def huge_gradients(run):
    backward = run.network.blocks[2].backward
    run.network.blocks[2].backward = lambda grad: backward(grad) * np.float32(1e30)


def nan_gradients(run):
    backward = run.network.blocks[2].backward
    run.network.blocks[2].backward = lambda grad: backward(grad) * np.float32(np.nan)


@pytest.mark.parametrize("spoil", [nan_weight, infinite_weight, huge_gradients, nan_gradients])
@pytest.mark.parametrize("iteration", [0, 1, 2], ids=["before SAMPLE", "before FIT", "before ANN"])
def test_broken_numbers_stop_the_training_at_the_next_step_and_leave_the_last_good_state(
    spoil, iteration, tmp_path
):
    run = Run(TINY, tmp_path)
    with pytest.raises(TroubleError, match=rf"in epoch 1, step {iteration + 1} ") as caught:
        run.run(silent, spoiling(run, 1, iteration, spoil))
    assert "block" in str(caught.value)
    found = Run(TINY, tmp_path, resume=True)
    assert found.epoch == 1
    assert all(np.isfinite(array).all() for array in found.network.state().values())
    found.run(silent)


def test_exploding_weights_are_told_by_name_at_the_end_of_the_epoch(tmp_path):
    run = Run(TINY, tmp_path)
    with pytest.raises(
        TroubleError,
        match=r"blocks\.2\.synapse\.weight_g in epoch 1, step \d+ is exploding \(as large as [12]",
    ):
        run.run(silent, spoiling(run, 1, 2, huge_weight))


@pytest.mark.parametrize("lr", [1e5, 1e10, 1e30])
def test_a_step_size_that_is_far_too_large_is_told(lr, tmp_path):
    with pytest.raises(TroubleError, match=r"in epoch 0, step \d+ "):
        Run(dataclasses.replace(TINY, lr=lr), tmp_path).run(silent)


@pytest.mark.parametrize("spoil", [huge_gradients, nan_gradients])
def test_with_warn_a_bad_step_leaves_the_weights_and_is_told_and_logged(spoil, tmp_path):
    run, lines, seen = Run(dataclasses.replace(TINY, epochs=1), tmp_path, on_trouble="warn"), [], []
    spoil(run)

    def track(epoch, step, total, mode):
        seen.append({name: p.data.copy() for name, p in run.network.named_parameters().items()})

    run.run(lines.append, track)
    for name, array in seen[0].items():
        np.testing.assert_array_equal(array, seen[-1][name])
    told = [
        line
        for line in lines
        if line.startswith("Trouble: the gradient of blocks.1 in epoch 0, step 0 is ")
    ]
    assert len(told) == 1
    (line,) = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert f"Trouble: {line['trouble'][0]}" in lines


# A threshold no input reaches silences every layer; one below any input, without decay or with huge
# inputs, saturates the first.
WEAK = {
    "silent": {"threshold": 1000.0},
    "saturated": {"threshold": 0.05, "input_bias": 3.0, "input_weight": 0.1},
}


@pytest.mark.parametrize("kind", WEAK)
def test_a_layer_that_cannot_learn_is_told_and_stops_a_strict_training(kind, tmp_path):
    settings, lines = dataclasses.replace(TINY, **WEAK[kind], epochs=1), []
    Run(settings, tmp_path / "run").run(lines.append)
    assert any(
        line.startswith(f"Trouble: blocks.0 in epoch 0, step 2 is {kind}: ") for line in lines
    )
    with pytest.raises(TroubleError, match=rf"blocks\.0 in epoch 0, step 2 is {kind}"):
        Run(settings, tmp_path / "strict", on_trouble="strict").run(silent)


def test_a_fit_on_too_few_points_is_told(tmp_path):
    settings, lines = dataclasses.replace(TINY, num_sample_iter=0, epochs=1), []
    Run(settings, tmp_path / "run").run(lines.append)
    assert any(
        "blocks.1 in epoch 0, step 0 is fitted to points in fewer than two bands" in line
        for line in lines
    )
    with pytest.raises(TroubleError, match="fewer than two bands"):
        Run(settings, tmp_path / "strict", on_trouble="strict").run(silent)


def test_a_healthy_training_is_not_accused(tmp_path):
    lines = []
    Run(dataclasses.replace(Settings(**DIGITS), epochs=1), tmp_path, on_trouble="strict").run(
        lines.append
    )
    assert not any("Trouble" in line for line in lines)


def test_the_loss_is_watched_too():
    for loss in (np.nan, np.inf):
        with pytest.raises(TroubleError, match="the loss in epoch 0, step 0"):
            Guard().passes(loss, {})


def test_the_limit_of_gradients_is_far_from_honest_ones(tmp_path):
    run = Run(dataclasses.replace(TINY, epochs=1), tmp_path)
    largest = [0.0]

    def track(*given):
        largest[0] = max(largest[0], *run.network.grad_norms().values())

    run.run(silent, track)
    assert 0 < largest[0] < GRADIENT_LIMIT / 1e3


@pytest.mark.parametrize("mode", [Mode.SNN, Mode.SAMPLE, Mode.ANN])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_input_never_comes_through(mode, bad, tmp_path):
    run = Run(dataclasses.replace(TINY, epochs=1), tmp_path)
    run.run(silent)
    x = np.zeros((2, 64), np.float32)
    x[1, 7] = bad
    with pytest.raises(RangeError, match=r"x is -?(nan|inf) at \(1, 7\)"):
        run.network.forward(x, LayerMode(0, mode))


def exact(z, i_decay, v_decay, threshold):
    """The neuron of one input sequence in Python's integers, which have no limit."""
    u = v = 0
    voltages = []
    for drive in z:
        u = toward_zero(u * (4096 - i_decay)) + drive
        v = toward_zero(v * (4096 - v_decay)) + u
        voltages.append(v)
        v = 0 if v > threshold else v
    return voltages


def toward_zero(product):
    return (abs(product) >> 12) * (1 if product >= 0 else -1)


@given(
    st.integers(1, 64),
    st.sampled_from([0, 0.25, 1]),
    st.sampled_from([0, 0.03, 1]),
    st.integers(-12, 1),
    st.sampled_from([1, -1]),
)
def test_integers_do_not_overflow_up_to_the_limit_and_inputs_beyond_it_are_refused(
    steps, i_decay, v_decay, below, sign
):
    """At the limit 2^39 / T^2, the largest state, without decay, is below 2^51, and 4096 times that
    below 2^63.
    """
    neuron = cuba.Neuron(1.25, i_decay, v_decay)
    size = np.nextafter(np.float32(2.0**39 / steps**2), np.float32(0)) * np.float32(2.0**below)
    z = np.full((1, 1, steps), sign * size, np.float32)
    for name in ("reference", "numba"):
        with ops.use(name):
            if below > 0:
                with pytest.raises(RangeError, match="64-bit state"):
                    neuron.forward(z)
                continue
            voltages = exact(
                [int(4096 * float(x)) for x in z[0, 0]],
                round(4096 * i_decay),
                round(np.float32(4096 * v_decay)),
                5120,
            )
            trace = neuron.trace(z)
            assert trace.v[0, 0].tolist() == voltages
            np.testing.assert_array_equal(neuron.forward(z)[0, 0], np.array(voltages) > 5120)
