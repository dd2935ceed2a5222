"""Exponential and logarithm as fixed polynomials, and powers as fixed products: the same bits on
every machine, which the C library does not promise.

The coefficients are those of Cephes' expf and logf (S. L. Moshier).
"""

from __future__ import annotations

import warnings

import numpy as np

from refboot.arrays import Floats

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
