"""A layer as the engine's kernels take it: its constants, its weight, and its gradients."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from refboot.arrays import Floats
from refboot.block.cuba import Affine, Dense, Input
from refboot.engine import weights
from refboot.optim import Parameter
from refboot.reference.fixed_point import DECAY_SCALE, STATE_SCALE

F = np.float32
Constants = tuple[np.generic, ...]
STATE_LIMIT = 1 << 31  # states are smaller
UNITS = STATE_SCALE // 32  # of a state in one of a weight


class Spikes:
    """The constants of a block's neurons, as they are now, for `steps` steps."""

    def __init__(self, block: Input | Dense, steps: int) -> None:
        neuron = block.neuron
        keep_i = DECAY_SCALE - int(neuron.cx_current_decay[0])
        keep_v = DECAY_SCALE - int(neuron.cx_voltage_decay[0])
        limit = neuron.limit
        self.most = (STATE_LIMIT - 1) / reach(steps, keep_i, keep_v)  # drive of a step, state units
        self.most = self.most if limit < STATE_LIMIT else 0
        self.forward: Constants = tuple(
            map(np.int32, (keep_i, keep_v, min(limit, STATE_LIMIT - 1)))
        )
        self.keep: Constants = F(keep_i / DECAY_SCALE), F(keep_v / DECAY_SCALE)
        slope, inverse = neuron.scale / (2 * neuron.tau), -1 / neuron.tau
        self.surrogate: Constants = F(neuron.threshold), F(slope), F(inverse)


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
    """A dense block: its weight, quantised, (inputs, outputs), and its gradients."""

    def __init__(self, block: Dense | Affine) -> None:
        self.block, weight = block, block.synapse.weight
        self.v: Parameter = weight.v
        self.g: Parameter = weight.g
        self.outputs, self.inputs = self.v.data.shape
        shape = self.inputs, self.outputs
        self.weight, self.gw = np.empty(shape, F), np.empty(shape, F)
        self.turned = np.empty(shape[::-1], F)
        self.whole, self.total = np.empty(shape, np.int8), np.empty(self.outputs, np.int32)
        self.length, self.factor, self.gg = (np.empty(self.outputs, F) for _ in range(3))
        self.squares = np.empty((2, self.outputs), F)

    def quantise(self, low: int, high: int, spiking: bool) -> int:
        """Quantise the weights of some outputs; see weights.quantise for what it returns."""
        made = self.length, self.factor, self.weight, self.turned
        whole = self.whole if spiking else self.whole[:0]
        return int(weights.quantise(rows(self.v), self.g.data, low, high, *made, whole, self.total))

    def learn(self, low: int, high: int) -> None:
        """From the gradient of the quantised weight, in `gw`, to those of v (in `gw`) and g."""
        made = self.length, self.factor, self.gg, self.squares
        weights.through_norm(self.gw, rows(self.v), low, high, *made)


def rows(p: Parameter) -> Floats:
    """The parameter (O, I) as (I, O), C-contiguous; it is laid out so if it is not yet."""
    if not p.data.flags.f_contiguous:
        p.data = np.asfortranarray(p.data)
    return p.data.T
