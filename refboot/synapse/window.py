"""The window of a convolution or pooling: its numbers, checked, and the size of the picture that it
leaves.
"""

from __future__ import annotations

from typing import NamedTuple

from refboot import arrays
from refboot.errors import ShapeError, TypeMismatchError
from refboot.reference.conv import Pair, output_size

Size = int | tuple[int, int]


class Window(NamedTuple):
    """Kernel, stride, padding and dilation, each (height, width)."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    def output(self, size: Pair) -> Pair:
        """Height and width of the output for a picture of `size`; raises ShapeError for a kernel
        larger than the padded picture.
        """
        out = [
            output_size(size[k], self.kernel[k], self.stride[k], self.padding[k], self.dilation[k])
            for k in range(2)
        ]
        if min(out) < 1:
            reach = tuple((self.kernel[k] - 1) * self.dilation[k] + 1 for k in range(2))
            padded = tuple(size[k] + 2 * self.padding[k] for k in range(2))
            raise ShapeError(
                "the kernel",
                f"{reach} wide, dilation included",
                f"at most the padded input, {padded}",
            )
        return out[0], out[1]


def window(kernel_size: Size, stride: Size, padding: Size, dilation: Size) -> Window:
    """A window from whole numbers or pairs (height, width); raises TypeMismatchError, RangeError (a
    stride of 0).
    """
    return Window(
        pair("kernel_size", kernel_size),
        pair("stride", stride),
        pair("padding", padding, 0),
        pair("dilation", dilation),
    )


def pair(name: str, value: Size, low: int = 1) -> Pair:
    """`value` as (height, width), each at least `low`; raises TypeMismatchError, RangeError."""
    both = value if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2:
        raise TypeMismatchError(name, repr(value), "a whole number or a pair (height, width)")
    return arrays.whole(name, both[0], low, 2**15), arrays.whole(name, both[1], low, 2**15)
