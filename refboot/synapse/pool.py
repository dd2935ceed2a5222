"""The pooling synapse: the sum of a window, times one weight that is not learned."""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.errors import OrderError, ShapeError
from refboot.parameter import Parameter
from refboot.reference.pool import whole_size
from refboot.synapse.hook import PreHook, pre_hook, quantize_8bit
from refboot.synapse.window import Size, window


class Pool:
    """The sum over a window of each channel, times `weight_scale`, quantised; `stride` None is the
    window's own size.

    A picture whose size the window does not divide gets zeros below and right. Raises RangeError,
    TypeMismatchError.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        weight_scale: float = 1,
        pre_hook_fx: PreHook | None = quantize_8bit,
    ) -> None:
        self.window = window(
            kernel_size, kernel_size if stride is None else stride, padding, dilation
        )
        self.hook = pre_hook(pre_hook_fx)
        value = arrays.number("weight_scale", weight_scale)
        self.weight = Parameter(
            np.full((1, 1, *self.window.kernel), value, np.float32), trainable=False
        )
        self._cache: tuple[Floats, tuple[int, int]] | None = None

    @property
    def axes(self) -> tuple[int | str, ...]:
        """The shape of an input."""
        return ("N", "C", "H", "W", "T")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output for an input (C, H, W), both without N and T; raises
        ShapeError.
        """
        if len(shape) != 3:
            raise ShapeError("the input of Pool", f"of shape {shape}", "(C, H, W)")
        return shape[0], *self.window.output(whole_size((shape[1], shape[2]), self.window.kernel))

    def parameters(self) -> dict[str, Parameter]:
        """`weight` (1, 1, height, width), saved and not learned."""
        return {"weight": self.weight}

    def quantised(self) -> Floats:
        """The weight as it is used (height, width); float32."""
        return self.hook.forward(self.weight.data)[0, 0]

    def forward(self, x: Floats) -> Floats:
        """z (N, C, H', W', T) for x (N, C, H, W, T), float32; raises ShapeError for a picture
        smaller than the window.
        """
        self.output_shape(x.shape[1:-1])
        weight = self.quantised()
        self._cache = weight, (x.shape[2], x.shape[3])
        return ops.active().pool_forward(x, weight, *self.window[1:])

    def backward(self, grad: Floats) -> Floats:
        """Gradient for the x of the last `forward`."""
        if self._cache is None:
            raise OrderError("Pool.backward", "called first", "a forward pass before it")
        return ops.active().pool_backward(grad, *self._cache, *self.window[1:])
