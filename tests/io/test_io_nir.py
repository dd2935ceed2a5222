"""Networks go to NIR graphs and back unchanged, through nir's own files too, and mean the same
there.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from random_networks import Case, networks

from refboot.errors import FormatError
from refboot.exchange import Geometry, LayerSpec, NetSpec, NeuronSpec
from refboot.io import netx
from refboot.io.nir import from_nir, to_nir

nir = pytest.importorskip("nir", reason="the extra nir is not installed")

NEURON = NeuronSpec(4096, 1024, 80)
WEIGHT = np.array([[2, -4], [254, -256], [0, 6]])


def as_nir_knows_it(net: NetSpec) -> NetSpec:
    """`net` without what NIR cannot say."""
    layers = []
    for layer in net.layers:
        weight, geometry = in_one_group(layer)
        layers.append(
            LayerSpec(
                layer.kind, layer.shape, layer.neuron, weight, layer.bias, geometry, layer.read_out
            )
        )
    return NetSpec(tuple(layers), net.input_shape, net.time_steps)


def in_one_group(layer: LayerSpec) -> tuple[Any, Any]:
    """Weight and geometry of a layer, its groups made one: every channel hears all, most of them
    with weight 0.
    """
    if layer.geometry is None:
        return layer.weight, None
    outputs, inputs, *kernel = layer.weight.shape
    groups = layer.geometry.groups
    whole = np.zeros((outputs, inputs * groups, *kernel), np.int64)
    for output in range(outputs):
        first = output // (outputs // groups) * inputs
        whole[output, first : first + inputs] = layer.weight[output]
    return whole, layer.geometry._replace(groups=1)


def assert_same_layers(one: NetSpec, other: NetSpec) -> None:
    assert one.input_shape == other.input_shape
    for left, right in zip(one.layers, other.layers, strict=True):
        assert (left.kind, left.shape, left.geometry, left.read_out) == (
            right.kind,
            right.shape,
            right.geometry,
            right.read_out,
        )
        assert left.read_out or left.neuron == right.neuron
        for name in ("weight", "bias"):
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_a_network_comes_back_from_nirs_file(
    tmp_path_factory: pytest.TempPathFactory, case: Case
) -> None:
    net = as_nir_knows_it(case.network.spec())
    spiking = [
        layer.neuron for layer in net.layers if layer.neuron is not None and not layer.read_out
    ]
    assume(all(neuron.i_decay and neuron.v_decay for neuron in spiking))
    assume(
        all(
            len(set(layer.geometry.kernel)) == 1
            for layer in net.layers
            if layer.geometry is not None
        )
    )
    path = tmp_path_factory.getbasetemp() / "net.nir"
    nir.write(path, to_nir(net, 5e-4))
    assert_same_layers(from_nir(nir.read(path), 5e-4), net)


def euler(graph: Any, x: np.ndarray, dt: float) -> np.ndarray:
    """Spikes (neurons, T) of a graph input -> weights -> CubaLIF -> output for x (inputs, T): NIR's
    equations in steps of dt.
    """
    weights, neuron = graph.nodes["0_dense"], graph.nodes["0_neuron"]
    current = voltage = np.zeros(len(weights.weight))
    spikes = []
    for t in range(x.shape[1]):
        current = current + dt / neuron.tau_syn * (
            neuron.w_in * (weights.weight @ x[:, t]) - current
        )
        voltage = voltage + dt / neuron.tau_mem * (neuron.v_leak - voltage + neuron.r * current)
        spikes.append(voltage > neuron.v_threshold)
        voltage = np.where(spikes[-1], neuron.v_reset, voltage)
    return np.array(spikes).T


@pytest.mark.parametrize("decays", [(4096, 1024), (2048, 512), (1024, 4096)])
def test_nirs_equations_in_steps_give_refboots_spikes(decays: tuple[int, int]) -> None:
    net = NetSpec((LayerSpec("dense", (3,), NeuronSpec(*decays, 80), WEIGHT),), (2,))
    x = np.random.default_rng(0).integers(0, 2, (2, 40))
    ours = netx.simulate(net, x[None], delay=False)[0].s[0]
    np.testing.assert_array_equal(euler(to_nir(net, 0.01), x, 0.01), ours)


def graph_of(weights: Any, dt: float = 1e-3, **changes: Any) -> Any:
    """A graph of one layer of two neurons whose gains are 1, but for `changes`."""
    ones = np.ones(2)
    values = {
        "tau_syn": dt * ones,
        "tau_mem": 4 * dt * ones,
        "r": 4 * ones,
        "v_leak": 0 * ones,
        "v_threshold": 1.25 * ones,
    }
    neuron = nir.CubaLIF(**(values | {"w_in": ones} | changes))
    return nir.NIRGraph.from_list(
        nir.Input({"input": np.array([2])}), weights, neuron, nir.Output({"output": np.array([2])})
    )


SMALL = np.array([[0.5, -1.0], [0.25, 2.0]])


def test_gains_go_into_the_weights() -> None:
    net = from_nir(graph_of(nir.Linear(SMALL), w_in=0.5 * np.ones(2)))
    np.testing.assert_array_equal(net.layers[0].weight, 32 * SMALL)
    assert net.layers[0].neuron == NEURON


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "unlike neurons": ("v_threshold", {"v_threshold": np.array([1.0, 2.0])}),
    "a leak to somewhere": ("v_leak", {"v_leak": np.ones(2)}),
    "a reset to somewhere": ("v_reset", {"v_reset": np.ones(2)}),
    "faster than a step": ("time constants", {"tau_mem": 5e-4 * np.ones(2)}),
    "a threshold off the grid": ("v_threshold", {"v_threshold": 1.26 * np.ones(2)}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_refboot_cannot_be_is_refused_by_name(name: str) -> None:
    told, changes = REFUSED[name]
    with pytest.raises(FormatError, match=told):
        from_nir(graph_of(nir.Linear(SMALL), **changes))


def test_weights_off_the_grid_are_rounded_only_when_asked() -> None:
    graph = graph_of(nir.Linear(SMALL + 0.01))
    with pytest.raises(FormatError, match="the weight of node linear"):
        from_nir(graph)
    np.testing.assert_array_equal(from_nir(graph, round_weights=True).layers[0].weight, 64 * SMALL)
    with pytest.raises(FormatError, match="even integers"):
        from_nir(graph_of(nir.Linear(SMALL + 9)), round_weights=True)


def test_a_bias_behind_a_leaky_current_is_refused_both_ways() -> None:
    biased = nir.Affine(SMALL, np.ones(2))
    with pytest.raises(FormatError, match="bias"):
        from_nir(graph_of(biased, tau_syn=2e-3 * np.ones(2), w_in=2 * np.ones(2)))
    with pytest.raises(FormatError, match="bias"):
        to_nir(
            NetSpec(
                (
                    LayerSpec(
                        "dense", (3,), NeuronSpec(2048, 1024, 80), WEIGHT, np.ones(3, np.int64)
                    ),
                ),
                (2,),
            )
        )


def test_a_kernel_that_is_not_square_is_refused() -> None:
    conv = LayerSpec("conv", (1, 2, 3), NEURON, np.full((1, 1, 2, 1), 4), None, Geometry((2, 1)))
    with pytest.raises(FormatError, match="square"):
        to_nir(NetSpec((conv,), (1, 3, 3)))


def test_a_decay_of_zero_is_refused() -> None:
    with pytest.raises(FormatError, match="infinite"):
        to_nir(NetSpec((LayerSpec("dense", (3,), NeuronSpec(4096, 0, 80), WEIGHT),), (2,)))


def test_graphs_that_are_no_chain_are_refused() -> None:
    graph = graph_of(nir.Linear(SMALL))
    graph.edges.append(("cubalif", "linear"))
    with pytest.raises(FormatError, match="one chain"):
        from_nir(graph)
    other = nir.NIRGraph.from_list(
        nir.Input({"input": np.array([2])}),
        nir.Threshold(np.ones(2)),
        nir.Output({"output": np.array([2])}),
    )
    with pytest.raises(FormatError, match="node threshold"):
        from_nir(other)


def test_nothing_is_written_for_a_refused_network(tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        nir.write(
            tmp_path / "a.nir",
            to_nir(NetSpec((LayerSpec("dense", (3,), NeuronSpec(0, 0, 80), WEIGHT),), (2,))),
        )
    assert not list(tmp_path.iterdir())
