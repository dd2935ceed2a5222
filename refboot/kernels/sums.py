"""Twins of refboot.reference.sums: products of matrices, each sum in order.

Neighbours in a vector register are outputs, never terms of one sum. So the width of the processor's
registers changes nothing.
"""

from __future__ import annotations

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels.jit import inlined, jit

SMALL = 1 << 17  # products with fewer terms stay on one thread


def product(x: Floats, w: Floats) -> Floats:
    """x (R, K) times w (K, O), each sum over k in order. See reference.sums.product."""
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
