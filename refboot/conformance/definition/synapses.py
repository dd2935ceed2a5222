"""Synapses as they are asked for alone, and the integers written to a network file."""

from __future__ import annotations

import numpy as np

from refboot import arrays, reference
from refboot.conformance.definition.layers import Pair, cell, dense, full_weight, quantised, scalar
from refboot.errors import RangeError, ShapeError
from refboot.reference import conv, pool

Array = np.ndarray


def dense_synapse(x: Array, v: Array, g: Array | None, mask: Array | None) -> Array:
    """SYN-4: the weighted input of a dense layer with its parameters as learned."""
    return dense(x, v, g, mask)[0]


def dense_synapse_backward(
    grad: Array, x: Array, v: Array, g: Array | None, mask: Array | None
) -> tuple[Array, ...]:
    """GRD-5 to GRD-8: gradients of `dense_synapse` with respect to x, v, g."""
    return dense(x, v, g, mask)[1](grad)


def input_synapse(x: Array, weight: float | None, bias: float | None) -> Array:
    """SYN-6: the weighted input of an input layer."""
    return scalar(x, weight, bias)[0]


def input_synapse_backward(
    grad: Array, x: Array, weight: float | None, bias: float | None
) -> tuple[Array, ...]:
    """GRD-9: gradients of `input_synapse` with respect to x, weight and bias."""
    return scalar(x, weight, bias)[1](grad)


def conv_synapse(
    x: Array, v: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """SYN-7 to SYN-9: the weighted input of a convolution with its weight (O, C/G, K, L) as
    learned; raises RangeError, ShapeError.
    """
    if x.shape[1] % groups or len(v) % groups:
        raise RangeError("groups", groups, "a divisor of the channels")
    arrays.check_shape("x", x, ("N", v.shape[1] * groups, "H", "W", "T"))
    check_window(x.shape[2:4], v.shape[2:4], stride, padding, dilation)
    return reference.conv_forward(x, quantised(v), stride, padding, dilation, groups)


def pool_synapse(x: Array, kernel: Pair, weight_scale: float) -> Array:
    """SYN-10: the weighted input of a pooling layer whose stride is its window; raises
    ShapeError.
    """
    weight = quantised(np.full(kernel, weight_scale, np.float32))
    check_window(pool.whole_size(x.shape[2:4], kernel), kernel, kernel, (0, 0), (1, 1))
    return reference.pool_forward(x, weight, kernel, (0, 0), (1, 1))


def check_window(size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """SYN-8: raise ShapeError unless the window fits into the padded picture."""
    out = [
        conv.output_size(size[k], kernel[k], stride[k], padding[k], dilation[k]) for k in range(2)
    ]
    if min(out) < 1:
        raise ShapeError("the output", f"of size {out}", "at least 1")


def initial_weight(uniform: Array, weight_scale: float) -> tuple[Array, Array]:
    """TRN-7: v and g from numbers (O, I) drawn uniformly from [-1, 1)."""
    bound = 1 / np.sqrt(uniform.shape[1])
    v = (bound * uniform.astype(np.float64) * weight_scale).astype(np.float32)
    return v, reference.synapse.row_norm(v)


def exchange_dense(
    v: Array, g: Array | None, threshold: float, current_decay: float, voltage_decay: float
) -> tuple[Array, ...]:
    """NET-3 to NET-5: the integers written for a dense layer: 64 times the quantised weight, the
    decays, the threshold mantissa.
    """
    of = cell(threshold, current_decay, voltage_decay)
    weight = (64 * quantised(full_weight(v, g))).astype(np.int64)
    return weight, of.i_decay[0], of.v_decay[0], np.array(of.mantissa)


def exchange_input(weight: float, bias: float) -> tuple[Array, ...]:
    """NET-6: the integers written for an input layer: 64 times the quantised weight and bias."""
    return tuple(
        (64 * quantised(np.array(value, np.float32))).astype(np.int64) for value in (weight, bias)
    )


def input_drive(x: Array, weight: int, bias: int) -> Array:
    """NET-10: the drive in state units of pixels x for an input layer's mantissas: 2 W k + 64 B."""
    k = np.clip(np.rint(32 * x), -128, 127).astype(np.int64)
    return 2 * weight * k + 64 * bias


def integer_drive(s: Array, weight: Array) -> Array:
    """NET-9: the drive in state units (N, O, T) of spikes s through weight mantissas (O, I): 64
    times their sum.
    """
    return 64 * np.einsum("oi,nit->not", weight, s.astype(np.int64))
