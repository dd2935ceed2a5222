"""The synapses that slide a window over a picture: convolution and pooling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.errors import OrderError, RangeError, ShapeError, TypeMismatchError
from refboot.optim import Parameter
from refboot.reference.conv import Pair, output_size
from refboot.reference.pool import whole_size
from refboot.synapse.dense import PreHook, Weight, pre_hook, quantize_8bit

Size = int | tuple[int, int]


class Window(NamedTuple):
    """Kernel, stride, padding and dilation, each (height, width)."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    def output(self, size: Pair) -> Pair:
        """Height and width of the output for a picture of `size`.

        Raises ShapeError for a kernel larger than the padded picture.
        """
        height, width = (output_size(*axis) for axis in zip(size, *self, strict=True))
        if min(height, width) < 1:
            reach = tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
            padded = tuple(s + 2 * p for s, p in zip(size, self.padding, strict=True))
            got = f"{reach} wide, dilation included"
            raise ShapeError("the kernel", got, f"at most the padded input, {padded}")
        return height, width


def pair(name: str, value: Size, low: int = 1) -> Pair:
    """`value` as (height, width), each at least `low`; raises TypeMismatchError, RangeError."""
    both = value if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2:
        raise TypeMismatchError(name, repr(value), "a whole number or a pair (height, width)")
    return arrays.whole(name, both[0], low, 2**15), arrays.whole(name, both[1], low, 2**15)


class Conv:
    """Convolution from `in_features` to `out_features` channels, without a bias.

    The weight is (out, in / groups, height, width). Sizes are whole numbers or pairs (height,
    width). `padding` adds zeros; `groups` must divide both numbers of channels. See Weight for the
    other arguments. Raises RangeError, TypeMismatchError.
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
            expected = f"a divisor of both {in_features} and {out_features} channels"
            raise RangeError("groups", groups, expected)
        self.window = Window(
            pair("kernel_size", kernel_size),
            pair("stride", stride),
            pair("padding", padding, 0),
            pair("dilation", dilation),
        )
        shape = out_features, in_features // groups, *self.window.kernel
        self.weight = Weight(shape, weight_scale, weight_norm, mask, pre_hook_fx, rng)
        self._cache: tuple[Floats, Floats, Floats] | None = None

    @property
    def axes(self) -> tuple[int | str, ...]:
        """The shape of an input."""
        return ("N", self.in_features, "H", "W", "T")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output for an input (C, H, W), both without N and T.

        Raises ShapeError.
        """
        if len(shape) != 3 or shape[0] != self.in_features:
            expected = f"({self.in_features}, H, W)"
            raise ShapeError("the input of Conv", f"of shape {shape}", expected)
        return self.out_features, *self.window.output((shape[1], shape[2]))

    def parameters(self) -> dict[str, Parameter]:
        """The weight's parameters."""
        return self.weight.parameters()

    def forward(self, x: Floats) -> Floats:
        """z (N, out, H', W', T) for x (N, in, H, W, T), float32; raises ShapeError."""
        self.output_shape(x.shape[1:-1])
        full = self.weight.full()
        weight = self.weight.hook.forward(full)
        self._cache = x, weight, full
        return ops.active().conv_forward(x, weight, *self.window[1:], self.groups)

    def backward(self, grad: Floats) -> Floats:
        """Gradient with respect to the x of the last `forward`; adds the parameters' gradients."""
        if self._cache is None:
            raise OrderError("Conv.backward", "called first", "a forward pass before it")
        x, weight, full = self._cache
        gx, gw = ops.active().conv_backward(grad, x, weight, *self.window[1:], self.groups)
        self.weight.backward(gw, full)
        return gx


class Pool:
    """The sum over a window of each channel, times the quantised `weight_scale`.

    `stride` None is the window's own size. If the window does not divide the picture, zeros are
    added below and right. Raises RangeError, TypeMismatchError.
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
        self.window = Window(
            pair("kernel_size", kernel_size),
            pair("stride", kernel_size if stride is None else stride),
            pair("padding", padding, 0),
            pair("dilation", dilation),
        )
        self.hook = pre_hook(pre_hook_fx)
        value = arrays.number("weight_scale", weight_scale)
        shape = 1, 1, *self.window.kernel
        self.weight = Parameter(np.full(shape, value, np.float32), trainable=False)
        self._cache: tuple[Floats, tuple[int, int]] | None = None

    @property
    def axes(self) -> tuple[int | str, ...]:
        """The shape of an input."""
        return ("N", "C", "H", "W", "T")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output for an input (C, H, W), both without N and T.

        Raises ShapeError.
        """
        if len(shape) != 3:
            raise ShapeError("the input of Pool", f"of shape {shape}", "(C, H, W)")
        return shape[0], *self.window.output(whole_size((shape[1], shape[2]), self.window.kernel))

    def parameters(self) -> dict[str, Parameter]:
        """`weight` (1, 1, height, width), which is saved and not learned."""
        return {"weight": self.weight}

    def quantised(self) -> Floats:
        """The weight as it is used (height, width); float32."""
        return self.hook.forward(self.weight.data)[0, 0]

    def forward(self, x: Floats) -> Floats:
        """z (N, C, H', W', T) for x (N, C, H, W, T), float32; raises ShapeError."""
        self.output_shape(x.shape[1:-1])
        weight = self.quantised()
        self._cache = weight, (x.shape[2], x.shape[3])
        return ops.active().pool_forward(x, weight, *self.window[1:])

    def backward(self, grad: Floats) -> Floats:
        """Gradient with respect to the x of the last `forward`."""
        if self._cache is None:
            raise OrderError("Pool.backward", "called first", "a forward pass before it")
        return ops.active().pool_backward(grad, *self._cache, *self.window[1:])
