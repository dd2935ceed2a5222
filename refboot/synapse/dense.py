"""The learned weight with its norm, mask and quantisation; the dense synapse, and the input's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.errors import OrderError, ShapeError
from refboot.optim import Parameter
from refboot.reference.draws import uniform
from refboot.reference.synapse import row_norm


class PreHook(NamedTuple):
    """A quantisation: `forward(x)` before use and its gradient `backward(grad, x)`; float32."""

    forward: Callable[[Floats], Floats]
    backward: Callable[[Floats, Floats], Floats]


quantize_8bit = PreHook(
    lambda x: ops.active().quantize_8bit(x),
    lambda grad, x: ops.active().quantize_8bit_backward(grad, x),
)
identity = PreHook(lambda x: x, lambda grad, x: grad)


def pre_hook(choice: PreHook | None) -> PreHook:
    """`choice`, or no quantisation for None; raises TypeMismatchError. Spec: SYN-12."""
    expected = "a refboot.synapse.PreHook (its forward and its gradient) or None"
    return identity if choice is None else arrays.instance("pre_hook_fx", choice, PreHook, expected)


class Weight:
    """A weight of `shape` (O, ...), drawn with `rng` uniformly from +-weight_scale / sqrt(fan_in).

    With `weight_norm` it is g * v / ||v|| for each output, and g starts at ||v||. `mask` (of the
    same shape) multiplies it, then `pre_hook_fx` quantises it. `v` and `g` are its parameters; `g`
    is None without weight norm. Spec: SYN-4, TRN-7.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        weight_scale: float,
        weight_norm: bool,
        mask: Floats | None,
        pre_hook_fx: PreHook | None,
        rng: np.random.Generator,
    ) -> None:
        normed = arrays.flag("weight_norm", weight_norm)
        scale = arrays.number("weight_scale", weight_scale, 0, above=True)
        self.hook = pre_hook(pre_hook_fx)
        self.mask = None if mask is None else arrays.floats("mask", mask, shape)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        drawn = uniform(arrays.generator("rng", rng), -bound, bound, shape) * scale
        self.v = Parameter(drawn.astype(np.float32))
        self.g = Parameter(row_norm(self.v.data)) if normed else None

    def parameters(self) -> dict[str, Parameter]:
        """`weight_g` and `weight_v` with weight norm, else `weight`."""
        return {"weight": self.v} if self.g is None else {"weight_g": self.g, "weight_v": self.v}

    def full(self) -> Floats:
        """The weight with norm and mask, before quantisation; float32."""
        w = self.v.data
        if self.g is not None:
            w = ops.active().weight_norm_forward(w, self.g.data)
        return w if self.mask is None else w * self.mask

    def quantised(self) -> Floats:
        """The weight as it is used; float32, by default multiples of 1/32. Spec: NET-5."""
        return self.hook.forward(self.full())

    def backward(self, grad: Floats, full: Floats) -> None:
        """Add the parameters' gradients, given that of the weight as used, and `full`.

        Spec: GRD-8.
        """
        grad = self.hook.backward(grad, full)
        if self.mask is not None:
            grad = grad * self.mask
        if self.g is not None:
            grad, gg = ops.active().weight_norm_backward(grad, self.v.data, self.g.data)
            self.g.add_grad(gg)
        self.v.add_grad(grad)


class Dense:
    """Weighted sums of `in_neurons` inputs for `out_neurons` outputs: weight (out, in), no bias.

    See Weight for the other arguments. Raises RangeError, TypeMismatchError.
    """

    def __init__(
        self,
        in_neurons: int,
        out_neurons: int,
        weight_scale: float = 1,
        weight_norm: bool = False,
        pre_hook_fx: PreHook | None = quantize_8bit,
        mask: Floats | None = None,
        *,
        rng: np.random.Generator,
    ) -> None:
        self.in_neurons = arrays.whole("in_neurons", in_neurons)
        self.out_neurons = arrays.whole("out_neurons", out_neurons)
        shape = out_neurons, in_neurons
        self.weight = Weight(shape, weight_scale, weight_norm, mask, pre_hook_fx, rng)
        self._cache: tuple[Floats, Floats, Floats] | None = None

    @property
    def axes(self) -> tuple[int | str, ...]:
        """The shape of an input."""
        return ("N", self.in_neurons, "T")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output for an input (in,), both without N and T; raises ShapeError."""
        if shape != (self.in_neurons,):
            expected = f"({self.in_neurons},) (after a Flatten, if it has more axes)"
            raise ShapeError("the input of Dense", f"of shape {shape}", expected)
        return (self.out_neurons,)

    def parameters(self) -> dict[str, Parameter]:
        """The weight's parameters."""
        return self.weight.parameters()

    def forward(self, x: Floats) -> Floats:
        """z (N, out, T) for x (N, in, T), float32; raises ShapeError."""
        full = self.weight.full()
        weight = self.weight.hook.forward(full)
        if x.shape[1] != weight.shape[1]:
            expected = f"(N, {weight.shape[1]}, T), by the weight's {weight.shape}"
            raise ShapeError("x", f"of shape {x.shape}", expected)
        self._cache = x, weight, full
        return ops.active().dense_forward(x, weight)

    def backward(self, grad: Floats) -> Floats:
        """Gradient with respect to the x of the last `forward`; adds the parameters' gradients."""
        if self._cache is None:
            raise OrderError("Dense.backward", "called first", "a forward pass before it")
        x, weight, full = self._cache
        gx, gw = ops.active().dense_backward(grad, x, weight)
        self.weight.backward(gw, full)
        return gx


class Scalar:
    """The input layer's synapse: z = weight * x + bias, one weight and one bias for all neurons.

    x is quantised like both. None leaves out `weight` (then it counts as 1) or `bias` (0).
    """

    def __init__(
        self,
        weight: float | None = None,
        bias: float | None = None,
        pre_hook_fx: PreHook | None = quantize_8bit,
    ) -> None:
        self.hook = pre_hook(pre_hook_fx)
        given = {"weight": weight, "bias": bias}
        self._parameters = {
            name: Parameter(np.array([arrays.number(name, value)], np.float32))
            for name, value in given.items()
            if value is not None
        }
        self.weight, self.bias = self._parameters.get("weight"), self._parameters.get("bias")
        self._cache: tuple[Floats, Floats, Floats] | None = None

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output: that of the input."""
        return shape

    def parameters(self) -> dict[str, Parameter]:
        """`weight` and `bias`, each (1,), without those left out."""
        return self._parameters

    def quantised(self) -> tuple[Floats, Floats]:
        """Weight and bias as they are used, each (1,)."""
        one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
        return (
            one if self.weight is None else self.hook.forward(self.weight.data),
            zero if self.bias is None else self.hook.forward(self.bias.data),
        )

    def forward(self, x: Floats) -> Floats:
        """z of x's shape, float32."""
        (weight, bias), quantised = self.quantised(), self.hook.forward(x)
        self._cache = x, quantised, weight
        return ops.active().input_forward(quantised, weight, bias)

    def backward(self, grad: Floats) -> Floats:
        """Gradient with respect to the x of the last `forward`; adds those of weight and bias."""
        if self._cache is None:
            raise OrderError("Scalar.backward", "called first", "a forward pass before it")
        x, quantised, weight = self._cache
        gx, gw, gb = ops.active().input_backward(grad, quantised, weight)
        for parameter, gradient in ((self.weight, gw), (self.bias, gb)):
            if parameter is not None:
                parameter.add_grad(self.hook.backward(gradient, parameter.data))
        return self.hook.backward(gx, x)
