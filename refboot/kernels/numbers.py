"""Twins of refboot.reference.numbers: quantisation, exponential and logarithm, products.

Neighbours in a vector register are outputs, never terms of one sum. So the width of the processor's
registers changes nothing.
"""

from __future__ import annotations

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels.jit import inlined, jit

F = np.float32


def quantize_8bit(x: Floats) -> Floats:
    """See reference.quantize_8bit."""
    x = np.ascontiguousarray(x)
    out = np.empty(x.shape, np.float32)
    _quantize(x.ravel(), out.ravel())
    return out


def quantize_8bit_backward(grad: Floats, x: Floats) -> Floats:
    """See reference.quantize_8bit_backward."""
    out = np.empty(x.shape, np.float32)
    _backward(np.ascontiguousarray(grad).ravel(), np.ascontiguousarray(x).ravel(), out.ravel())
    return out


@jit
def _quantize(x, out):
    for i in range(x.size):
        out[i] = min(max(np.rint(x[i] * F(32)) * F(1 / 32), F(-4)), F(3.96875)) + F(0)


@jit
def _backward(grad, x, out):
    for i in range(x.size):
        rounded = np.rint(x[i] * F(32)) * F(1 / 32)
        inside = (rounded >= F(-4)) & (rounded <= F(3.96875))
        out[i] = grad[i] if inside else F(0)


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


SMALL = 1 << 17  # products with fewer terms stay on one thread


def product(x: Floats, w: Floats) -> Floats:
    """x (R, K) times w (K, O), each sum over k in order. See reference.numbers.product."""
    w = np.ascontiguousarray(w)
    out = np.zeros((len(x), w.shape[1]), np.float32)
    kernel = add_product_of_few if 3 * np.count_nonzero(x) < x.size else add_product
    small = x.size * w.shape[1] < SMALL
    threads.over_slices(len(x), lambda rows: kernel(x[rows], w, out[rows]), small)
    return out


@jit
def add_product(x, w, out):
    """out (R, O) += x (R, K) times w (K, O), in order; four rows and four terms at a time."""
    R, K = x.shape
    for n in range(0, R - R % 4, 4):
        y0, y1, y2, y3 = out[n], out[n + 1], out[n + 2], out[n + 3]
        x0, x1, x2, x3 = x[n], x[n + 1], x[n + 2], x[n + 3]
        for k in range(0, K - K % 4, 4):
            r0, r1, r2, r3 = w[k], w[k + 1], w[k + 2], w[k + 3]
            a0, a1, a2, a3 = x0[k], x0[k + 1], x0[k + 2], x0[k + 3]
            b0, b1, b2, b3 = x1[k], x1[k + 1], x1[k + 2], x1[k + 3]
            c0, c1, c2, c3 = x2[k], x2[k + 1], x2[k + 2], x2[k + 3]
            d0, d1, d2, d3 = x3[k], x3[k + 1], x3[k + 2], x3[k + 3]
            for o in range(y0.size):
                w0, w1, w2, w3 = r0[o], r1[o], r2[o], r3[o]
                y0[o] = (((y0[o] + a0 * w0) + a1 * w1) + a2 * w2) + a3 * w3
                y1[o] = (((y1[o] + b0 * w0) + b1 * w1) + b2 * w2) + b3 * w3
                y2[o] = (((y2[o] + c0 * w0) + c1 * w1) + c2 * w2) + c3 * w3
                y3[o] = (((y3[o] + d0 * w0) + d1 * w1) + d2 * w2) + d3 * w3
        for k in range(K - K % 4, K):
            for m in range(n, n + 4):
                add_row(out[m], x[m, k], w[k])
    for n in range(R - R % 4, R):
        for k in range(K):
            add_row(out[n], x[n, k], w[k])


@jit
def add_product_of_few(x, w, out):
    """`add_product` where most of x is zero: only the terms that are not, four at a time."""
    R, K = x.shape
    by, at = np.empty(K + 1, np.float32), np.empty(K + 1, np.int64)
    for n in range(R):
        count, y = 0, out[n]
        for k in range(K):
            by[count], at[count] = x[n, k], k
            count += x[n, k] != 0
        for j in range(0, count - count % 4, 4):
            r0, r1, r2, r3 = w[at[j]], w[at[j + 1]], w[at[j + 2]], w[at[j + 3]]
            a0, a1, a2, a3 = by[j], by[j + 1], by[j + 2], by[j + 3]
            for o in range(y.size):
                y[o] = (((y[o] + a0 * r0[o]) + a1 * r1[o]) + a2 * r2[o]) + a3 * r3[o]
        for j in range(count - count % 4, count):
            add_row(y, by[j], w[at[j]])


@inlined
def add_row(y, a, row):
    """y += a * row."""
    for o in range(y.size):
        y[o] += a * row[o]


@jit
def add_rows(x, out):
    """out (M,) += the sum of the rows of x (R, M), in order."""
    for n in range(len(x)):
        row = x[n]
        for o in range(out.size):
            out[o] += row[o]
