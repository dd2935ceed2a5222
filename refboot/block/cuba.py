"""Blocks with lava-dl's names and arguments; `neuron_params` is a dict for neuron.cuba.Neuron, or any neuron object."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from refboot import arrays, synapse
from refboot.arrays import Floats
from refboot.block.base import Block, Spiking, mean_rate, mean_rate_backward
from refboot.errors import OrderError, RangeError
from refboot.neuron import cuba
from refboot.parameter import Parameter
from refboot.routine import Mode
from refboot.synapse.hook import PreHook, quantize_8bit

Params = Mapping[str, Any] | Spiking


class Input(Block):
    """The input layer: q(x) * q(weight) + q(bias), both learned scalars (None: left out), then the neuron. x (N, C, ..., T)."""

    def __init__(
        self,
        neuron_params: Params,
        weight: float | None = None,
        bias: float | None = None,
        pre_hook_fx: PreHook | None = quantize_8bit,
        delay_shift: bool = False,
        count_log: bool = False,
        *,
        rng: np.random.Generator,
    ) -> None:
        arrays.generator("rng", rng)
        super().__init__(synapse.Scalar(weight, bias, pre_hook_fx), make_neuron(neuron_params), None, rng, delay_shift, count_log)

    def parameters(self) -> dict[str, Parameter]:
        """`weight` and `bias`, as lava-dl names them, and the neuron's."""
        return self.synapse.parameters() | {f"neuron.{name}": p for name, p in self.neuron.parameters().items()}


class Dense(Block):
    """A dense layer: `in_neurons` to `out_neurons`, weight (out, in), no bias. See synapse.Weight for the weight's options."""

    def __init__(
        self,
        neuron_params: Params,
        in_neurons: int,
        out_neurons: int,
        weight_scale: float = 1,
        weight_norm: bool = False,
        pre_hook_fx: PreHook | None = quantize_8bit,
        mask: Floats | None = None,
        delay_shift: bool = False,
        count_log: bool = False,
        *,
        rng: np.random.Generator,
    ) -> None:
        dense = synapse.Dense(in_neurons, out_neurons, weight_scale, weight_norm, pre_hook_fx, mask, rng=rng)
        super().__init__(dense, make_neuron(neuron_params), dense.axes, rng, delay_shift, count_log)


class Affine(Block):
    """The read-out: the synapse of a dense layer alone, in every mode; nothing spikes and nothing is fitted.

    Its neuron parameters are kept for export. In a rate mode an input of several steps is averaged first.
    """

    def __init__(
        self,
        neuron_params: Params,
        in_neurons: int,
        out_neurons: int,
        weight_scale: float = 1,
        weight_norm: bool = False,
        pre_hook_fx: PreHook | None = quantize_8bit,
        mask: Floats | None = None,
        count_log: bool = False,
        *,
        rng: np.random.Generator,
    ) -> None:
        dense = synapse.Dense(in_neurons, out_neurons, weight_scale, weight_norm, pre_hook_fx, mask, rng=rng)
        super().__init__(dense, make_neuron(neuron_params), dense.axes, None, False, count_log)

    def _spikes(self, x: Floats, sample: bool) -> Floats:
        return self.synapse.forward(x)

    def _spikes_backward(self, grad: Floats) -> Floats:
        return self.synapse.backward(grad)

    def _rates(self, x: Floats, fit: bool) -> Floats:
        return self.synapse.forward(mean_rate(x))

    def _rates_backward(self, grad: Floats, steps: int) -> Floats:
        return mean_rate_backward(self.synapse.backward(grad), steps)


class Flatten:
    """Reshape (N, C, ..., T) to (N, C * ..., T), in every mode."""

    def __init__(self) -> None:
        self.training = True
        self._shape: tuple[int, ...] | None = None

    def parameters(self) -> dict[str, Parameter]:
        """None."""
        return {}

    def buffers(self) -> dict[str, np.ndarray]:
        """None."""
        return {}

    def load_buffers(self, buffers: Mapping[str, np.ndarray]) -> None:
        """Nothing to take."""

    def forward(self, x: Floats, mode: Mode = Mode.ANN) -> Floats:
        """x (N, C, ..., T) as (N, C * ..., T)."""
        return self.run(arrays.floats("x", x), mode)

    __call__ = forward

    def run(self, x: Floats, mode: Mode) -> Floats:
        """`forward` for an x that was checked."""
        self._shape = x.shape
        return x.reshape(x.shape[0], -1, x.shape[-1])

    def backward(self, grad: Floats) -> Floats:
        """The gradient in the shape x had; raises OrderError before a call."""
        if self._shape is None:
            raise OrderError("Flatten.backward", "called first", "a forward pass before it")
        return grad.reshape(self._shape)


def make_neuron(params: Params) -> Spiking:
    """A CUBA neuron from a dict with neuron.cuba.Neuron's keys, or the neuron object itself; raises RangeError for an unknown key."""
    if not isinstance(params, Mapping):
        return params
    known = list(inspect.signature(cuba.Neuron).parameters)
    for key in params:
        if key not in known:
            raise RangeError("a key of neuron_params", repr(key), f"one of {known}")
    missing = [key for key in known[:3] if key not in params]
    if missing:
        raise RangeError("neuron_params", f"without {missing}", f"a dict with at least {known[:3]}")
    return cuba.Neuron(**params)
