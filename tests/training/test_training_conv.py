"""A convolutional network is bootstrapped on the digits, by the command's own settings; and every
kind of neuron trains.
"""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refboot.block import cuba
from refboot.cli import main
from refboot.errors import RangeError, ShapeError
from refboot.io import state
from refboot.reference.fit import Curve
from refboot.routine import LayerMode, Mode
from refboot.settings import NEURONS, NORMS, Settings, preset
from refboot.training import Run, build

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CONV = Settings(**preset("digits", "conv") | {"epochs": 11, "num_sample_iter": 5})
# In every layer, on the mean over neurons and images: 1.6 counts of 16, as in
# tests/properties/test_ann_meets_snn.py.
RATES = 0.1


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = Run(CONV, tmp_path_factory.mktemp("run"))
    return run, run.run(lambda line: None)


def test_it_is_built_of_convolution_and_pooling(finished):
    run, _ = finished
    kinds = [
        cuba.Input,
        cuba.Conv,
        cuba.Pool,
        cuba.Conv,
        cuba.Pool,
        cuba.Flatten,
        cuba.Dense,
        cuba.Affine,
    ]
    assert [type(block) for block in run.network.blocks] == kinds
    assert run.network.shapes == [
        (1, 8, 8),
        (8, 8, 8),
        (8, 4, 4),
        (16, 4, 4),
        (16, 2, 2),
        (64,),
        (64,),
        (10,),
    ]


def test_it_learns_the_digits_and_is_as_right_in_spikes(finished):
    _, found = finished
    assert found["SNN"] >= 0.9
    assert found["ANN"] >= 0.9
    assert abs(found["ANN"] - found["SNN"]) <= 0.03


def refitted(run, images):
    """The best network with curves fitted afresh to it."""
    state.load(run.network, run.folder / "best.h5")
    for block in run.network.blocks:
        if hasattr(block, "f"):
            block.f.clear()
            block.f.curve = None
    run.network.eval()
    for mode in (Mode.SAMPLE, Mode.FIT):
        run.network.forward(images, LayerMode(0, mode))
    return run.network


def distances(network, x):
    """The mean difference of the rates of ANN and SNN mode, in every layer that spikes."""
    ann, snn, found = (
        network.over_time(x, LayerMode(0, Mode.ANN)),
        network.over_time(x, LayerMode(0, Mode.SNN)),
        [],
    )
    for block in network.blocks[:-1]:
        ann, snn = block(ann, Mode.ANN), block(snn, Mode.SNN)
        found.append(float(np.abs(ann[..., 0] - snn.mean(axis=-1)).mean()))
    return found


def test_rates_of_both_modes_agree_in_every_layer(finished):
    run, _ = finished
    images = np.concatenate([x for x, _ in run.testing])
    network = refitted(run, images[:100])
    assert max(distances(network, images[100:])) <= RATES
    for block in (
        block for block in network.blocks if hasattr(block, "f") and block.f.curve is not None
    ):
        block.f.curve = Curve(block.f.curve.knots * np.array([1.5, 1]), block.f.curve.slopes / 1.5)
    assert max(distances(network, images[100:])) > RATES


def test_a_saved_network_loads_into_one_that_never_ran(finished):
    run, _ = finished
    network = build(CONV, np.random.default_rng(99))
    state.load(network, run.folder / "best.h5")
    again = build(CONV, np.random.default_rng(98))
    state.load(again, run.folder / "best.h5")
    x, _ = next(iter(run.testing))
    for mode in (Mode.ANN, Mode.SNN):
        np.testing.assert_array_equal(
            network.forward(x, LayerMode(0, mode)), again.forward(x, LayerMode(0, mode))
        )


def test_the_command_trains_one_and_evaluates_it(tmp_path, capsys):
    options = [
        "--network",
        "conv",
        "--epochs",
        "1",
        "--channels",
        "4",
        "--hidden",
        "16",
        "--num-sample-iter",
        "2",
    ]
    assert main(["train", "digits", *options, "--run", str(tmp_path / "run")]) == 0
    assert main(["evaluate", str(tmp_path / "run" / "best.h5")]) == 0
    assert "SNN Testing: loss" in capsys.readouterr().out


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("norm", NORMS)
def test_every_neuron_learns_with_every_norm(neuron, norm, tmp_path):
    small = preset("digits", "dense") | {
        "hidden": (64,),
        "epochs": 2,
        "num_sample_iter": 4,
        "sample_period": 1,
        "lr": 0.01,
    }
    found = Run(Settings(**small | {"neuron": neuron, "norm": norm, "dropout": 0.1}), tmp_path).run(
        lambda line: None
    )
    assert found["SNN"] > 0.5
    assert found["ANN"] > 0.5


@pytest.mark.parametrize(
    "change",
    [
        {"network": "rnn"},
        {"neuron": "hh"},
        {"norm": "batch"},
        {"reset": "soft"},
        {"channels": (0,)},
        {"kernel": 9},
    ],
)
def test_bad_settings_are_refused_before_any_training(change, tmp_path):
    with pytest.raises(ShapeError if "kernel" in change else RangeError, match=next(iter(change))):
        Run(dataclasses.replace(CONV, **change), tmp_path / "run")


def run_example(code, folder):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(EXAMPLES.parent), str(EXAMPLES)])
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=True,
    )
    return done.stdout


def test_the_example_is_the_commands_network_and_runs(tmp_path, shared):
    code = f"import conv_mnist; conv_mnist.main({str(shared / 'mnist')!r}, epochs=1, limit=13)"
    told = run_example(code, tmp_path)
    shapes = build(Settings(**preset("mnist", "conv")), np.random.default_rng(0)).shapes
    assert [line.split(" ", 1)[1].strip() for line in told.splitlines()[: len(shapes)]] == list(
        map(str, shapes)
    )
    assert "Mode: SNN" in told
    assert (tmp_path / "Trained" / "conv.h5").is_file()


def test_the_table_of_neurons_is_made(tmp_path):
    code = (
        "import neurons; neurons.KINDS = dict(list(neurons.KINDS.items())[-2:]); "
        "neurons.main('out', 1)"
    )
    pytest.importorskip("matplotlib")
    run_example(code, tmp_path)
    assert (tmp_path / "out" / "results.md").read_text().count("| adaptive threshold |") == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "results.md",
        "results.json",
        "curves.png",
    }


def test_the_step_size_is_halved_from_each_landmark_on(tmp_path):
    small = preset("digits", "dense") | {
        "hidden": (8,),
        "num_sample_iter": 1,
        "lr": 0.008,
        "lr_halvings": (1, 2, 2),
    }
    settings = Settings(**small | {"epochs": 3})
    assert [settings.lr_at(epoch) for epoch in range(4)] == [0.008, 0.004, 0.001, 0.001]
    run, used = Run(settings, tmp_path, on_trouble="warn"), []
    run.run(
        lambda line: None,
        lambda epoch, iteration, total, mode: used.append((epoch, run.optimizer.lr)),
    )
    assert sorted(set(used)) == [(0, 0.008), (1, 0.004), (2, 0.001)]
