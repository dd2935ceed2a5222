"""Twins of refboot.reference.pool: pooling by the compiled convolution."""

from __future__ import annotations

from refboot import reference
from refboot.arrays import Floats
from refboot.kernels.conv import conv_forward, conv_input_backward
from refboot.reference.conv import Pair


def pool_forward(x: Floats, weight: Floats, stride: Pair, padding: Pair, dilation: Pair) -> Floats:
    """See reference.pool_forward."""
    return reference.pool_forward(x, weight, stride, padding, dilation, conv_forward)


def pool_backward(
    grad: Floats, weight: Floats, size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Floats:
    """See reference.pool_backward."""
    return reference.pool_backward(
        grad, weight, size, stride, padding, dilation, conv_input_backward
    )
