"""Kernels of the engine: products of matrices and sums of rows, each sum in the order of its index.

Neighbours in a vector register are neighbours in memory (outputs, say), never terms of one sum. So
the width of the registers changes nothing. Letters: R rows, K terms of a sum, O outputs.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.jit import inlined, jit

BLOCK = 96  # rows of w at a time: they stay in the second cache while all rows of x use them


@jit
def product(x, w, low, high, out):  # type: ignore[no-untyped-def]
    """out[:, low:high] = x (R, K) times w[:, low:high], w and out being (K, O) and (R, O).

    Each sum over k is taken in order. Terms where x is zero are left out if they are many.
    """
    count = 0
    for n in range(len(x)):
        row, terms = out[n, low:high], x[n]
        row[:] = 0
        for k in range(terms.size):
            count += terms[k] != 0
    if 3 * count < x.size:
        add_few(x, w, low, high, out)
    else:
        for first in range(0, len(w), BLOCK):
            add_block(x, w, first, min(first + BLOCK, len(w)), low, high, out)


@jit
def add_block(x, w, first, last, low, high, out):  # type: ignore[no-untyped-def]
    """out[:, low:high] += the terms k in [first, last) of the product.

    Four rows by three terms at a time: more of them would not fit into 16 vector registers.
    """
    fours, threes = len(x) - len(x) % 4, last - (last - first) % 3
    for n in range(0, fours, 4):
        x0, x1, x2, x3 = x[n], x[n + 1], x[n + 2], x[n + 3]
        y0, y1 = out[n, low:high], out[n + 1, low:high]
        y2, y3 = out[n + 2, low:high], out[n + 3, low:high]
        for k in range(first, threes, 3):
            r0, r1, r2 = w[k, low:high], w[k + 1, low:high], w[k + 2, low:high]
            a0, a1, a2 = x0[k], x0[k + 1], x0[k + 2]
            b0, b1, b2 = x1[k], x1[k + 1], x1[k + 2]
            c0, c1, c2 = x2[k], x2[k + 1], x2[k + 2]
            d0, d1, d2 = x3[k], x3[k + 1], x3[k + 2]
            for o in range(y0.size):
                w0, w1, w2 = r0[o], r1[o], r2[o]
                y0[o] = ((y0[o] + a0 * w0) + a1 * w1) + a2 * w2
                y1[o] = ((y1[o] + b0 * w0) + b1 * w1) + b2 * w2
                y2[o] = ((y2[o] + c0 * w0) + c1 * w1) + c2 * w2
                y3[o] = ((y3[o] + d0 * w0) + d1 * w1) + d2 * w2
        for k in range(threes, last):
            for m in range(n, n + 4):
                add_scaled(out[m, low:high], x[m, k], w[k, low:high])
    for m in range(fours, len(x)):
        for k in range(first, last):
            add_scaled(out[m, low:high], x[m, k], w[k, low:high])


@jit
def add_few(x, w, low, high, out):  # type: ignore[no-untyped-def]
    """out[:, low:high] += the terms of the product where x is not zero, four at a time."""
    by, at = np.empty(x.shape[1] + 1, np.float32), np.empty(x.shape[1] + 1, np.int64)
    for n in range(len(x)):
        count, y = 0, out[n, low:high]
        for k in range(x.shape[1]):
            by[count], at[count] = x[n, k], k
            count += x[n, k] != 0
        whole = count - count % 4
        for j in range(0, whole, 4):
            r0, r1, r2, r3 = (
                w[at[j], low:high],
                w[at[j + 1], low:high],
                w[at[j + 2], low:high],
                w[at[j + 3], low:high],
            )
            a0, a1, a2, a3 = by[j], by[j + 1], by[j + 2], by[j + 3]
            for o in range(y.size):
                y[o] = (((y[o] + a0 * r0[o]) + a1 * r1[o]) + a2 * r2[o]) + a3 * r3[o]
        for j in range(whole, count):
            add_scaled(y, by[j], w[at[j], low:high])


@inlined
def add_scaled(y, a, row):  # type: ignore[no-untyped-def]
    """y += a * row."""
    for o in range(y.size):
        y[o] += a * row[o]
