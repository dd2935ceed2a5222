"""A layer as the engine's kernels take it: its constants, its weight, and its gradients."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from refboot.arrays import Floats
from refboot.engine import weights
from refboot.neuron.cuba import Neuron
from refboot.reference.numbers import DECAY_SCALE, STATE_SCALE
from refboot.synapse import Weight

F = np.float32
STATE_LIMIT = 1 << 31  # states are smaller
UNITS = STATE_SCALE // 32  # of a state in one of a weight


class Spikes:
    """The constants of neurons, as they are now, for `steps` steps.

    `most` is a bound for the drive of a step, in state units, below which all states fit.
    """

    def __init__(self, neuron: Neuron, steps: int) -> None:
        keep_i = DECAY_SCALE - int(neuron.cx_current_decay[0])
        keep_v = DECAY_SCALE - int(neuron.cx_voltage_decay[0])
        small = neuron.limit < STATE_LIMIT
        self.most = (STATE_LIMIT - 1) / reach(steps, keep_i, keep_v) if small else 0.0
        limit = min(neuron.limit, STATE_LIMIT - 1)
        self.forward = np.int32(keep_i), np.int32(keep_v), np.int32(limit)
        self.keep = F(keep_i / DECAY_SCALE), F(keep_v / DECAY_SCALE)
        slope, inverse = neuron.scale / (2 * neuron.tau), -1 / neuron.tau
        self.surrogate = F(neuron.threshold), F(slope), F(inverse)


@lru_cache
def reach(steps: int, keep_i: int, keep_v: int) -> float:
    """How far a drive of 1 at each step can bring current or voltage, whichever is further."""
    u = v = far = 0.0
    for _ in range(steps):
        u = u * keep_i / DECAY_SCALE + 1
        v = v * keep_v / DECAY_SCALE + u
        far = max(far, u, v)
    return far


class Layer:
    """A dense layer: its weight, quantised, (inputs, outputs), and its gradients."""

    def __init__(self, weight: Weight) -> None:
        self.parameters = weight
        self.outputs, self.inputs = weight.v.data.shape
        shape = self.inputs, self.outputs
        self.weight, self.gw = np.empty(shape, F), np.empty(shape, F)
        self.turned = np.empty(shape[::-1], F)
        self.whole, self.total = np.empty(shape, np.int8), np.empty(self.outputs, np.int32)
        self.length, self.factor, self.gg = (np.empty(self.outputs, F) for _ in range(3))
        self.squares = np.empty((2, self.outputs), F)  # of gg, and sums of those of gw

    def lay_out(self) -> Floats:
        """The parameter v as (inputs, outputs), C-contiguous: so it lies in memory from now on."""
        v = self.parameters.v
        if not v.data.flags.f_contiguous:
            v.data = np.asfortranarray(v.data)
        return v.data.T

    def quantise(self, low: int, high: int, spiking: bool, training: bool) -> int:
        """Quantise the weights of some outputs; see weights.quantise for what it returns."""
        g = self.parameters.g
        assert g is not None
        made = self.length, self.factor, self.weight, self.turned if training else self.turned[:0]
        whole = self.whole if spiking else self.whole[:0]
        sums = weights.quantise(self.lay_out(), g.data, low, high, *made, whole, self.total)
        return int(sums)

    def learn(self, low: int, high: int) -> None:
        """From the gradient of the quantised weight, in `gw`, to those of v (in `gw`) and g."""
        made = self.length, self.factor, self.gg, self.squares
        weights.through_norm(self.gw, self.lay_out(), low, high, *made)

    def hand_over(self) -> None:
        """Give the gradients to the parameters."""
        v, g = self.parameters.v, self.parameters.g
        assert g is not None
        v.grad, g.grad = self.gw.T, self.gg
