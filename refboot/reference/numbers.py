"""Numbers: the grids of weights, thresholds, decays and states; the one rule for sums; exponential,
logarithm and powers.

A weight is a multiple of 2/64, a threshold of 1/64, a state (current or voltage) of 1/4096, a decay
of 1/4096. Integers on a grid are called mantissas. Spec: NUM-1.

A sum starts at zero, takes its terms in the order of their index, and each product and each
addition is rounded by itself to float32. A plain double loop in C without fused multiply-add is
this rule. In NumPy the summed axis is a Python loop, because NumPy's own sums and products state no
order. A term that is zero may be left out: a sum that starts at +0 is never -0.
Spec: NUM-11, NUM-12.

Exponential and logarithm are polynomials (the coefficients are those of Cephes' expf and logf,
S. L. Moshier), powers are products: the C library does not promise the same bits on every machine.
"""

from __future__ import annotations

import warnings

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


FEW = 4  # if fewer than one term in FEW is not zero, only those are added


def total(x: Floats) -> Floats:
    """The sum over the first axis of x (K, ...), in order; float32.

    >>> float(total(np.float32([1, 2**24, 1, 1])))
    16777216.0
    """
    acc = np.zeros(x.shape[1:], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for row in x:
            acc += row
    return acc


def product(x: Floats, w: Floats) -> Floats:
    """x (R, K) times w (K, O): for each row and output the sum over k, in order; (R, O) float32.

    >>> product(np.float32([[1, 2]]), np.float32([[3, 4], [5, 6]])).tolist()
    [[13.0, 16.0]]
    """
    acc, term = (np.zeros((len(x), w.shape[1]), np.float32) for _ in range(2))
    few = FEW * np.count_nonzero(x) < x.size
    with np.errstate(over="ignore", invalid="ignore"):
        columns = np.ascontiguousarray(x.T)[:, :, None]
        for column, weights in zip(columns, w, strict=True):
            if few:
                some = column.nonzero()[0]
                acc[some] += column[some] * weights
            else:
                np.add(acc, np.multiply(column, weights, term), acc)
    return acc


def channel_total(x: Floats) -> Floats:
    """For each channel of x (N, C, ...) the sum over samples, then the other axes; (C,) float32.

    One flat sum in the order of the index, the last axis fastest. Spec: NUM-11.
    """
    return total(np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]))


EXP_LOW = np.float32(-87)  # below, exp(x) counts as 0: no result is subnormal
LOG2_E = np.float32(1.44269504)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
EXP_COEFFICIENTS = np.array(
    [
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    ],
    np.float32,
)
SQRT_HALF = np.float32(0.707106781)
LOG_COEFFICIENTS = np.array(
    [
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ],
    np.float32,
)


def exp_negative(x: Floats) -> Floats:
    """exp(x) for x <= 0, any shape, float32; 0 where x < -87.

    x = k ln 2 + r with a whole k; exp(r) is a polynomial, and 2^k is exact. Spec: NUM-13.

    >>> exp_negative(np.float32([0, -1, -100])).tolist()
    [1.0, 0.3678794503211975, 0.0]
    """
    inside = np.maximum(x, EXP_LOW)
    k = np.floor(inside * LOG2_E + np.float32(0.5))
    r = inside - k * LN2_HIGH - k * LN2_LOW
    p = np.full_like(r, EXP_COEFFICIENTS[0])
    for c in EXP_COEFFICIENTS[1:]:
        p = p * r + c
    return np.where(x < EXP_LOW, np.float32(0), np.ldexp(p * (r * r) + r + 1, k.astype(np.int32)))


def log(x: Floats) -> Floats:
    """The natural logarithm of x >= 0, any shape, float32; minus infinity at 0.

    x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); log(1 + f) is a polynomial. Spec: NUM-13.

    >>> log(np.float32([1, 2.5, 0])).tolist()
    [0.0, 0.9162907600402832, -inf]
    """
    fraction, exponent = np.frexp(x)
    small = fraction < SQRT_HALF
    f = np.where(small, fraction + fraction, fraction) - np.float32(1)
    k = (exponent - small).astype(np.float32)
    square = f * f
    p = np.full_like(f, LOG_COEFFICIENTS[0])
    for c in LOG_COEFFICIENTS[1:]:
        p = p * f + c
    y = p * f * square + k * LN2_LOW - np.float32(0.5) * square
    return np.where(x == 0, np.float32(-np.inf), f + y + k * LN2_HIGH)


def power(base: float, exponent: int) -> float:
    """base^exponent for a whole exponent >= 0, float64, by squaring from the top bit down.

    Spec: NUM-13.

    >>> power(0.5, 10)
    0.0009765625
    """
    result = 1.0
    for bit in f"{exponent:b}":
        result = result * result * base if bit == "1" else result * result
    return result


def check_subnormals() -> bool:
    """True if the processor keeps numbers below 2^-126; else warn: results may differ in some bits.

    Libraries built with fast maths switch these numbers off for a whole thread. Spec: NUM-14.
    """
    kept = bool(np.float32(2.0**-126) * np.float32(0.5) > 0)
    if not kept:
        warnings.warn(
            "a library in this process flushes subnormal numbers to zero: "
            "results may differ from other machines' in some bits",
            RuntimeWarning,
            stacklevel=2,
        )
    return kept
