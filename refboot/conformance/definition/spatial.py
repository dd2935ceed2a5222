"""Convolution and pooling with their parameters, on plain arrays."""

from __future__ import annotations

import numpy as np

from refboot import arrays, reference
from refboot.conformance.definition import blocks
from refboot.errors import RangeError, ShapeError
from refboot.reference import conv, pool

Array = np.ndarray
Pair = tuple[int, int]


def conv_synapse(
    x: Array, v: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """SYN-7 to SYN-9: the weighted input of a convolution with its weight (O, C/G, K, L) as
    learned; raises RangeError, ShapeError.
    """
    if x.shape[1] % groups or len(v) % groups:
        raise RangeError("groups", groups, "a divisor of the channels")
    arrays.check_shape("x", x, ("N", v.shape[1] * groups, "H", "W", "T"))
    fits(x.shape[2:4], v.shape[2:4], stride, padding, dilation)
    return reference.conv_forward(x, blocks.quantised(v), stride, padding, dilation, groups)


def pool_synapse(x: Array, kernel: Pair, weight_scale: float) -> Array:
    """SYN-10: the weighted input of a pooling layer whose stride is its window; raises
    ShapeError.
    """
    weight = blocks.quantised(np.full(kernel, weight_scale, np.float32).astype(x.dtype))
    fits(pool.whole_size(x.shape[2:4], kernel), kernel, kernel, (0, 0), (1, 1))
    return reference.pool_forward(x, weight, kernel, (0, 0), (1, 1))


def fits(size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """SYN-8: raise ShapeError unless the window fits into the padded picture."""
    out = [
        conv.output_size(size[k], kernel[k], stride[k], padding[k], dilation[k]) for k in range(2)
    ]
    if min(out) < 1:
        raise ShapeError("the output", f"of size {out}", "at least 1")
