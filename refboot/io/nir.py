"""To and from NIR graphs (the package `nir`, extra `nir`): a chain of Input, Affine / Linear /
Conv2d, CubaLIF, Flatten and Output.

NIR's neurons live in continuous time, refboot's in steps. A forward Euler step of `dt` seconds is

    I += dt / tau_syn * (w_in S - I)
    v += dt / tau_mem * (v_leak - v + R I);  v > v_threshold: spike, v = v_reset

so current_decay = dt / tau_syn, voltage_decay = dt / tau_mem, and a weight counts in full where
w_in = tau_syn / dt and R = tau_mem / dt; other gains go into the weights. v_leak and v_reset are 0.
Decays are rounded to 1/4096; thresholds and weights must lie on refboot's grids. A bias enters
through the current, which must not leak (tau_syn = dt). An input layer is an Affine of a multiple
of the identity (or a 1 x 1 Conv2d), fed with x rounded to 1/32. NIR cannot say that rounding, nor
steps, delays and fitted curves.
"""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np

from refboot import arrays
from refboot.errors import FormatError
from refboot.exchange import Geometry, LayerSpec, NetSpec, NeuronSpec
from refboot.exchange.check import check_weight
from refboot.exchange.spec import DECAY_HIGH, Shape, mantissas, real
from refboot.reference.numbers import WEIGHT_SCALE

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
        nodes[f"{number}_{layer.kind}"] = _weight_node(nir, layer, shape)
        if layer.neuron is None or layer.read_out:
            continue
        decays = layer.neuron.i_decay, layer.neuron.v_decay
        if layer.has_bias and decays[0] != DECAY_HIGH:
            got = "a bias behind a current that leaks"
            raise FormatError(f"layer {number}", got, "a current decay of 1 beside a bias")
        if 0 in decays:
            expected = "above 0: tau would be infinite"
            raise FormatError(f"the decays of layer {number}", decays, expected)
        ones = np.ones(layer.shape)
        tau_syn, tau_mem = (dt * DECAY_HIGH / decay * ones for decay in decays)
        threshold = layer.neuron.v_th / WEIGHT_SCALE * ones
        nodes[f"{number}_neuron"] = nir.CubaLIF(
            tau_syn, tau_mem, tau_mem / dt, 0 * ones, threshold, 0 * ones, tau_syn / dt
        )
    nodes["output"] = nir.Output(output_type={"output": np.array(net.layers[-1].shape)})
    return nir.NIRGraph(nodes=nodes, edges=list(pairwise(nodes)))


def from_nir(
    graph: Any, dt: float = 1e-3, time_steps: int | None = None, round_weights: bool = False
) -> NetSpec:
    """The network in a nir.NIRGraph for steps of `dt` seconds.

    Raises FormatError, naming the node, for what is no chain of the nodes above, for neurons that
    differ within a layer, and, unless `round_weights`, for weights, biases and thresholds off
    refboot's grids.
    """
    nir, dt = arrays.extra("nir", "nir"), arrays.number("dt", dt, 0, above=True)
    names = _chain(nir, graph)
    nodes = [graph.nodes[name] for name in names]
    shape = start = tuple(int(size) for size in nodes[0].input_type["input"])
    layers: list[LayerSpec] = []
    at = 1
    while at < len(nodes) - 1:
        if isinstance(nodes[at], nir.Flatten):
            layers.append(LayerSpec("flatten", (int(np.prod(shape)),)))
        else:
            neuron, gain = _read_neuron(nir, names[at + 1], nodes[at + 1], dt)
            off = 0.5 if round_weights else CLOSE
            layers.append(_read_weighted(nir, names[at], nodes[at], neuron, gain, shape, off))
            at += neuron is not None
        shape = layers[-1].shape
        at += 1
    return NetSpec(tuple(layers), start, time_steps, origin="nir")


def _weight_node(nir: ModuleType, layer: LayerSpec, shape: Shape) -> Any:
    """The node of a layer's weights, or of its change of shape."""
    if layer.weight is None:
        return nir.Flatten({"input": np.array(shape)}, start_dim=0)
    weight, bias = real(layer.weight), None if layer.bias is None else real(layer.bias)
    if layer.kind == "input":
        same, biases = weight * np.eye(shape[0], dtype=np.float32), np.zeros(shape[0], np.float32)
        biases += 0 if bias is None else bias
        role = {ROLE: "input"}
        if len(shape) == 1:
            return nir.Affine(same, biases, metadata=role)
        window = (1, 1), (0, 0), (1, 1), 1
        return nir.Conv2d(shape[1:], same[:, :, None, None], *window, biases, metadata=role)
    if layer.geometry is None:
        return nir.Linear(weight) if bias is None else nir.Affine(weight, bias)
    kernel, stride, padding, dilation, groups = layer.geometry
    if kernel[0] != kernel[1]:
        expected = "a square one: nir works out wrong shapes for others"
        raise FormatError("the kernel of a convolution", kernel, expected)
    # In one group: nir (1.0) takes the number of input channels from the weight.
    whole = np.zeros((len(weight), shape[0], *kernel), np.float32)
    outputs, inputs = len(weight) // groups, weight.shape[1]
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        whole[rows, group * inputs : (group + 1) * inputs] = weight[rows]
    bias = np.zeros(len(weight), np.float32) if bias is None else bias
    return nir.Conv2d(shape[1:], whole, stride, padding, dilation, 1, bias)


def _chain(nir: ModuleType, graph: Any) -> list[str]:
    """The names of all nodes, from the one Input to the Output; raises FormatError unless the edges
    form one chain.
    """
    names = [name for name, node in graph.nodes.items() if isinstance(node, nir.Input)]
    following = dict(graph.edges)
    count, edges = len(graph.nodes), len(graph.edges)
    if len(names) == 1 and edges == count - 1:
        while names[-1] in following and len(names) <= count:
            names.append(following[names[-1]])
        whole = sorted(names) == sorted(graph.nodes) and len(names) > 2
        if whole and isinstance(graph.nodes[names[-1]], nir.Output):
            return names
    got = f"of {count} nodes and {edges} edges, of which {names} follow each other"
    raise FormatError("the graph", got, "one chain of all nodes, from one Input to an Output")


def _read_neuron(
    nir: ModuleType, name: str, node: Any, dt: float
) -> tuple[NeuronSpec | None, float]:
    """The neuron and the gain of a weight before it; None and 1 if there is no neuron."""
    if isinstance(node, nir.Output):
        return None, 1.0
    if not isinstance(node, nir.CubaLIF):
        raise FormatError(f"node {name}", f"a {type(node).__name__}", "a CubaLIF behind weights")
    found: dict[str, float] = {}
    for key in CONSTANTS:
        flat = np.ravel(getattr(node, key))
        if not len(flat) or not np.isfinite(flat).all() or (flat != flat[0]).any():
            expected = "the same finite number for every neuron"
            raise FormatError(f"{key} of node {name}", "not one finite number", expected)
        found[key] = float(flat[0])
        if key in ("v_leak", "v_reset") and found[key]:
            raise FormatError(f"{key} of node {name}", found[key], "0")
    times = found["tau_syn"], found["tau_mem"]
    if min(times) < dt * (1 - 1e-9):
        raise FormatError(f"the time constants of node {name}", times, f"at least dt = {dt}")
    decays = dt / times[0], dt / times[1]
    threshold = mantissas(f"v_threshold of node {name}", found["v_threshold"], 1, CLOSE)
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
    off: float,
) -> LayerSpec:
    """The layer of a node of weights; raises FormatError."""
    if not isinstance(node, (nir.Affine, nir.Linear, nir.Conv2d)):
        expected = "an Affine, Linear, Conv2d or Flatten"
        raise FormatError(f"node {name}", f"a {type(node).__name__}", expected)
    weight = mantissas(f"the weight of node {name}", np.asarray(node.weight) * gain, 2, off)
    check_weight(f"the weight of node {name}", weight)
    bias = None
    if not isinstance(node, nir.Linear):
        bias = mantissas(f"the bias of node {name}", np.asarray(node.bias) * gain, 2, off)
        if node.metadata.get(ROLE) in ("input", b"input"):
            first = np.array(weight.flat[0]), np.array(bias.flat[0])
            return LayerSpec("input", shape, neuron, *first)
        bias = bias if bias.any() else None
    if bias is not None and neuron is not None and neuron.i_decay != DECAY_HIGH:
        got = "behind a current that leaks"
        raise FormatError(f"the bias of node {name}", got, "0, or tau_syn = dt")
    geometry = _read_geometry(node, name) if isinstance(node, nir.Conv2d) else None
    out: Shape = (len(weight),)
    inputs = weight.shape[1] * (1 if geometry is None else geometry.groups)
    if geometry is not None:
        out = (*out, *geometry.output(shape[1:]))
    if len(shape) != len(out) or inputs != shape[0] or min(out) < 1:
        got, expected = f"of shape {weight.shape}", f"one for inputs of shape {shape}"
        raise FormatError(f"the weight of node {name}", got, expected)
    kind = "dense" if geometry is None else "conv"
    return LayerSpec(kind, out, neuron, weight, bias, geometry, read_out=neuron is None)


def _read_geometry(node: Any, name: str) -> Geometry:
    """The window of a Conv2d; raises FormatError."""
    padding = node.padding
    if isinstance(padding, (str, bytes)):
        if padding not in ("valid", b"valid"):
            raise FormatError(f"the padding of node {name}", padding, "numbers or 'valid'")
        padding = 0
    values = node.weight.shape[2:], node.stride, padding, node.dilation
    kernel, stride, padding, dilation = (
        (int(both[0]), int(both[1])) for both in (np.broadcast_to(np.ravel(v), 2) for v in values)
    )
    return Geometry(kernel, stride, padding, dilation, int(node.groups))
