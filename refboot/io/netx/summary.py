"""What a network costs and whether it fits the chip: weights, memory, operations, and how large its
sums can get.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from refboot.exchange import LayerSpec, NetSpec
from refboot.exchange.spec import real
from refboot.neuron.limits import reach
from refboot.reference.numbers import STATE_SCALE

STATE_BYTES = 8  # u and v, 32 bits each
INPUT_RANGE = (-4.0, 127 / 32)  # all that an input can be once it is rounded to its grid


class Summary(NamedTuple):
    """One layer: `weights` stored, of them `zeros`; `connections` (synapses); bytes; the least and
    largest mantissa; the largest |u| and |v|.

    `u_most` and `v_most` are bounds in real units over all inputs and steps; `overflows` is True if
    they pass 24 bits.
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
    """A summary of each layer for `time_steps` steps; None for one that only changes the shape."""
    return [_summary(layer, time_steps) for layer in net.layers]


def _summary(layer: LayerSpec, steps: int) -> Summary | None:
    """Weights count as 8 bits, biases as 16, states as 2 x 32. A bias bounds as one input more."""
    weight, bias, first = layer.weight, layer.bias, layer.kind == "input"
    if weight is None:
        return None
    rows = weight.reshape(1 if first else len(weight), -1)
    if bias is not None:
        rows = np.column_stack([rows, bias.reshape(-1)])
    neuron, inputs = layer.chip_neuron, INPUT_RANGE if first else (0.0, 1.0)
    far = reach(real(rows), neuron.i_decay, neuron.v_decay, steps, inputs)
    return Summary(
        weight.size,
        int((weight == 0).sum()),
        layer.size if first else weight.size * math.prod(layer.shape[1:]),
        weight.size + (0 if bias is None else 2 * bias.size) + STATE_BYTES * layer.size,
        int(weight.min()),
        int(weight.max()),
        float(np.abs([far.u_low, far.u_high]).max()) / STATE_SCALE,
        float(np.abs([far.v_low, far.v_high]).max()) / STATE_SCALE,
        bool(far.overflows.any()),
    )
