"""A run learns, saves what it says, and is the same twice."""

import json

import numpy as np
import pytest

from refboot.errors import FormatError, OrderError, RangeError, RefbootError, TypeMismatchError
from refboot.io import state
from refboot.routine import LayerMode, Mode
from refboot.settings import DIGITS, Settings
from refboot.stats import LearningStat
from refboot.training import Run, build, evaluate, evaluation_loader

SHORT = Settings(
    **{**DIGITS, "epochs": 6, "hidden": (64,), "sample_period": 5, "num_sample_iter": 4}
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = Run(SHORT, tmp_path_factory.mktemp("run"))
    lines = []
    return run, run.run(lines.append), lines


def test_a_short_run_learns_far_beyond_chance_in_both_modes(finished):
    _, found, _ = finished
    assert found["SNN"] > 0.75
    assert found["ANN"] > 0.75


def test_a_run_prints_the_tutorials_lines(finished):
    _, _, lines = finished
    spiking = [line for line in lines if line.startswith("Mode: SNN\n[Epoch ")]
    assert len(spiking) == 2  # epochs 0 and 5
    assert all("SNN Testing: loss = " in line and "accuracy = " in line for line in spiking)
    assert sum(line.startswith("[Epoch ") and "Train loss = " in line for line in lines) == 6


def test_a_run_folder_holds_settings_log_statistics_and_networks(finished):
    run, _, _ = finished
    assert Settings.from_dict(json.loads((run.folder / "settings.json").read_text())) == SHORT
    log = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == list(range(6))
    assert [line["test_mode"] for line in log] == ["SNN", "ANN", "ANN", "ANN", "ANN", "SNN"]
    assert all(set(line["grad_norms"]) == {"blocks.0", "blocks.1", "blocks.2"} for line in log)
    assert len((run.folder / "accuracy.txt").read_text().splitlines()) == 7


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(finished, tmp_path):
    run, found, lines = finished
    again, more = Run(SHORT, tmp_path / "again"), []
    assert again.run(more.append) == found
    assert more == lines
    for name, array in run.network.state().items():
        np.testing.assert_array_equal(array, again.network.state()[name])
    other = build(SHORT, np.random.default_rng(1)).state()
    assert any(
        (other[name] != array).any() for name, array in run.network.state().items() if name in other
    )


def test_a_saved_network_goes_on_in_ann_mode_at_once_with_the_same_rates(finished):
    run, _, _ = finished
    network = build(SHORT, np.random.default_rng(99))
    notes = state.load(network, run.folder / "best.h5")
    assert Settings.from_dict(notes["settings"]) == SHORT
    for mode in (Mode.ANN, Mode.SNN):
        rates = [
            evaluate(n, evaluation_loader(SHORT), LayerMode(0, mode), LearningStat())
            for n in (network, run.network)
        ]
        np.testing.assert_array_equal(*rates)


def test_ann_mode_needs_curves():
    network = build(SHORT, np.random.default_rng(0))
    with pytest.raises(OrderError, match="before any fit"):
        network.forward(np.zeros((1, 64), np.float32), LayerMode(0, Mode.ANN))


@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"time_steps": 0}, RangeError, "time_steps"),
        ({"epochs": 0}, RangeError, "epochs"),
        ({"batch_size": 2.5}, TypeMismatchError, "batch_size"),
        ({"data": "cifar"}, RangeError, "cifar"),
        ({"threshold": 0.0}, RangeError, "threshold"),
        ({"threshold": 0.01}, RangeError, "threshold"),
        ({"voltage_decay": 1.5}, RangeError, "voltage_decay"),
        ({"lr": -1.0}, RangeError, "lr"),
        ({"hidden": (0,)}, RangeError, "hidden"),
        ({"dropout": 1.0}, RangeError, "dropout"),
        ({"seed": -1}, RangeError, "seed"),
    ],
)
def test_bad_settings_are_refused_by_name_before_any_file_is_written(change, error, name, tmp_path):
    with pytest.raises(error, match=name):
        Run(Settings(**{**DIGITS, **change}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unknown_settings_are_named():
    with pytest.raises(FormatError, match="momentum"):
        Settings.from_dict({"momentum": 1})


def _damaged(folder, spoil):
    network = build(SHORT, np.random.default_rng(0))
    path = folder / "net.h5"
    state.save(network, path)
    path.write_bytes(spoil(path.read_bytes()))
    return path


@pytest.mark.parametrize(
    "spoil",
    [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"PK\3\4" + b[4:], lambda b: b[:100]],
)
def test_a_truncated_or_foreign_state_file_is_refused_and_changes_nothing(spoil, tmp_path):
    path = _damaged(tmp_path, spoil)
    network = build(SHORT, np.random.default_rng(5))
    before = network.state()
    with pytest.raises(RefbootError, match=r"net\.h5"):
        state.load(network, path)
    for name, array in network.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_state_of_another_network_is_refused_whole(tmp_path):
    small = build(SHORT, np.random.default_rng(0))
    state.save(small, tmp_path / "small.h5")
    large = build(Settings(**DIGITS), np.random.default_rng(0))
    before = large.state()
    with pytest.raises(FormatError, match=r"blocks\.\d"):
        state.load(large, tmp_path / "small.h5")
    for name, array in large.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    network = build(SHORT, np.random.default_rng(0))
    path = tmp_path / "net.h5"
    state.save(network, path)
    before = path.read_bytes()
    monkeypatch.setattr(network, "state", lambda: {"a": np.zeros(3), "b": object()})
    with pytest.raises(TypeError):
        state.save(network, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.h5"]
