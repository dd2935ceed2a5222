"""Synapses and blocks on plain arrays. A forward pass returns its output and the function that is
its backward pass.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refboot import arrays, reference
from refboot.conformance.definition import parts
from refboot.conformance.definition.neurons import Cell, cell, fire, fire_backward

Array = np.ndarray
Backward = Callable[[Array], tuple[Array, ...]]
Forward = Callable[[Array], tuple[Array, Backward]]
SPIKING = ("SNN", "SAMPLE")
NONE = np.zeros(0)


def quantised(weight: Array) -> Array:
    """SYN-4: the weight as it is used."""
    return reference.quantize_8bit(weight)


def full_weight(v: Array, g: Array | None, mask: Array | None = None) -> Array:
    """SYN-4, SYN-5: the weight before it is quantised, of v and, with weight norm, g."""
    w = v if g is None else reference.weight_norm_forward(v, g)
    return w if mask is None else w * mask


def dense(x: Array, v: Array, g: Array | None, mask: Array | None = None) -> tuple[Array, Backward]:
    """SYN-1, SYN-4, GRD-6: the dense synapse; backward gives the gradients for x, v and g (empty
    without weight norm).
    """
    arrays.floats("x", x, ("N", v.shape[1], "T"))
    full = full_weight(v, g, mask)
    used = quantised(full)

    def backward(grad: Array) -> tuple[Array, ...]:
        gx, gw = reference.dense_backward(grad, x, used)
        gw = reference.quantize_8bit_backward(gw, full)
        gw = gw if mask is None else gw * mask
        return (gx, gw, NONE) if g is None else (gx, *reference.weight_norm_backward(gw, v, g))

    return reference.dense_forward(x, used), backward


def scalar(x: Array, weight: float | None, bias: float | None) -> tuple[Array, Backward]:
    """SYN-6, GRD-9: the input layer's synapse; backward gives the gradients for x, weight and bias
    (empty where there is none).
    """
    arrays.floats("x", x)
    w, b = (
        None if value is None else np.array([value], np.float32).astype(x.dtype)
        for value in (weight, bias)
    )
    qx = quantised(x)
    qw = np.ones(1, x.dtype) if w is None else quantised(w)
    qb = np.zeros(1, x.dtype) if b is None else quantised(b)

    def backward(grad: Array) -> tuple[Array, ...]:
        straight = reference.quantize_8bit_backward
        gx, gw, gb = reference.input_backward(grad, qx, qw)
        return (
            straight(gx, x),
            NONE if w is None else straight(gw, w),
            NONE if b is None else straight(gb, b),
        )

    return reference.input_forward(qx, qw, qb), backward


def spikes(
    z: Array, of: Cell, shift: bool, kept: Array | None = None, p: float = 0
) -> tuple[Array, Backward]:
    """MOD-1: neuron, dropout and delay shift; backward gives the gradient for z."""
    s, voltage = fire(z, of)
    s = s if kept is None else parts.dropout_forward(s, kept, p, True)

    def backward(grad: Array) -> tuple[Array, ...]:
        grad = parts.delay_backward(grad) if shift else grad
        grad = grad if kept is None else parts.dropout_backward(grad, kept, p)
        return (fire_backward(grad, voltage, of),)

    return parts.delay_forward(s) if shift else s, backward


def rates(
    z: Array, knots: Array | None, slopes: Array | None, kept: Array | None = None, p: float = 0
) -> tuple[Array, Backward]:
    """MOD-4: curve and dropout on one step; backward gives the gradient for z."""
    a = parts.curve_forward(z, knots, slopes)

    def backward(grad: Array) -> tuple[Array, ...]:
        assert knots is not None and slopes is not None  # noqa: PT018 - there was a forward pass
        grad = grad if kept is None else parts.dropout_backward(grad, kept, p)
        return (parts.curve_backward(grad, z, knots, slopes),)

    return a if kept is None else parts.dropout_forward(a, kept, p, True), backward


def layer(x: Array, mode: str, synapse: Forward, activate: Forward) -> tuple[Array, Backward]:
    """MOD-1, MOD-4, MOD-15: synapse, then `activate`, on T steps or, in a rate mode, on their mean;
    backward starts with x's gradient.
    """
    steps, bridged = x.shape[-1], mode not in SPIKING and x.shape[-1] > 1
    z, synapse_back = synapse(parts.mean_rate(x) if bridged else x)
    y, back = activate(z)

    def backward(grad: Array) -> tuple[Array, ...]:
        gx, *others = synapse_back(*back(grad))
        return (parts.mean_rate_backward(gx, steps) if bridged else gx, *others)

    return y, backward


def dense_block(
    mode: str,
    x: Array,
    grad: Array,
    v: Array,
    g: Array | None,
    knots: Array | None,
    slopes: Array | None,
    threshold: float,
    current_decay: float,
    voltage_decay: float,
    delay_shift: bool,
    kept: Array | None,
    p: float,
) -> tuple[Array, ...]:
    """MOD-1, MOD-4: output of a dense block in `mode`, and the gradients for x, v, g, given that of
    the output.
    """
    of = cell(threshold, current_decay, voltage_decay)
    y, backward = layer(
        x,
        mode,
        lambda x: dense(x, v, g),
        lambda z: (
            spikes(z, of, delay_shift, kept, p)
            if mode in SPIKING
            else rates(z, knots, slopes, kept, p)
        ),
    )
    return y, *backward(grad)


def dense_sample(
    x: Array,
    v: Array,
    g: Array | None,
    threshold: float,
    current_decay: float,
    voltage_decay: float,
    delay_shift: bool,
    kept: Array | None,
    p: float,
) -> tuple[Array, ...]:
    """MOD-2, SAM-1: output of a dense block in SAMPLE mode, and the points (z, a) that its sampler
    takes.
    """
    of = cell(threshold, current_decay, voltage_decay)
    z, _ = dense(x, v, g)
    y, _ = spikes(z, of, delay_shift, kept, p)
    return y, *parts.sample_points(z, fire(z, of)[0])


def input_block(
    mode: str,
    x: Array,
    grad: Array,
    weight: float | None,
    bias: float | None,
    knots: Array | None,
    slopes: Array | None,
    threshold: float,
    current_decay: float,
    voltage_decay: float,
    delay_shift: bool,
) -> tuple[Array, ...]:
    """SYN-6 in the modes: output of an input block, and the gradients for x, weight and bias."""
    of = cell(threshold, current_decay, voltage_decay)
    y, backward = layer(
        x,
        mode,
        lambda x: scalar(x, weight, bias),
        lambda z: spikes(z, of, delay_shift) if mode in SPIKING else rates(z, knots, slopes),
    )
    return y, *backward(grad)


def affine_block(mode: str, x: Array, grad: Array, v: Array, g: Array | None) -> tuple[Array, ...]:
    """MOD-5: output of the read-out in `mode`, and the gradients for x, v, g."""
    y, backward = layer(x, mode, lambda x: dense(x, v, g), lambda z: (z, lambda grad: (grad,)))
    return y, *backward(grad)


def dense_synapse(x: Array, v: Array, g: Array | None, mask: Array | None) -> Array:
    """SYN-4: the weighted input of a dense layer with its parameters as learned."""
    return dense(x, v, g, mask)[0]


def dense_synapse_backward(
    grad: Array, x: Array, v: Array, g: Array | None, mask: Array | None
) -> tuple[Array, ...]:
    """GRD-5 to GRD-8: gradients of `dense_synapse` for x, v, g."""
    return dense(x, v, g, mask)[1](grad)


def input_synapse(x: Array, weight: float | None, bias: float | None) -> Array:
    """SYN-6: the weighted input of an input layer."""
    return scalar(x, weight, bias)[0]


def input_synapse_backward(
    grad: Array, x: Array, weight: float | None, bias: float | None
) -> tuple[Array, ...]:
    """GRD-9: gradients of `input_synapse` for x, weight and bias."""
    return scalar(x, weight, bias)[1](grad)


def exchange_dense(
    v: Array, g: Array | None, threshold: float, current_decay: float, voltage_decay: float
) -> tuple[Array, ...]:
    """NET-3 to NET-5: the integers that are written for a dense layer: 64 times the quantised
    weight, decays, threshold mantissa.
    """
    of = cell(threshold, current_decay, voltage_decay)
    weight = (64 * quantised(full_weight(v, g))).astype(np.int64)
    return weight, of.i_decay[0], of.v_decay[0], np.array(of.mantissa)


def exchange_input(weight: float, bias: float) -> tuple[Array, ...]:
    """NET-6: the integers that are written for an input layer: 64 times the quantised weight and
    bias.
    """
    return tuple(
        (64 * quantised(np.array(value, np.float32))).astype(np.int64) for value in (weight, bias)
    )


def input_drive(x: Array, weight: int, bias: int) -> Array:
    """NET-10: the drive in state units of pixels x for the input layer's mantissas: 2 W k + 64
    B.
    """
    k = np.clip(np.rint(32 * x), -128, 127).astype(np.int64)
    return 2 * weight * k + 64 * bias


def integer_drive(s: Array, weight: Array) -> Array:
    """NET-9: the drive in state units (N, O, T) of spikes s through weight mantissas (O, I): 64
    times their sum.
    """
    return 64 * np.einsum("oi,nit->not", weight, s.astype(np.int64))
