"""The chip's integers: limits, the injected input, decisions, and lava-dl's own file on MNIST."""

from pathlib import Path

import numpy as np
import pytest

from refboot.data import Compose, Normalize, ToTensor, load_mnist
from refboot.errors import RangeError, ShapeError
from refboot.exchange import LayerSpec, NetSpec, NeuronSpec
from refboot.io import netx
from refboot.io.netx.loihi import injected
from refboot.io.netx.summary import summarise
from refboot.routine import LayerMode, Mode

FULL = np.full((1, 4), 254, np.int64)


def one_layer(neuron: NeuronSpec, weight: np.ndarray, bias: np.ndarray | None = None) -> NetSpec:
    return NetSpec((LayerSpec("dense", (len(weight),), neuron, weight, bias),), (weight.shape[1],))


def test_a_current_that_never_leaks_wraps_at_24_bits() -> None:
    steps = 140  # 140 * 4 * 254 * 64 > 2^23
    trace = netx.simulate(
        one_layer(NeuronSpec(0, 4096, 131071), FULL), np.ones((1, 4, steps)), delay=False
    )[0]
    by_hand = [(64 * 4 * 254 * (t + 1) + 2**23 - 1) % 2**24 - 2**23 + 1 for t in range(steps)]
    assert trace.u[0, 0].tolist() == by_hand
    assert trace.u.min() < 0


def test_a_voltage_that_never_leaks_saturates_at_24_bits() -> None:
    net = one_layer(NeuronSpec(4096, 0, 131071), -FULL)
    trace = netx.simulate(net, np.ones((1, 4, 140)), delay=False)[0]
    assert trace.v.min() == 1 - 2**23
    assert summarise(net, 140)[0].overflows
    assert not summarise(net, 100)[0].overflows


def test_a_bias_goes_into_the_voltage_from_the_first_step_on() -> None:
    net = one_layer(NeuronSpec(4096, 0, 80), 2 * np.ones((1, 1), np.int64), np.array([30]))
    trace = netx.simulate(net, np.zeros((1, 1, 4)))[0]
    assert (trace.u[0, 0].tolist(), trace.v[0, 0].tolist()) == ([0] * 4, [1920, 3840, 5760, 1920])


@pytest.mark.parametrize(("weight", "bias"), [(76, 64), (-256, 254), (2, 0)])
def test_the_injected_input_is_that_of_bias_mantissa_and_exponent(weight: int, bias: int) -> None:
    x = np.linspace(-5, 5, 401, dtype=np.float32)
    k = np.clip(np.rint(32 * x), -128, 127).astype(np.int64)
    layer = LayerSpec("input", (401,), NeuronSpec(4096, 123, 80), np.array(weight), np.array(bias))
    np.testing.assert_array_equal(injected(layer, x), ((weight // 2) * k + 16 * bias) << 2)


def test_a_still_input_needs_a_number_of_steps_and_a_fitting_shape() -> None:
    net = one_layer(NeuronSpec(4096, 0, 80), FULL)
    with pytest.raises(RangeError, match="the file names none"):
        netx.simulate(net, np.zeros((1, 4)))
    with pytest.raises(ShapeError):
        netx.simulate(net, np.zeros((1, 3, 5)))


@pytest.fixture(scope="module")
def images(shared: Path) -> tuple[np.ndarray, np.ndarray]:
    mnist = load_mnist(shared / "mnist", train=False)
    return Compose([ToTensor(), Normalize(0.5, 0.5)])(mnist.images[:1000]), mnist.labels[:1000]


def test_lavas_file_decides_on_mnist_in_floats_and_in_integers_alike(
    shared: Path, images: tuple[np.ndarray, np.ndarray]
) -> None:
    pixels, labels = images
    net = netx.read(shared / "lava_mnist" / "network.net")
    floats = netx.build(net).forward(pixels, LayerMode(0, Mode.SNN)).mean(axis=-1).argmax(axis=1)
    np.testing.assert_array_equal(netx.decide(net, pixels), floats)
    assert (floats == labels).mean() >= 0.98


def test_lavas_file_written_anew_is_the_same_network(shared: Path, tmp_path: Path) -> None:
    net = netx.read(shared / "lava_mnist" / "network.net")
    netx.build(net).export_hdf5(tmp_path / "a.net")
    again = netx.read(tmp_path / "a.net")
    for left, right in zip(net.layers, again.layers, strict=True):
        np.testing.assert_array_equal(left.weight, right.weight)
    assert again.time_steps == 16
