"""The one rule for sums: start at zero, take the terms in the order of their index, and round each
product and each addition by itself to float32.

A plain double loop in C without fused multiply-add is this rule. In NumPy the summed axis is a
Python loop, because NumPy's own sums and products state no order. A term that is zero may be left
out: a sum that starts at +0 is never -0. Spec: NUM-11, NUM-12.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats

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
        for column, weights in zip(np.ascontiguousarray(x.T), w, strict=True):
            if few:
                some = column.nonzero()[0]
                acc[some] += column[some, None] * weights
            else:
                acc += np.multiply(column[:, None], weights, out=term)
    return acc


def channel_total(x: Floats) -> Floats:
    """For each channel of x (N, C, ...) the sum over samples, then the other axes; (C,) float32.

    One flat sum in the order of the index, the last axis fastest. Spec: NUM-11.
    """
    return total(np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]))
