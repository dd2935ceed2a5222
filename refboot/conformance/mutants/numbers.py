"""Mistakes in numbers and synapses."""

from __future__ import annotations

import numpy as np

from refboot import reference
from refboot.conformance.definition import layers, synapses
from refboot.conformance.mutants.mutant import Mutant
from refboot.reference import draws, numbers, synapse

Array = np.ndarray
LOW, HIGH = -4.0, 3.96875


def clipped(x: Array) -> Array:
    """What the weight range leaves of x."""
    return np.clip(x, LOW, HIGH)


def half_away(x: Array) -> Array:
    """Rounded to nearest, ties away from zero."""
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


def wrapped(x: Array) -> Array:
    """Rounded weights that wrap round at 8 bits."""
    return ((np.rint(np.clip(x, -1e6, 1e6) * 32) + 128) % 256 - 128) / 32


def decays_in_float64(
    threshold: float, current_decay: float, voltage_decay: float, *surrogate: float
) -> layers.Cell:
    """A neuron whose decays are rounded once, from float64."""
    i_decay, v_decay = (
        np.array([np.rint(4096 * decay)], np.int64) for decay in (current_decay, voltage_decay)
    )
    return original_cell(threshold, current_decay, voltage_decay, *surrogate)._replace(
        i_decay=i_decay, v_decay=v_decay
    )


def column_norm(v: Array, g: Array) -> Array:
    """Weight norm with the norm of the whole matrix."""
    return v * g[:, None] / np.sqrt((v.astype(np.float64) ** 2).sum())


def quantised_before(v: Array, g: Array | None, mask: Array | None = None) -> Array:
    """The weight with v quantised before the norm is taken."""
    return original_full(reference.quantize_8bit(v), g, mask)


def without_norm(v: Array, g: Array | None, mask: Array | None = None) -> Array:
    """The weight without its norm."""
    return original_full(v, None, mask)


def without_mask(v: Array, g: Array | None, mask: Array | None = None) -> Array:
    """The weight without its mask."""
    return original_full(v, g, None)


def bare_bias(x: Array, weight: Array, bias: Array) -> Array:
    """The input layer without its bias."""
    return x * weight


original_cell, dense_backward, words = layers.cell, synapse.dense_backward, draws.words
original_full = layers.full_weight


original_norm, original_drive, fixed_decay = (
    synapse.row_norm,
    synapses.integer_drive,
    numbers.decay_mantissa,
)


def cut_to_real(y: Array) -> Array:
    """y / 4096 in float32, cut off towards zero."""
    real = (y / 4096).astype(np.float32)
    return np.where(
        np.abs(real.astype(np.float64)) > np.abs(y / 4096), np.nextafter(real, np.float32(0)), real
    )


def divided_anyway(values: Array, norm: Array) -> Array:
    """A quotient that is NaN or infinite for a row of zeros."""
    return values / norm


def in_doubles(x: Array) -> Array:
    """A sum in float64, rounded once."""
    return x.sum(axis=0, dtype=np.float64).astype(np.float32)


def product_in_doubles(x: Array, w: Array) -> Array:
    """A matrix product in float64, rounded once."""
    return (x.astype(np.float64) @ w).astype(np.float32)


def steps_first(grad: Array, x: Array, weight: Array) -> tuple[Array, Array]:
    """The weight's gradient summed over steps, then samples."""
    turned, met = (a.transpose(2, 1, 0) for a in (grad, x))
    return dense_backward(grad, x, weight)[0], dense_backward(turned, met, weight)[1]


MUTANTS = [
    Mutant(
        "sums in float64",
        "NUM-11",
        "sums and products are rounded once",
        {"total": in_doubles, "product": product_in_doubles},
    ),
    Mutant("row of zeros divided", "SYN-5", "a row of zeros gives NaN", {"_ratio": divided_anyway}),
    Mutant(
        "sum over steps, then samples",
        "NUM-12",
        "the weight's gradient takes the steps first",
        {"dense_backward": steps_first},
    ),
    Mutant(
        "exponential of a library",
        "NUM-13",
        "another last bit than the polynomial's",
        {"exp_negative": lambda x: np.exp(x.astype(np.float64)).astype(np.float32)},
    ),
    Mutant(
        "draws cut to 32 bits",
        "NUM-15",
        "a number from the upper half of a word",
        {"uniform": lambda rng, low, high, n: low + (high - low) * ((words(rng, n) >> 32) / 2**32)},
    ),
    Mutant(
        "weight half up",
        "NUM-2",
        "weights at a tie are rounded up, not to even",
        {"quantize_8bit": lambda x: clipped(np.floor(x * 32 + 0.5) / 32)},
    ),
    Mutant(
        "weight half away from zero",
        "NUM-2",
        "weights at a tie are rounded away from zero",
        {"quantize_8bit": lambda x: clipped(half_away(x * 32) / 32)},
    ),
    Mutant(
        "weight cut off",
        "NUM-2",
        "weights are cut off, not rounded",
        {"quantize_8bit": lambda x: clipped(np.trunc(x * 32) / 32)},
    ),
    Mutant(
        "weight in steps of 1/64",
        "NUM-1",
        "weights have 1/64 as step",
        {"quantize_8bit": lambda x: np.clip(np.rint(x * 64) / 64, LOW, HIGH)},
    ),
    Mutant(
        "weight clipped at +4",
        "NUM-2",
        "the upper bound is 4",
        {"quantize_8bit": lambda x: np.clip(np.rint(x * 32) / 32, -4, 4)},
    ),
    Mutant(
        "weight clipped at -3.96875",
        "NUM-2",
        "the lower bound is -3.96875",
        {"quantize_8bit": lambda x: np.clip(np.rint(x * 32) / 32, -HIGH, HIGH)},
    ),
    Mutant(
        "weight wraps round",
        "NUM-2",
        "weights beyond 8 bits wrap round",
        {"quantize_8bit": wrapped},
    ),
    Mutant(
        "weight not clipped",
        "NUM-2",
        "weights are rounded, not clipped",
        {"quantize_8bit": lambda x: np.rint(x * np.float64(32)) / 32},
    ),
    Mutant(
        "threshold rounded",
        "NUM-4",
        "the threshold is rounded, not cut off",
        {"threshold_mantissa": lambda th: int(np.rint(th * 64))},
    ),
    Mutant(
        "threshold off the grid",
        "NUM-4",
        "the threshold is used as it is given",
        {"threshold_mantissa": lambda th: th * 64},
    ),
    Mutant(
        "threshold rounded up",
        "NUM-4",
        "the threshold is rounded up",
        {"threshold_mantissa": lambda th: int(np.ceil(th * 64))},
    ),
    Mutant(
        "decay cut off",
        "NUM-5",
        "decays are cut off, not rounded",
        {"decay_mantissa": lambda d: np.clip(d, 0, 4096).astype(np.int64)},
    ),
    Mutant(
        "decay half up",
        "NUM-5",
        "decays at a tie are rounded up",
        {"decay_mantissa": lambda d: np.floor(np.clip(d, 0, 4096) + 0.5).astype(np.int64)},
    ),
    Mutant(
        "decay in float64",
        "NUM-5",
        "decays are not rounded to float32 first",
        {"cell": decays_in_float64},
    ),
    Mutant(
        "decay off by one",
        "NUM-5",
        "decays are too large by one",
        {"decay_mantissa": lambda d: fixed_decay(d) + 1},
    ),
    Mutant(
        "decay of 4095",
        "NUM-5",
        "decays have 4095 as scale",
        {"decay_mantissa": lambda d: fixed_decay(d * np.float32(4095 / 4096))},
    ),
    Mutant(
        "decay not clamped",
        "NUM-5",
        "decays are rounded, not clamped",
        {"decay_mantissa": lambda d: np.rint(d).astype(np.int64)},
    ),
    Mutant(
        "input rounded",
        "NUM-6",
        "the weighted input is rounded to the state grid",
        {"to_state": lambda x: np.rint(x * 4096).astype(np.int64)},
    ),
    Mutant(
        "input floored",
        "NUM-6",
        "the weighted input is rounded down",
        {"to_state": lambda x: np.floor(x * 4096).astype(np.int64)},
    ),
    Mutant(
        "input in units of 1/64",
        "NUM-6",
        "the input loses 6 bits",
        {"to_state": lambda x: 64 * np.trunc(x * 64).astype(np.int64)},
    ),
    Mutant(
        "real voltage cut to 24 bits",
        "NUM-7",
        "the voltage is cut off, not rounded",
        {"to_real": cut_to_real},
    ),
    Mutant(
        "shift to minus infinity",
        "NUM-8",
        "an arithmetic shift of negative numbers",
        {"shift_to_zero": lambda p: p >> 12},
    ),
    Mutant(
        "shift rounds",
        "NUM-8",
        "the shift rounds to nearest",
        {"shift_to_zero": lambda p: (p + 2048) >> 12},
    ),
    Mutant(
        "shift rounds away",
        "NUM-8",
        "the shift rounds to nearest, ties away",
        {"shift_to_zero": lambda p: np.sign(p) * ((np.abs(p) + 2048) >> 12)},
    ),
    Mutant(
        "weight used unquantised",
        "SYN-4",
        "the weight is used as it is learned",
        {"quantised": lambda w: w},
    ),
    Mutant(
        "weight norm forgotten",
        "SYN-5",
        "v is used without g and its length",
        {"full_weight": without_norm},
    ),
    Mutant(
        "weight norm of the whole matrix",
        "SYN-5",
        "one length for all outputs",
        {"weight_norm_forward": column_norm},
    ),
    Mutant(
        "weight norm without the root",
        "SYN-5",
        "g v / ||v||^2",
        {"row_norm": lambda v: (v.astype(np.float64) ** 2).sum(axis=1)},
    ),
    Mutant(
        "weight norm with a margin",
        "SYN-5",
        "||v|| + 1e-5 in the denominator",
        {"row_norm": lambda v: original_norm(v) + np.float32(1e-5)},
    ),
    Mutant(
        "weight norm without g",
        "SYN-5",
        "v / ||v||",
        {"weight_norm_forward": lambda v, g: v / original_norm(v)[:, None]},
    ),
    Mutant(
        "quantised before the norm",
        "SYN-4",
        "v is quantised, then normed",
        {"full_weight": quantised_before},
    ),
    Mutant("mask forgotten", "SYN-4", "masked weights take part", {"full_weight": without_mask}),
    Mutant(
        "input bias forgotten", "SYN-6", "the input layer has no bias", {"input_forward": bare_bias}
    ),
    Mutant(
        "drive in units of the weight",
        "NET-9",
        "the drive is 64 times too small",
        {"integer_drive": lambda s, w: original_drive(s, w) // 64},
    ),
]
