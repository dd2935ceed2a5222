"""Batch norms with their running statistics, and where they act in a layer, on plain arrays."""

from __future__ import annotations

import numpy as np

from refboot import reference
from refboot.conformance.definition import blocks, parts
from refboot.conformance.definition.neurons import cell, rest
from refboot.reference import fixed_point, norm

Array = np.ndarray
ONE = np.ones(1, np.float32)


def batch_norm(
    x: Array, running_mean: Array, running_var: Array, momentum: float, scaled: bool, training: bool
) -> tuple[Array, Array, Array]:
    """NRM-1 to NRM-6: the normed x (N, C, ..., T), and the running mean (C,) and variance (1,)
    afterwards.
    """
    mean, variance = reference.norm_statistics(x) if training else (running_mean, running_var)
    y = reference.norm_forward(x, reference.quantize_8bit(mean), divisor(variance, scaled))
    if not training:
        return y, running_mean, running_var
    return (
        y,
        moved(running_mean, mean, momentum),
        moved(running_var, variance * share(x), momentum) if scaled else running_var,
    )


def divisor(variance: Array, scaled: bool) -> Array:
    """NRM-5: the power of two of NRM-6, or 1 for a norm that does not scale."""
    return norm.norm_std(variance.astype(np.float32)) if scaled else ONE


def share(x: Array) -> float:
    """NRM-2: n / (n + 1), n the number of values per channel."""
    n = x.size // x.shape[1]
    return n / (n + 1)


def moved(running: Array, new: Array, momentum: float) -> Array:
    """NRM-2: the running statistics after a batch."""
    return (1 - momentum) * running + momentum * new


def batch_norm_backward(grad: Array, x: Array, scaled: bool, training: bool) -> Array:
    """NRM-4, NRM-7: gradient for x; in evaluation, with running statistics of zero, only through x
    itself.
    """
    mean, variance = (
        reference.norm_statistics(x)
        if training
        else (np.zeros(x.shape[1], np.float32), np.zeros(1, np.float32))
    )
    through = reference.quantize_8bit_backward(np.full(mean.shape, float(training)), mean)
    return reference.norm_backward(grad, divisor(variance, scaled), through)


def norm_exponent(variance: Array) -> Array:
    """NRM-6: the exponent for a variance (1,)."""
    return np.log2(norm.norm_std(variance.astype(np.float32))).astype(np.int64)


def normed(x: Array, scaled: bool) -> Array:
    """A batch normed by its own statistics."""
    return batch_norm(x, np.zeros(x.shape[1]), np.zeros(1), 0.1, scaled, True)[0]


def normed_sample(
    x: Array, v: Array, threshold: float, voltage_decay: float, scaled: bool
) -> tuple[Array, Array, Array]:
    """NRM-8: spikes of a dense block with a norm in SAMPLE mode, and the points (z, a) it takes;
    the current decay is 1.
    """
    of, (z, _) = cell(threshold, 1.0, voltage_decay), blocks.dense(x, v, None)
    mean, variance = reference.norm_statistics(z)
    mean, std = reference.quantize_8bit(mean), divisor(variance, scaled)
    currents, _ = reference.leaky_forward(fixed_point.to_state(z), of.i_decay, rest(z))
    drive = fixed_point.to_state(reference.norm_forward(fixed_point.to_real(currents), mean, std))
    voltages, _ = reference.leaky_forward(drive, of.v_decay, rest(z), of.state_threshold)
    s = reference.spike_forward(voltages, of.state_threshold)
    z_mean = reference.norm_forward(z.mean(axis=-1)[..., None], mean, std)
    return s, z_mean.ravel(), s.mean(axis=-1).ravel()


def normed_rates(x: Array, v: Array, knots: Array, slopes: Array, scaled: bool) -> Array:
    """NRM-8: rates of a dense block with a norm in ANN mode, in training."""
    return parts.curve_forward(normed(blocks.dense(x, v, None)[0], scaled), knots, slopes)


def exchange_norm(running_mean: Array) -> Array:
    """NRM-11: the bias mantissas written for a trained norm."""
    return -(64 * reference.quantize_8bit(running_mean)).astype(np.int64)
