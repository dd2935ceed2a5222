"""The benchmark takes turns, sums up, times any checkout, and its tasks run."""

import json
from functools import partial

import numpy as np
import pytest

from refboot import bench, cli
from refboot.bench import checkout, growth, measure, others, tasks
from refboot.bench.run import machine
from refboot.bench.tasks import Time
from refboot.cli import bench as command
from refboot.errors import FormatError
from refboot.routine import Mode
from refboot.settings import Settings

SMALL = Settings(hidden=(24, 16), time_steps=4, seed=1)


def rng():
    return np.random.default_rng(0)


def timer(name, calls):
    calls.append(name)
    return Time(0.001, 0.001)


def test_sides_take_turns_and_the_first_round_is_not_counted():
    calls = []
    sides = {name: partial(timer, name, calls) for name in "ab"}
    found = measure.compare(sides, rounds=3, seconds=60)
    assert calls == ["a", "b"] * 4
    assert {name: side["rounds"] for name, side in found.items()} == {"a": 3, "b": 3}


def test_time_over_still_gives_three_rounds():
    sides = {"a": partial(timer, "a", [])}
    assert measure.compare(sides, rounds=100, seconds=0)["a"]["rounds"] == 3


def test_ratio_is_the_median_over_the_rounds():
    clocks = {"ours": [1.0, 2.0, 4.0], "theirs": [3.0, 8.0, 8.0]}
    found = measure.summaries({name: [Time(c, c / 2) for c in own] for name, own in clocks.items()})
    assert found["theirs"]["ratio"] == found["theirs"]["processor_ratio"] == 3
    names = "median_ms", "least_ms", "processor_ms"
    assert [found["ours"][name] for name in names] == [2000, 1000, 1000]
    assert "ratio" not in found["ours"]


def test_the_tutorial_is_restored_before_each_step():
    tutorial = tasks.Tutorial(SMALL, "nowhere", steps=1)
    for mode in Mode:
        tutorial.prepared(mode)()
        changed = tutorial.network.state()
        tutorial.again()
        for name, array in tutorial.network.state().items():
            np.testing.assert_array_equal(array, tutorial.state[name])
        name = "blocks.1.synapse.weight_v"
        assert (changed[name] != tutorial.state[name]).any()
    assert set(tutorial.rates()) == {"blocks.0", "blocks.1", "blocks.2"}


def test_digits_stand_in_for_mnist_at_its_size():
    dataset = tasks.images(SMALL, "nowhere")
    assert dataset.images.shape[1:] == (1, 28, 28)
    assert dataset.images[:, :, :2].max() == 0 < dataset.images.max()


def test_small_tasks_run():
    known = tasks.tasks("nowhere")
    for task in ("dense step, moving input", "conv step", "LIF layer, T = 16"):
        assert tasks.settled(known[task](), once=True).clock > 0


def test_programs_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setitem(others.PACKAGES, "norse", "no_such.package")
    assert not others.installed("norse")


def test_the_machine_is_plain_values():
    assert json.loads(json.dumps(machine())) == machine()


def test_another_checkout_does_the_tasks_in_a_process_of_its_own():
    worker = checkout.Worker(checkout.OWN, 1, None)
    assert all(part > 0 for part in worker.time("LIF layer, T = 16"))
    with pytest.raises(FormatError, match="no such task"):
        worker.time("no such task")
    worker.close()


def test_a_folder_without_refboot_is_no_checkout(tmp_path):
    with pytest.raises(FormatError, match="without the folder refboot"):
        checkout.in_turn(str(tmp_path), 1, 1, None)


@pytest.mark.parametrize("axis", growth.AXES)
def test_growth_can_be_measured_on_each_axis(axis):
    small = {"steps": 2, "batch": 2, "width": 8, "depth": 1, "rate": 0.5}
    tasks.moving_step(rng(), **(small | {axis: min(growth.AXES[axis])}))()


def test_results_are_shown_flat():
    times = {"refboot": [Time(1.0, 0.5)] * 3, "other": [Time(2.0, 0.5)] * 3}
    results = {"task": measure.summaries(times), "machine": {"cores": 2}}
    flat = command.flat(results)
    assert list(flat) == ["task / refboot", "task / other", "machine / cores"]
    assert "1000.000 ms" in command.shown(flat["task / refboot"])
    assert "2.00 times as long" in command.shown(flat["task / other"])


def test_command_is_there_and_refuses_an_unknown_opponent(capsys, tmp_path):
    with pytest.raises(SystemExit):
        cli.parser().parse_args(["bench", "--against", "nobody"])
    assert "nobody is neither a folder nor one of" in capsys.readouterr().err
    chosen = cli.parser().parse_args(
        ["bench", "--rounds", "3", "--against", "norse", str(tmp_path)]
    )
    assert (chosen.rounds, chosen.against) == (3, ["norse", str(tmp_path)])
    assert set(command.OTHERS) == set(others.PACKAGES)
    assert callable(bench.run)
