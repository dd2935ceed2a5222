"""Blocks with lava-dl's names and arguments; `neuron_params` is a dict for neuron.cuba.Neuron, or
any neuron object.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from refboot import arrays, synapse
from refboot.arrays import Floats
from refboot.block.base import Block, mean_rate, mean_rate_backward
from refboot.block.layer import describe
from refboot.block.plain import Average, Flatten
from refboot.errors import RangeError, TypeMismatchError
from refboot.exchange import LayerSpec
from refboot.neuron import Spiking, cuba
from refboot.neuron.cuba import Trace
from refboot.parameter import Parameter
from refboot.reference.fixed_point import to_state
from refboot.synapse.hook import PreHook, quantize_8bit
from refboot.synapse.window import Size

__all__ = ["Affine", "Average", "Conv", "Dense", "Flatten", "Input", "Pool", "make_neuron"]

Params = Mapping[str, Any] | Spiking


class Input(Block):
    """The input layer: q(x) * q(weight) + q(bias), both learned scalars (None: left out), then the
    neuron. x (N, C, ..., T).
    """

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
        super().__init__(
            synapse.Scalar(weight, bias, pre_hook_fx),
            make_neuron(neuron_params),
            None,
            rng,
            delay_shift,
            count_log,
        )

    def parameters(self) -> dict[str, Parameter]:
        """`weight` and `bias`, as lava-dl names them, and the neuron's."""
        return self.synapse.parameters() | {
            f"neuron.{name}": p for name, p in self.neuron.parameters().items()
        }


class Dense(Block):
    """A dense layer: `in_neurons` to `out_neurons`, weight (out, in), no bias. See synapse.Weight
    for the weight's options.
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
        delay_shift: bool = False,
        count_log: bool = False,
        *,
        rng: np.random.Generator,
    ) -> None:
        dense = synapse.Dense(
            in_neurons, out_neurons, weight_scale, weight_norm, pre_hook_fx, mask, rng=rng
        )
        super().__init__(dense, make_neuron(neuron_params), dense.axes, rng, delay_shift, count_log)
        self.neuron.build(out_neurons, rng)


class Affine(Block):
    """The read-out: the synapse of a dense layer alone, in every mode; nothing spikes and nothing
    is fitted.

    Its neuron parameters are kept for export. In a rate mode an input of several steps is averaged
    first. Spec: MOD-5, SAM-6.
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
        dense = synapse.Dense(
            in_neurons, out_neurons, weight_scale, weight_norm, pre_hook_fx, mask, rng=rng
        )
        super().__init__(dense, make_neuron(neuron_params), dense.axes, rng, False, count_log)
        self.neuron.build(out_neurons, rng)

    @property
    def fitted(self) -> bool:
        """Whether ANN mode can run: always."""
        return True

    def trace(self, x: Floats) -> Trace:
        """The weighted input of every step as u, its sum so far as v (both int64 state units), and
        no spikes, for x (N, C, T).
        """
        u = to_state(self.synapse.forward(arrays.floats("x", x, self.axes)))
        return Trace(u, np.cumsum(u, axis=-1), np.zeros(u.shape, np.float32))

    def layer_spec(self, shape: tuple[int, ...]) -> LayerSpec:
        """The block as integers, as an exchange file holds it: a read-out that sums and never
        fires.
        """
        return describe(self.synapse, self.neuron, shape, read_out=True)

    def _spikes(self, x: Floats, sample: bool) -> Floats:
        return self.synapse.forward(x)

    def _spikes_backward(self, grad: Floats) -> Floats:
        return self.synapse.backward(grad)

    def _rates(self, x: Floats, fit: bool) -> Floats:
        return self.synapse.forward(mean_rate(x))

    def _rates_backward(self, grad: Floats, steps: int) -> Floats:
        return mean_rate_backward(self.synapse.backward(grad), steps)


class Conv(Block):
    """A convolutional layer on (N, C, H, W, T): `in_features` to `out_features` channels, no bias.
    See synapse.Conv for the window.
    """

    def __init__(
        self,
        neuron_params: Params,
        in_features: int,
        out_features: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        weight_scale: float = 1,
        weight_norm: bool = False,
        pre_hook_fx: PreHook | None = quantize_8bit,
        mask: Floats | None = None,
        delay_shift: bool = False,
        count_log: bool = False,
        *,
        rng: np.random.Generator,
    ) -> None:
        window = kernel_size, stride, padding, dilation, groups
        conv = synapse.Conv(
            in_features,
            out_features,
            *window,
            weight_scale,
            weight_norm,
            pre_hook_fx,
            mask,
            rng=rng,
        )
        super().__init__(conv, make_neuron(neuron_params), conv.axes, rng, delay_shift, count_log)
        self.neuron.build(out_features, rng)


class Pool(Block):
    """A pooling layer on (N, C, H, W, T): the sum of a window times a fixed `weight_scale`, then
    the neuron, without a norm.
    """

    def __init__(
        self,
        neuron_params: Params,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        weight_scale: float = 1,
        pre_hook_fx: PreHook | None = quantize_8bit,
        delay_shift: bool = False,
        count_log: bool = False,
        *,
        rng: np.random.Generator,
    ) -> None:
        arrays.generator("rng", rng)
        pool = synapse.Pool(kernel_size, stride, padding, dilation, weight_scale, pre_hook_fx)
        plain = (
            {k: v for k, v in neuron_params.items() if k != "norm"}
            if isinstance(neuron_params, Mapping)
            else neuron_params
        )
        super().__init__(pool, make_neuron(plain), pool.axes, rng, delay_shift, count_log)


def make_neuron(params: Params) -> Spiking:
    """A CUBA neuron from a dict with neuron.cuba.Neuron's keys, or the neuron itself; raises
    RangeError, TypeMismatchError.

    A neuron object belongs to one block: it holds the state and the parameters of that layer.
    """
    if isinstance(params, Spiking):
        return params
    if not isinstance(params, Mapping):
        raise TypeMismatchError(
            "neuron_params",
            repr(params),
            "a dict of neuron.cuba.Neuron's arguments or a neuron.Spiking",
        )
    known = list(inspect.signature(cuba.Neuron).parameters)
    for key in params:
        if key not in known:
            raise RangeError("a key of neuron_params", repr(key), f"one of {known}")
    missing = [key for key in known[:3] if key not in params]
    if missing:
        raise RangeError("neuron_params", f"without {missing}", f"a dict with at least {known[:3]}")
    return cuba.Neuron(**params)
