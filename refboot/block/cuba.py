"""Blocks with lava-dl's names and arguments.

`neuron_params` is a dict of neuron.cuba.Neuron's arguments, or any neuron object.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from refboot import arrays, synapse
from refboot.arrays import Floats
from refboot.block.base import Block
from refboot.block.plain import Average, Flatten
from refboot.errors import RangeError, TypeMismatchError
from refboot.neuron import Spiking, cuba
from refboot.neuron.cuba import Trace
from refboot.optim import Parameter
from refboot.reference.numbers import to_state
from refboot.synapse import PreHook, quantize_8bit
from refboot.synapse.window import Size

__all__ = ["Affine", "Average", "Conv", "Dense", "Flatten", "Input", "Pool", "make_neuron"]

Params = Mapping[str, Any] | Spiking


class Input(Block):
    """The input layer for x (N, C, ..., T): q(x) * q(weight) + q(bias), then the neuron.

    Weight and bias are learned scalars; None leaves them out.
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
        scalar = synapse.Scalar(weight, bias, pre_hook_fx)
        super().__init__(scalar, make_neuron(neuron_params), None, rng, delay_shift, count_log)

    def parameters(self) -> dict[str, Parameter]:
        """`weight` and `bias`, as lava-dl names them, and the neuron's."""
        named = super().parameters()
        return {name.removeprefix("synapse."): parameter for name, parameter in named.items()}


class Dense(Block):
    """A dense layer from `in_neurons` to `out_neurons`: weight (out, in), no bias.

    The other arguments are those of synapse.Dense.
    """

    def __init__(
        self,
        neuron_params: Params,
        in_neurons: int,
        out_neurons: int,
        *weight: Any,
        delay_shift: bool = False,
        count_log: bool = False,
        rng: np.random.Generator,
        **options: Any,
    ) -> None:
        dense = synapse.Dense(in_neurons, out_neurons, *weight, **options, rng=rng)
        super().__init__(dense, make_neuron(neuron_params), dense.axes, rng, delay_shift, count_log)
        self.neuron.build(out_neurons, rng)


class Affine(Block):
    """The read-out: a dense layer's synapse alone, in every mode, without spikes and curve.

    Its neuron parameters are kept for export. Spec: MOD-5, SAM-6.
    """

    read_out = True

    def __init__(
        self,
        neuron_params: Params,
        in_neurons: int,
        out_neurons: int,
        *weight: Any,
        count_log: bool = False,
        rng: np.random.Generator,
        **options: Any,
    ) -> None:
        dense = synapse.Dense(in_neurons, out_neurons, *weight, **options, rng=rng)
        super().__init__(dense, make_neuron(neuron_params), dense.axes, rng, False, count_log)
        self.neuron.build(out_neurons, rng)

    def trace(self, x: Floats) -> Trace:
        """The weighted input of every step as u, its sum so far as v, and no spikes.

        x is (N, C, T); u and v are int64 state units.
        """
        u = to_state(self.synapse.forward(arrays.floats("x", x, self.axes)))
        return Trace(u, np.cumsum(u, axis=-1), np.zeros(u.shape, np.float32))


class Conv(Block):
    """A convolutional layer on (N, C, H, W, T), from `in_features` to `out_features` channels.

    No bias. The other arguments are those of synapse.Conv.
    """

    def __init__(
        self,
        neuron_params: Params,
        in_features: int,
        out_features: int,
        kernel_size: Size,
        *window: Any,
        delay_shift: bool = False,
        count_log: bool = False,
        rng: np.random.Generator,
        **options: Any,
    ) -> None:
        conv = synapse.Conv(in_features, out_features, kernel_size, *window, **options, rng=rng)
        super().__init__(conv, make_neuron(neuron_params), conv.axes, rng, delay_shift, count_log)
        self.neuron.build(out_features, rng)


class Pool(Block):
    """A pooling layer on (N, C, H, W, T): the sum of a window times a fixed weight, then a neuron.

    The neuron has no norm. The other arguments are those of synapse.Pool.
    """

    def __init__(
        self,
        neuron_params: Params,
        kernel_size: Size,
        *window: Any,
        delay_shift: bool = False,
        count_log: bool = False,
        rng: np.random.Generator,
        **options: Any,
    ) -> None:
        arrays.generator("rng", rng)
        pool = synapse.Pool(kernel_size, *window, **options)
        if isinstance(neuron_params, Mapping):
            neuron_params = {k: v for k, v in neuron_params.items() if k != "norm"}
        super().__init__(pool, make_neuron(neuron_params), pool.axes, rng, delay_shift, count_log)


def make_neuron(params: object) -> Spiking:
    """A CUBA neuron from a dict of neuron.cuba.Neuron's arguments, or the neuron itself.

    A neuron object belongs to one block: it holds the state and the parameters of that layer.
    Raises RangeError, TypeMismatchError.
    """
    if isinstance(params, Spiking):
        return params
    if not isinstance(params, Mapping):
        expected = "a dict of neuron.cuba.Neuron's arguments or a neuron.Spiking"
        raise TypeMismatchError("neuron_params", repr(params), expected)
    known = list(inspect.signature(cuba.Neuron).parameters)
    for key in params:
        if key not in known:
            raise RangeError("a key of neuron_params", repr(key), f"one of {known}")
    missing = [key for key in known[:3] if key not in params]
    if missing:
        raise RangeError("neuron_params", f"without {missing}", f"a dict with at least {known[:3]}")
    return cuba.Neuron(**params)
