"""To and from NIR graphs (the package `nir`, extra `nir`): a chain of Input, Affine / Linear /
Conv2d, CubaLIF, Flatten and Output.

NIR's neurons live in continuous time, refboot's in steps. The discretisation is forward Euler with
a step of `dt` seconds:

    tau_syn dI/dt = -I + w_in S          I += dt / tau_syn * (w_in S - I)
    tau_mem dv/dt = v_leak - v + R I     v += dt / tau_mem * (v_leak - v + R I)      v >
    v_threshold: spike, v = v_reset

so current_decay = dt / tau_syn, voltage_decay = dt / tau_mem, and a weight counts in full where
w_in = tau_syn / dt and R = tau_mem / dt; other gains go into the weights. v_leak and v_reset are 0.
Decays are rounded to 1/4096, thresholds and weights must lie on refboot's grids. A bias enters
through the current, which must then pass it unchanged (tau_syn = dt). An input layer is an Affine
of a multiple of the identity (or a 1 x 1 Conv2d), fed with x rounded to 1/32, which NIR cannot say;
neither can it say steps, delays, or fitted curves.
"""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot import arrays
from refboot.arrays import Ints
from refboot.errors import FormatError
from refboot.exchange import Geometry, LayerSpec, NetSpec, NeuronSpec
from refboot.exchange.check import check_weight
from refboot.exchange.spec import DECAY_HIGH, Shape
from refboot.io.nir_chain import chain
from refboot.reference.fixed_point import WEIGHT_SCALE

Doubles = NDArray[np.float64]
ROLE = "refboot"
CONSTANTS = ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in")
CLOSE = 1e-3  # of a grid step: what float32 loses of a number on the grid


def to_nir(net: NetSpec, dt: float = 1e-3) -> Any:
    """`net` as a nir.NIRGraph for steps of `dt` seconds.

    Groups of a convolution become one, with zeros between them. Raises FormatError for what NIR
    cannot say (a decay of 0, a bias behind a current that leaks, a kernel that is not square),
    MissingExtraError without nir.
    """
    nir, dt = arrays.extra("nir", "nir"), arrays.number("dt", dt, 0, above=True)
    nodes: dict[str, Any] = {"input": nir.Input(input_type={"input": np.array(net.input_shape)})}
    for number, (layer, shape) in enumerate(zip(net.layers, net.inputs(), strict=True)):
        nodes |= _layer_nodes(nir, number, layer, shape, dt)
    nodes["output"] = nir.Output(output_type={"output": np.array(net.layers[-1].shape)})
    names = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(pairwise(names)))


def from_nir(
    graph: Any, dt: float = 1e-3, time_steps: int | None = None, round_weights: bool = False
) -> NetSpec:
    """The network in a nir.NIRGraph for steps of `dt` seconds.

    Raises FormatError, naming the node, for what is no chain of the nodes above, for neurons that
    are not alike within a layer, and, unless `round_weights`, for weights, biases and thresholds
    off refboot's grids.
    """
    nir, dt = arrays.extra("nir", "nir"), arrays.number("dt", dt, 0, above=True)
    names, nodes = chain(nir, graph)
    shape = start = tuple(int(size) for size in nodes[0].input_type["input"])
    layers: list[LayerSpec] = []
    at = 1
    while at < len(nodes) - 1:
        name, node, after = names[at], nodes[at], nodes[at + 1]
        if isinstance(node, nir.Flatten):
            layers.append(LayerSpec("flatten", (int(np.prod(shape)),)))
        else:
            neuron, gain = _read_neuron(nir, names[at + 1], after, dt)
            layers.append(_read_weighted(nir, name, node, neuron, gain, shape, round_weights))
            at += neuron is not None
        shape = layers[-1].shape
        at += 1
    return NetSpec(tuple(layers), start, time_steps, origin="nir")


def _layer_nodes(
    nir: ModuleType, number: int, layer: LayerSpec, shape: Shape, dt: float
) -> dict[str, Any]:
    if layer.kind == "flatten":
        return {f"{number}_flatten": nir.Flatten({"input": np.array(shape)}, start_dim=0)}
    nodes = {f"{number}_{layer.kind}": _weight_node(nir, layer, shape)}
    if layer.neuron is None or layer.read_out:
        return nodes
    if layer.bias is not None and layer.bias.any() and layer.neuron.i_decay != DECAY_HIGH:
        raise FormatError(
            f"layer {number}",
            "a bias behind a current that leaks",
            "a current decay of 1 beside a bias",
        )
    return nodes | {f"{number}_neuron": _neuron_node(nir, number, layer.neuron, layer.shape, dt)}


def _weight_node(nir: ModuleType, layer: LayerSpec, shape: Shape) -> Any:
    weight, bias = _real(layer.weight), None if layer.bias is None else _real(layer.bias)
    if layer.kind == "input":
        return _input_node(nir, float(weight), 0.0 if bias is None else float(bias), shape)
    if layer.geometry is not None:
        bias = np.zeros(len(weight), np.float32) if bias is None else bias
        return _conv_node(nir, weight, bias, layer.geometry, shape)
    return nir.Linear(weight) if bias is None else nir.Affine(weight, bias)


def _conv_node(nir: ModuleType, weight: Any, bias: Any, geometry: Geometry, shape: Shape) -> Any:
    """A Conv2d in one group: nir (1.0) takes the input channels from the weight, and works out the
    shape for square kernels only.
    """
    kernel, stride, padding, dilation, groups = geometry
    if kernel[0] != kernel[1]:
        raise FormatError(
            "the kernel of a convolution",
            kernel,
            "a square one: nir works out wrong shapes for others",
        )
    whole = np.zeros((len(weight), shape[0], *kernel), np.float32)
    outputs, inputs = len(weight) // groups, weight.shape[1]
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        whole[rows, group * inputs : (group + 1) * inputs] = weight[rows]
    return nir.Conv2d(shape[1:], whole, stride, padding, dilation, 1, bias)


def _input_node(nir: ModuleType, weight: float, bias: float, shape: Shape) -> Any:
    same, biases, role = (
        np.eye(shape[0], dtype=np.float32) * weight,
        np.full(shape[0], bias, np.float32),
        {ROLE: "input"},
    )
    if len(shape) == 1:
        return nir.Affine(same, biases, metadata=role)
    return nir.Conv2d(
        shape[1:], same[:, :, None, None], (1, 1), (0, 0), (1, 1), 1, biases, metadata=role
    )


def _neuron_node(nir: ModuleType, number: int, neuron: NeuronSpec, shape: Shape, dt: float) -> Any:
    if 0 in (neuron.i_decay, neuron.v_decay):
        raise FormatError(
            f"the decays of layer {number}",
            f"{neuron.i_decay}, {neuron.v_decay}",
            "above 0: tau would be infinite",
        )
    ones = np.ones(shape)
    tau_syn, tau_mem = (
        dt * DECAY_HIGH / decay * ones for decay in (neuron.i_decay, neuron.v_decay)
    )
    threshold = neuron.v_th / WEIGHT_SCALE * ones
    return nir.CubaLIF(tau_syn, tau_mem, tau_mem / dt, 0 * ones, threshold, 0 * ones, tau_syn / dt)


def _read_neuron(
    nir: ModuleType, name: str, node: Any, dt: float
) -> tuple[NeuronSpec | None, float]:
    """The neuron and the gain of a weight before it; None and 1 where there is no neuron."""
    if isinstance(node, nir.Output):
        return None, 1.0
    if not isinstance(node, nir.CubaLIF):
        raise FormatError(f"node {name}", f"a {type(node).__name__}", "a CubaLIF behind weights")
    found = {key: _one(f"{key} of node {name}", getattr(node, key)) for key in CONSTANTS}
    for key in ("v_leak", "v_reset"):
        if found[key]:
            raise FormatError(f"{key} of node {name}", found[key], "0")
    decays = [dt / found[key] if found[key] > 0 else np.inf for key in ("tau_syn", "tau_mem")]
    if max(decays) > 1 + 1e-9:
        raise FormatError(
            f"the time constants of node {name}",
            (found["tau_syn"], found["tau_mem"]),
            f"at least dt = {dt}",
        )
    threshold = _grid(f"v_threshold of node {name}", np.array(found["v_threshold"]), 1, False)
    i_decay, v_decay = (round(DECAY_HIGH * decay) for decay in decays)
    return NeuronSpec(i_decay, v_decay, int(threshold)), found["w_in"] * decays[0] * found[
        "r"
    ] * decays[1]


def _read_weighted(
    nir: ModuleType,
    name: str,
    node: Any,
    neuron: NeuronSpec | None,
    gain: float,
    shape: Shape,
    rounded: bool,
) -> LayerSpec:
    if not isinstance(node, (nir.Affine, nir.Linear, nir.Conv2d)):
        raise FormatError(
            f"node {name}", f"a {type(node).__name__}", "an Affine, Linear, Conv2d or Flatten"
        )
    weight = _grid(f"the weight of node {name}", np.asarray(node.weight) * gain, 2, rounded)
    bias = (
        None
        if isinstance(node, nir.Linear)
        else _grid(f"the bias of node {name}", np.asarray(node.bias) * gain, 2, rounded)
    )
    check_weight(f"the weight of node {name}", weight)
    if node.metadata.get(ROLE) in ("input", b"input"):
        assert bias is not None
        return LayerSpec("input", shape, neuron, np.array(weight.flat[0]), np.array(bias.flat[0]))
    if bias is not None and not bias.any():
        bias = None
    if bias is not None and neuron is not None and neuron.i_decay != DECAY_HIGH:
        raise FormatError(
            f"the bias of node {name}", "behind a current that leaks", "0, or tau_syn = dt"
        )
    geometry = _read_geometry(node, name) if isinstance(node, nir.Conv2d) else None
    out = (len(weight),) if geometry is None else (len(weight), *geometry.output(shape[1:]))
    inputs = weight.shape[1] * (1 if geometry is None else geometry.groups)
    if len(shape) != (1 if geometry is None else 3) or inputs != shape[0] or min(out) < 1:
        raise FormatError(
            f"the weight of node {name}",
            f"of shape {weight.shape}",
            f"one for inputs of shape {shape}",
        )
    return LayerSpec(
        "dense" if geometry is None else "conv",
        out,
        neuron,
        weight,
        bias,
        geometry,
        read_out=neuron is None,
    )


def _read_geometry(node: Any, name: str) -> Geometry:
    kernel = (int(node.weight.shape[2]), int(node.weight.shape[3]))
    stride, dilation = _pair(node.stride), _pair(node.dilation)
    padding = node.padding
    if isinstance(padding, (str, bytes)):
        if padding not in ("valid", b"valid"):
            raise FormatError(f"the padding of node {name}", padding, "numbers or 'valid'")
        padding = 0
    return Geometry(kernel, stride, _pair(padding), dilation, int(node.groups))


def _pair(value: Any) -> tuple[int, int]:
    first, *rest = np.ravel(value).tolist()
    return int(first), int(rest[0] if rest else first)


def _one(name: str, values: Any) -> float:
    flat = np.ravel(values)
    if not len(flat) or not np.isfinite(flat).all() or (flat != flat[0]).any():
        raise FormatError(name, "not one finite number", "the same finite number for every neuron")
    return float(flat[0])


def _grid(name: str, values: Any, step: int, rounded: bool) -> Ints:
    """Real values as mantissas: multiples of `step` / 64, which they must be unless `rounded`."""
    scaled = np.asarray(values, np.float64) * WEIGHT_SCALE / step
    if not np.isfinite(scaled).all() or (
        not rounded and np.abs(scaled - np.rint(scaled)).max(initial=0) > CLOSE
    ):
        raise FormatError(name, "off the grid", f"multiples of {step} / {WEIGHT_SCALE}")
    return step * np.rint(scaled).astype(np.int64)


def _real(mantissa: Ints | None) -> Any:
    assert mantissa is not None
    return (mantissa / WEIGHT_SCALE).astype(np.float32)
