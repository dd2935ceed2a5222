"""Twin of refboot.reference.elementary, for one number at a time."""

from __future__ import annotations

import numpy as np

from refboot.kernels.jit import inlined

F = np.float32


@inlined
def exp_negative(x):
    """exp(x) for x <= 0, float32. See reference.exp_negative."""
    inside = max(x, F(-87))
    k = np.floor(inside * F(1.44269504) + F(0.5))
    r = inside - k * F(0.693359375) - k * F(-2.12194440e-4)
    p = F(1.9875691500e-4)
    p = p * r + F(1.3981999507e-3)
    p = p * r + F(8.3334519073e-3)
    p = p * r + F(4.1665795894e-2)
    p = p * r + F(1.6666665459e-1)
    p = p * r + F(5.0000001201e-1)
    power = np.int32(np.int32(np.int32(k) + 127) << 23).view(np.float32)  # 2^k
    return (p * (r * r) + r + F(1)) * power if x >= F(-87) else F(0)


@inlined
def log(x):
    """log(x) for a normal x > 0, float32. See reference.log."""
    bits = F(x).view(np.int32)
    k = np.int32(np.int32(bits >> 23) - 126)
    fraction = np.int32(np.int32(bits & 0x007FFFFF) | 0x3F000000).view(np.float32)  # in [1/2, 1)
    if fraction < F(0.707106781):
        k = np.int32(k - 1)
        fraction = fraction + fraction
    f = fraction - F(1)
    square = f * f
    p = F(7.0376836292e-2)
    p = p * f + F(-1.1514610310e-1)
    p = p * f + F(1.1676998740e-1)
    p = p * f + F(-1.2420140846e-1)
    p = p * f + F(1.4249322787e-1)
    p = p * f + F(-1.6668057665e-1)
    p = p * f + F(2.0000714765e-1)
    p = p * f + F(-2.4999993993e-1)
    p = p * f + F(3.3333331174e-1)
    y = p * f * square + F(k) * F(-2.12194440e-4) - F(0.5) * square
    return f + y + F(k) * F(0.693359375)
