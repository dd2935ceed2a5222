"""Numbers: the three grids (weights, thresholds, decays and state) and how a value lands on each.

A weight is a multiple of 2/64, a threshold a multiple of 1/64, a state (current or voltage) a
multiple of 1/4096, a decay a multiple of 1/4096. Integers on a grid are called mantissas. Spec:
NUM-1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Floats, Ints

WEIGHT_SCALE = 64
WEIGHT_STEP = np.float32(2 / WEIGHT_SCALE)
WEIGHT_LOW = np.float32(-256 / WEIGHT_SCALE)
WEIGHT_HIGH = np.float32(254 / WEIGHT_SCALE)
STATE_BITS = 12
STATE_SCALE = 1 << STATE_BITS
DECAY_SCALE = 1 << STATE_BITS


def quantize_8bit(x: Floats) -> Floats:
    """Round to the nearest multiple of 2/64, ties to even, and clip to [-256/64, 254/64]; any
    shape, float32. Spec: NUM-2, NUM-3.

    >>> quantize_8bit(np.float32([0.03, 0.015625, 0.046875, 3.99, -9.0])).tolist()
    [0.03125, 0.0, 0.0625, 3.96875, -4.0]
    """
    with np.errstate(over="ignore"):  # an infinite quotient is clipped like any other
        rounded = np.rint(x / WEIGHT_STEP) * WEIGHT_STEP
    return np.clip(rounded, WEIGHT_LOW, WEIGHT_HIGH) + np.float32(0)  # -0 becomes +0


def quantize_8bit_backward(grad: Floats, x: Floats) -> Floats:
    """Gradient of `quantize_8bit`: straight through the rounding, zero where the rounded value was
    clipped. Spec: GRD-5.

    >>> x = np.float32([127.4, 127.5, -128.5]) / 32
    >>> quantize_8bit_backward(np.ones_like(x), x).tolist()
    [1.0, 0.0, 1.0]
    """
    with np.errstate(over="ignore"):
        rounded = np.rint(x / WEIGHT_STEP) * WEIGHT_STEP
    return np.where((rounded >= WEIGHT_LOW) & (rounded <= WEIGHT_HIGH), grad, np.float32(0))


def threshold_mantissa(threshold: float) -> int:
    """The threshold as an integer in units of 1/64, cut off towards zero. Spec: NUM-4.

    >>> threshold_mantissa(1.25), threshold_mantissa(1.24)
    (80, 79)
    """
    return int(threshold * WEIGHT_SCALE)


def decay_mantissa(decay: Floats) -> Ints:
    """Decays stored as 4096 * decay (float32), as integers in [0, 4096]: clamped, then rounded half
    to even. Spec: NUM-5.

    >>> decay_mantissa(np.float32([122.88, 0.5, 5000.0])).tolist()
    [123, 0, 4096]
    """
    return np.rint(np.minimum(np.maximum(decay, 0), DECAY_SCALE)).astype(np.int64)


def to_state(x: Floats) -> Ints:
    """A real input in state units: 4096 * x cut off towards zero; any shape, float32 to int64.
    Spec: NUM-6.

    >>> to_state(np.float32([1.0, 0.0003, -0.0003])).tolist()
    [4096, 1, -1]
    """
    return np.trunc(x * np.float32(STATE_SCALE)).astype(np.int64)


def to_real(state: Ints) -> Floats:
    """State units as the nearest float32 (exact below 2^24): state / 4096. Spec: NUM-7."""
    return (state / STATE_SCALE).astype(np.float32)


def shift_to_zero(product: NDArray[np.int64]) -> Ints:
    """Divide by 4096 and cut off towards zero: sign(a) * (|a| >> 12); int64. Spec: NUM-8.

    >>> shift_to_zero(np.array([8191, -8191, -1])).tolist()
    [1, -1, 0]
    """
    return np.sign(product) * (np.abs(product) >> STATE_BITS)
