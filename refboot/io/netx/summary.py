"""What a network costs and whether it fits the chip: weights, memory, operations, and how far its
sums can go.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from refboot.exchange import READ_OUT, LayerSpec, NetSpec
from refboot.exchange.spec import Shape
from refboot.neuron.limits import Reach, reach
from refboot.reference.fixed_point import STATE_SCALE, WEIGHT_SCALE

STATE_BYTES = 8  # u and v, 32 bits each
INPUT_RANGE = (-4.0, 127 / 32)  # all that an input can be once it is rounded to its grid


class Summary(NamedTuple):
    """One layer: `weights` stored, of them `zeros`; `connections` made; bytes; the least and
    largest mantissa; the largest |u| and |v|.

    `u_most` and `v_most` are bounds in real units over all inputs and steps; `overflows` tells
    whether they pass 24 bits.
    """

    weights: int
    zeros: int
    connections: int
    bytes: int
    low: int
    high: int
    u_most: float
    v_most: float
    overflows: bool


def summarise(net: NetSpec, time_steps: int) -> list[Summary | None]:
    """A summary of each layer for `time_steps` steps; None for a layer that only changes the
    shape.
    """
    pairs = zip(net.layers, net.inputs(), strict=True)
    return [
        None if layer.kind == "flatten" else layer_summary(layer, shape, time_steps)
        for layer, shape in pairs
    ]


def layer_summary(layer: LayerSpec, shape: Shape, time_steps: int) -> Summary:
    """The summary of a layer with weights for inputs of `shape`. Weights are counted as 8 bits,
    biases as 16, states as 2 x 32.
    """
    assert layer.weight is not None
    weight = layer.weight.reshape(-1)
    biases = 0 if layer.bias is None else layer.bias.size
    size = weight.size + 2 * biases + STATE_BYTES * layer.size
    far = limits(layer, time_steps)
    u, v = (
        float(np.abs(np.stack(pair)).max()) / STATE_SCALE
        for pair in ((far.u_low, far.u_high), (far.v_low, far.v_high))
    )
    low, high = int(weight.min()), int(weight.max())
    return Summary(
        weight.size,
        int((weight == 0).sum()),
        connections(layer),
        size,
        low,
        high,
        u,
        v,
        bool(far.overflows.any()),
    )


def limits(layer: LayerSpec, time_steps: int) -> Reach:
    """How far u and v of each output can go; a bias is counted as an input of its own."""
    assert layer.weight is not None
    neuron = READ_OUT if layer.neuron is None or layer.read_out else layer.neuron
    rows = layer.weight.reshape(1 if layer.kind == "input" else len(layer.weight), -1)
    inputs = INPUT_RANGE if layer.kind == "input" else (0.0, 1.0)
    if layer.bias is not None:
        rows = np.column_stack([rows, layer.bias.reshape(-1)])
    return reach(
        (rows / WEIGHT_SCALE).astype(np.float32), neuron.i_decay, neuron.v_decay, time_steps, inputs
    )


def connections(layer: LayerSpec) -> int:
    """How many synapses the layer has: the most operations that a step can need, if every input
    fires.
    """
    assert layer.weight is not None
    if layer.kind == "input":
        return layer.size
    return layer.weight.size * (1 if layer.geometry is None else math.prod(layer.shape[1:]))
