"""The convolutional synapse: the same weights at every pixel."""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.errors import OrderError, RangeError, ShapeError
from refboot.parameter import Parameter
from refboot.synapse.hook import PreHook, quantize_8bit
from refboot.synapse.weight import Weight
from refboot.synapse.window import Size, window


class Conv:
    """Convolution from `in_features` to `out_features` channels, no bias; weight (out, in / groups,
    height, width).

    Sizes are whole numbers or pairs (height, width); `padding` is zeros, `groups` must divide both
    numbers of channels. See Weight for the other arguments. Raises RangeError, TypeMismatchError.
    """

    def __init__(
        self,
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
        *,
        rng: np.random.Generator,
    ) -> None:
        self.in_features = arrays.whole("in_features", in_features)
        self.out_features = arrays.whole("out_features", out_features)
        self.groups = arrays.whole("groups", groups)
        if in_features % groups or out_features % groups:
            raise RangeError(
                "groups", groups, f"a divisor of both {in_features} and {out_features} channels"
            )
        self.window = window(kernel_size, stride, padding, dilation)
        shape = out_features, in_features // groups, *self.window.kernel
        self.weight = Weight(shape, weight_scale, weight_norm, mask, pre_hook_fx, rng)
        self._cache: tuple[Floats, Floats] | None = None

    @property
    def axes(self) -> tuple[int | str, ...]:
        """The shape of an input."""
        return ("N", self.in_features, "H", "W", "T")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output for an input (C, H, W), both without N and T; raises
        ShapeError.
        """
        if len(shape) != 3 or shape[0] != self.in_features:
            raise ShapeError(
                "the input of Conv", f"of shape {shape}", f"({self.in_features}, H, W)"
            )
        return self.out_features, *self.window.output((shape[1], shape[2]))

    def parameters(self) -> dict[str, Parameter]:
        """The weight's parameters."""
        return self.weight.parameters()

    def forward(self, x: Floats) -> Floats:
        """z (N, out, H', W', T) for x (N, in, H, W, T), float32; raises ShapeError for a picture
        smaller than the kernel.
        """
        self.output_shape(x.shape[1:-1])
        weight = self.weight.forward()
        self._cache = x, weight
        return ops.active().conv_forward(x, weight, *self.window[1:], self.groups)

    def backward(self, grad: Floats) -> Floats:
        """Gradient for the x of the last `forward`; adds those of the weight's parameters."""
        if self._cache is None:
            raise OrderError("Conv.backward", "called first", "a forward pass before it")
        gx, gw = ops.active().conv_backward(grad, *self._cache, *self.window[1:], self.groups)
        self.weight.backward(gw)
        return gx
