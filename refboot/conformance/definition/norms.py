"""Batch norms with their running statistics, and where they act in a layer, on plain arrays."""

from __future__ import annotations

import numpy as np

from refboot import reference
from refboot.conformance.definition.layers import cell, dense, rest
from refboot.conformance.definition.rates import curve_forward
from refboot.reference import norm, numbers
from refboot.reference.modes import mean_rate_forward

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
    after = moved(running_var, shared(variance, x), momentum) if scaled else running_var
    return y, moved(running_mean, mean, momentum), after


def divisor(variance: Array, scaled: bool) -> Array:
    """NRM-5: the power of two of NRM-6, or 1 for a norm that does not scale."""
    return norm.norm_std(variance) if scaled else ONE


def shared(variance: Array, x: Array) -> Array:
    """NRM-2: n / (n + 1) of the variance, n the number of values per channel."""
    n = x.size // x.shape[1]
    return variance * np.float32(n) / np.float32(n + 1)


def moved(running: Array, new: Array, momentum: float) -> Array:
    """NRM-2: the running statistics after a batch."""
    return np.float32(1 - momentum) * running + np.float32(momentum) * new


def batch_norm_backward(grad: Array, x: Array, scaled: bool, training: bool) -> Array:
    """NRM-4, NRM-7: gradient with respect to x; in evaluation only through x itself, with running
    statistics of zero.
    """
    mean, variance = reference.norm_statistics(x)
    if not training:
        mean, variance = np.zeros_like(mean), np.zeros_like(variance)
    through = np.full(mean.shape, training, np.float32)
    through = reference.quantize_8bit_backward(through, mean)
    return reference.norm_backward(grad, divisor(variance, scaled), through)


def norm_exponent(variance: Array) -> Array:
    """NRM-6: the exponent for a variance (1,)."""
    return np.log2(norm.norm_std(variance)).astype(np.int64)


def normed_sample(
    x: Array, v: Array, threshold: float, voltage_decay: float, scaled: bool
) -> tuple[Array, Array, Array]:
    """NRM-8: spikes of a dense block with a norm in SAMPLE mode, and the points (z, a) it notes;
    the current decay is 1.
    """
    of, (z, _) = cell(threshold, 1.0, voltage_decay), dense(x, v, None)
    mean, variance = reference.norm_statistics(z)
    mean, std = reference.quantize_8bit(mean), divisor(variance, scaled)
    currents, _ = reference.leaky_forward(numbers.to_state(z), of.i_decay, rest(z))
    drive = numbers.to_state(reference.norm_forward(numbers.to_real(currents), mean, std))
    voltages, _ = reference.leaky_forward(drive, of.v_decay, rest(z), 64 * of.mantissa)
    s = reference.spike_forward(voltages, 64 * of.mantissa)
    z_mean = reference.norm_forward(mean_rate_forward(z), mean, std)
    return s, z_mean.ravel(), mean_rate_forward(s).ravel()


def normed_rates(x: Array, v: Array, knots: Array, slopes: Array, scaled: bool) -> Array:
    """NRM-8: rates of a dense block with a norm in ANN mode, in training."""
    z, _ = dense(x, v, None)
    zero = np.zeros(len(v), np.float32)
    return curve_forward(batch_norm(z, zero, zero[:1], 0.1, scaled, True)[0], knots, slopes)


def exchange_norm(running_mean: Array) -> Array:
    """NRM-11: the bias mantissas written for a trained norm."""
    return -(64 * reference.quantize_8bit(running_mean)).astype(np.int64)
