"""Network -> file -> network is exact, in every mode, and the integers of the chip are those of SNN
mode.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from random_networks import Case, networks

from refboot.block import cuba
from refboot.errors import FormatError, OrderError
from refboot.exchange import ExchangeWarning, NetSpec
from refboot.io import netx
from refboot.network import Network
from refboot.routine import LayerMode, Mode

small = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nets")


def exported(network: Network, path: Path) -> NetSpec:
    """The file's content; a draw that the format refuses (zero weights) is drawn again."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExchangeWarning)
            network.export_hdf5(path, {"who": "test"})
    except FormatError:
        assume(False)
    return netx.read(path)


def assert_same(one: NetSpec, other: NetSpec) -> None:
    assert (one.input_shape, one.time_steps, one.notes) == (
        other.input_shape,
        other.time_steps,
        other.notes,
    )
    for left, right in zip(one.layers, other.layers, strict=True):
        for name in ("kind", "shape", "neuron", "geometry", "read_out", "delay_shift"):
            assert getattr(left, name) == getattr(right, name), name
        for name in ("weight", "bias"):
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
        for mine, yours in zip(left.curve or (), right.curve or (), strict=True):
            np.testing.assert_array_equal(mine, yours)


@small
@given(networks())
def test_what_is_read_is_what_was_written(folder: Path, case: Case) -> None:
    net = exported(case.network, folder / "a.net")
    assert_same(net, case.network.spec({"who": "test"}))


@small
@given(networks())
def test_the_loaded_network_answers_alike_in_every_mode(folder: Path, case: Case) -> None:
    exported(case.network, folder / "b.net")
    loaded = netx.load(folder / "b.net")
    for mode in (Mode.SNN, Mode.ANN):
        try:
            wanted = case.network.forward(case.x, LayerMode(0, mode))
        except OrderError:
            assert mode is Mode.ANN
            with pytest.raises(OrderError):
                loaded.forward(case.x, LayerMode(0, mode))
            continue
        np.testing.assert_array_equal(loaded.forward(case.x, LayerMode(0, mode)), wanted)


@small
@given(networks())
def test_a_second_trip_writes_the_same(folder: Path, case: Case) -> None:
    first = exported(case.network, folder / "c.net")
    assert_same(first, exported(netx.load(folder / "c.net"), folder / "d.net"))


@small
@given(networks())
def test_integers_are_those_of_snn_mode_in_every_layer_and_step(folder: Path, case: Case) -> None:
    net = exported(case.network, folder / "e.net")
    assume(not any(layer.delay_shift for layer in net.layers))
    chip = netx.simulate(net, case.x, delay=False)
    for number, (block, trace) in enumerate(zip(case.network.trace(case.x), chip, strict=True)):
        if block is None:
            continue
        if (
            net.layers[number].kind != "input"
        ):  # whose drive the chip takes as a bias, past the current
            np.testing.assert_array_equal(trace.u, block.u)
        np.testing.assert_array_equal(trace.v, block.v)
        np.testing.assert_array_equal(trace.s, block.s)


@small
@given(networks())
def test_each_layer_of_the_chip_is_a_step_later(folder: Path, case: Case) -> None:
    net = exported(case.network, folder / "f.net")
    assume(
        not any(layer.has_bias for layer in net.layers)
        and not any(layer.delay_shift for layer in net.layers)
    )
    steps, late = case.network.time_steps, 0
    chip = netx.simulate(net, case.x, steps + len(net.layers))
    for layer, trace, ours in zip(net.layers, chip, case.network.trace(case.x), strict=True):
        late += layer.kind not in ("input", "flatten")
        if ours is not None:
            np.testing.assert_array_equal(trace.s[..., late : late + steps], ours.s)


@small
@given(networks())
def test_the_chip_decides_as_snn_mode(folder: Path, case: Case) -> None:
    net = exported(case.network, folder / "g.net")
    assume(
        not any(layer.has_bias for layer in net.layers)
        and not any(layer.delay_shift for layer in net.layers)
    )
    sums = case.network.forward(case.x, LayerMode(0, Mode.SNN)).sum(axis=-1)
    np.testing.assert_array_equal(netx.decide(net, case.x), sums.argmax(axis=1))


def test_a_network_without_layers_that_files_know_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    neuron = {"threshold": 1, "current_decay": 1, "voltage_decay": 0}
    network = Network([cuba.Dense(neuron, 4, 4, rng=rng), cuba.Average(2)], (4,))
    with pytest.raises(FormatError, match="block 1 \\(Average\\)"):
        network.export_hdf5(tmp_path / "a.net")
    assert list(tmp_path.iterdir()) == []
