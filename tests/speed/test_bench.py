"""The benchmark takes turns, sums up, and its tutorial's step is the training's step."""

import json
import time

import numpy as np
import pytest

from refboot import bench, cli, kernels
from refboot import threads as workers
from refboot.bench import growth, limits, measure, neurons, start
from refboot.bench.machine import machine, roofline
from refboot.bench.tutorial import Tutorial, images
from refboot.cli import bench as command
from refboot.errors import FormatError
from refboot.routine import Mode
from refboot.settings import Settings

SMALL = Settings(hidden=(24, 16), time_steps=4, seed=1)


def test_sides_take_turns_and_the_first_rounds_are_not_counted():
    calls = []
    times = measure.in_turn(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")},
        rounds=3,
        seconds=60,
        warm=1,
    )
    assert calls == ["a", "b"] * 4
    assert {name: len(t) for name, t in times.items()} == {"a": 3, "b": 3}


def test_time_over_still_gives_three_rounds():
    assert len(measure.in_turn({"a": lambda: None}, rounds=100, seconds=0)["a"]) == 3


def test_ratio_is_the_median_over_the_rounds():
    clocks = {"ours": [1.0, 2.0, 4.0], "theirs": [3.0, 8.0, 8.0]}
    times = {name: [measure.Time(c, c / 2) for c in clock] for name, clock in clocks.items()}
    found = measure.summaries(times, items=2)
    assert found["theirs"]["ratio"] == found["theirs"]["processor_ratio"] == 3
    assert (
        found["ours"]["median_ms"],
        found["ours"]["least_ms"],
        found["ours"]["processor_ms"],
    ) == (1000, 500, 500)
    assert "ratio" not in found["ours"]


def test_parts_of_a_step_are_the_step():
    whole, parts = (Tutorial(SMALL, images("nowhere")) for _ in range(2))
    whole.step(Mode.SNN)
    for part in parts.parts(Mode.SNN).values():
        part()
    for ours, theirs in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_digits_stand_in_for_mnist_at_its_size():
    dataset = images("nowhere")
    assert dataset.images.shape[1:] == (1, 28, 28)
    assert dataset.images[:, :, :2].max() == 0 < dataset.images.max()


def test_neurons_without_other_frameworks_are_ours_alone():
    actions = neurons.actions(3, np.random.default_rng(0), ("no such framework",))
    assert list(actions) == ["refboot"]
    assert actions["refboot"]().shape == (neurons.SAMPLES, neurons.NEURONS, 3)


def test_machine_and_its_limits_are_plain_numbers():
    found = {"machine": machine(), "roofline": roofline(np.random.default_rng(0), 1)}
    assert json.loads(json.dumps(found)) == found
    assert all(value > 0 for value in found["roofline"].values())


def test_limits_are_of_kernels_alone_and_of_one_thread():
    def action():
        kernels.quantize_8bit(np.zeros(1 << 20, np.float32))
        time.sleep(0.05)

    with workers.use(2):
        found = limits.limit(lambda: action, 3, {"other": 100.0})
    assert 0 < found["kernels on one thread, ms"] < 40
    assert found["shared without loss, ms"] == found["kernels on one thread, ms"] / 2
    assert found["other, times as long"] == 100 / found["shared without loss, ms"]


def test_peak_memory_is_of_this_process():
    peak = start.peak_mb()
    assert peak is None or 10 < peak < 1e5


@pytest.mark.parametrize("axis", growth.AXES)
def test_growth_can_be_measured_on_each_axis(axis):
    small = {"steps": 2, "batch": 2, "width": 8, "depth": 1, "rate": 0.5}
    growth.dense_step(np.random.default_rng(0), **(small | {axis: min(growth.AXES[axis])}))()


def test_results_are_told_flat_and_compared_by_name(tmp_path):
    results = {
        "task": {"refboot": measure.summary([measure.Time(1.0, 0.5)] * 3), "batch": {"refboot": 32}}
    }
    assert list(command.flat(results)) == ["task / refboot", "task / batch / refboot"]
    assert "1000.000 ms" in command.shown(results["task"]["refboot"])
    broken = tmp_path / "before.json"
    broken.write_text("{")
    with pytest.raises(FormatError, match="not JSON"):
        command.read(str(broken))


def test_command_is_there_and_refuses_an_unknown_opponent(capsys):
    with pytest.raises(SystemExit):
        cli.parser().parse_args(["bench", "--against", "nobody"])
    assert "nobody" in capsys.readouterr().err
    assert cli.parser().parse_args(["bench", "--rounds", "3"]).rounds == 3
    assert callable(bench.run)
