"""The scalar synapse of an input layer: one weight and one bias for all."""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.errors import OrderError
from refboot.parameter import Parameter
from refboot.synapse.hook import PreHook, pre_hook, quantize_8bit


class Scalar:
    """z = weight * x + bias, x quantised like both; `weight` or `bias` None leaves that part
    out.
    """

    def __init__(
        self,
        weight: float | None = None,
        bias: float | None = None,
        pre_hook_fx: PreHook | None = quantize_8bit,
    ) -> None:
        self.hook = pre_hook(pre_hook_fx)
        self.weight = (
            None
            if weight is None
            else Parameter(np.array([arrays.number("weight", weight)], np.float32))
        )
        self.bias = (
            None if bias is None else Parameter(np.array([arrays.number("bias", bias)], np.float32))
        )
        self._cache: tuple[Floats, Floats, Floats] | None = None

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output: that of the input."""
        return shape

    def parameters(self) -> dict[str, Parameter]:
        """`weight` and `bias`, where there are any, each (1,)."""
        named = {"weight": self.weight, "bias": self.bias}
        return {name: parameter for name, parameter in named.items() if parameter is not None}

    def quantised(self) -> tuple[Floats, Floats]:
        """Weight and bias as they are used, each (1,); 1 and 0 where there is none."""
        weight = (
            np.ones(1, np.float32) if self.weight is None else self.hook.forward(self.weight.data)
        )
        return weight, np.zeros(1, np.float32) if self.bias is None else self.hook.forward(
            self.bias.data
        )

    def forward(self, x: Floats) -> Floats:
        """z of x's shape, float32."""
        (weight, bias), quantised = self.quantised(), self.hook.forward(x)
        self._cache = x, quantised, weight
        return ops.active().input_forward(quantised, weight, bias)

    def backward(self, grad: Floats) -> Floats:
        """Gradient for the x of the last `forward`; adds those of weight and bias."""
        if self._cache is None:
            raise OrderError("Scalar.backward", "called first", "a forward pass before it")
        x, quantised, weight = self._cache
        gx, gw, gb = ops.active().input_backward(grad, quantised, weight)
        for parameter, gradient in ((self.weight, gw), (self.bias, gb)):
            if parameter is not None:
                parameter.add_grad(self.hook.backward(gradient, parameter.data))
        return self.hook.backward(gx, x)
