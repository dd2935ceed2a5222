"""exp(x) for x <= 0 without a call into a library, so that a loop over it runs on many numbers at
once.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.jit import inlined

LOWEST = np.float32(
    -87.6
)  # exp of less is taken as that of this, which is below the smallest normal number
PER_LN2 = np.float32(1.44269504)
LN2_HIGH = np.float32(0.693359375)  # few bits, so that its products with whole numbers are exact
LN2_LOW = np.float32(-2.12194440e-4)


@inlined
def exp_of_negative(x):  # type: ignore[no-untyped-def]
    """exp(x) for x <= 0 to 1 ulp of it; where it is below the smallest normal number, 2^-126, some
    number below that; float32.

    exp(x) = 2^k * exp(r), with k the whole number nearest x / ln 2, r the rest, and exp(r) by its
    best polynomial (Cephes' expf).
    """
    x = max(x, LOWEST)
    k = np.floor(x * PER_LN2 + np.float32(0.5))
    r = x - k * LN2_HIGH - k * LN2_LOW
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * (r * r) + r + np.float32(1)
    return p * power_of_two(np.int32(k))


@inlined
def power_of_two(k):  # type: ignore[no-untyped-def]
    """2^k for k in [-126, 127], made of its exponent bits; float32."""
    return np.int32(np.int32(k + 127) << 23).view(np.float32)
