"""refboot's convolutions, pools and norms, asked as the table of operations asks."""

from __future__ import annotations

from typing import Any

import numpy as np

from refboot import arrays, ops
from refboot.block import cuba as block
from refboot.conformance.own.parts import give
from refboot.conformance.own.replay import SEED
from refboot.neuron.norm import MeanOnlyBatchNorm, WgtScaleBatchNorm
from refboot.reference.norm import norm_std
from refboot.routine import Mode
from refboot.synapse import Conv, Pool

Array = np.ndarray
Pair = tuple[int, int]


def conv_synapse(
    x: Array, v: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The weighted input of a convolution."""
    rng = np.random.default_rng(SEED)
    synapse = Conv(
        v.shape[1] * groups, len(v), v.shape[2:], stride, padding, dilation, groups, rng=rng
    )
    give(synapse.weight, v, None)
    return synapse.forward(arrays.floats("x", x, synapse.axes))


def pool_synapse(x: Array, kernel: Pair, weight_scale: float) -> Array:
    """The weighted input of a pool."""
    return Pool(kernel, weight_scale=weight_scale).forward(x)


def make_norm(channels: int, scaled: bool, momentum: float = 0.1) -> MeanOnlyBatchNorm:
    """A norm for so many channels."""
    made = WgtScaleBatchNorm(momentum) if scaled else MeanOnlyBatchNorm(momentum)
    made.build(channels)
    return made


def batch_norm(
    x: Array, mean: Array, variance: Array, momentum: float, scaled: bool, training: bool
) -> tuple[Array, ...]:
    """The normed x, and the running statistics afterwards."""
    norm = make_norm(len(mean), scaled, momentum)
    named = norm.parameters()
    named["running_mean"].data[...] = mean
    if scaled:
        named["running_var"].data[...] = variance
    y = norm.forward(x, training)
    return y, named["running_mean"].data, named["running_var"].data if scaled else variance


def batch_norm_backward(grad: Array, x: Array, scaled: bool, training: bool) -> Array:
    """Gradient for x."""
    norm = make_norm(x.shape[1], scaled)
    norm.forward(x, training)
    return norm.backward(grad)


def norm_exponent(variance: Array) -> Array:
    """The exponent of a scaling norm."""
    return np.log2(norm_std(variance)).astype(np.int64)


def normed_block(v: Array, threshold: float, voltage_decay: float, scaled: bool) -> block.Dense:
    """A dense block with a norm."""
    neuron: dict[str, Any] = {
        "threshold": threshold,
        "current_decay": 1.0,
        "voltage_decay": voltage_decay,
    }
    norm = WgtScaleBatchNorm if scaled else MeanOnlyBatchNorm
    outputs, inputs = v.shape
    layer = block.Dense(neuron | {"norm": norm}, inputs, outputs, rng=np.random.default_rng(SEED))
    give(layer.synapse.weight, v, None)  # type: ignore[attr-defined]
    return layer


def normed_sample(
    x: Array, v: Array, threshold: float, voltage_decay: float, scaled: bool
) -> tuple[Array, ...]:
    """Spikes and points in SAMPLE mode."""
    layer = normed_block(v, threshold, voltage_decay, scaled)
    return layer.forward(x, Mode.SAMPLE), layer.f.z, layer.f.a


def normed_rates(x: Array, v: Array, knots: Array, slopes: Array, scaled: bool) -> Array:
    """Rates in ANN mode, in training."""
    layer = normed_block(v, 1.0, 0.5, scaled)
    layer.load_buffers({"curve.knots": knots, "curve.slopes": slopes})
    return layer.forward(x, Mode.ANN)


def exchange_norm(running_mean: Array) -> Array:
    """The bias mantissas of a norm."""
    norm = make_norm(len(running_mean), False)
    norm.parameters()["running_mean"].data[...] = running_mean
    return norm.bias


def input_drive(x: Array, weight: int, bias: int) -> Array:
    """The drive of pixels in state units."""
    w, b = (np.array([value], np.float32) / np.float32(64) for value in (weight, bias))
    o = ops.active()
    return (o.input_forward(o.quantize_8bit(x), w, b) * np.float32(4096)).astype(np.int64)
