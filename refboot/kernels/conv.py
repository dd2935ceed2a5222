"""Twins of refboot.reference.conv.

Pictures are worked on as (S, C, H, W, L): L steps of S samples or, where there is a single step, L
samples of S = 1. So neighbours in memory are steps or samples, and long runs of them are added at
once. Padding is laid around the picture first.
"""

from __future__ import annotations

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels.jit import jit
from refboot.kernels.sums import add_product, add_product_of_few
from refboot.reference.conv import Pair, output_size

ROWS = 1 << 11  # rows of patches unfolded at once for the gradient of a weight


def conv_forward(
    x: Floats, weight: Floats, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Floats:
    """See reference.conv_forward."""
    wide, w = _padded(x, padding), np.ascontiguousarray(weight)
    height, width = (
        output_size(x.shape[2 + k], w.shape[2 + k], stride[k], padding[k], dilation[k])
        for k in range(2)
    )
    z = np.zeros((len(wide), len(w), height, width, wide.shape[-1]), np.float32)
    jobs, per_group = len(wide) * len(w), len(w) // groups

    def some(part: slice) -> None:
        for job in range(part.start, part.stop):
            s, o = divmod(job, len(w))
            first = o // per_group * w.shape[1]
            _forward(wide[s, first : first + w.shape[1]], w[o], *stride, *dilation, z[s, o])

    threads.over_slices(jobs, some)
    return _as_samples(z, x.shape)


def conv_backward(
    grad: Floats,
    x: Floats,
    weight: Floats,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> tuple[Floats, Floats]:
    """See reference.conv_backward."""
    wide, w = _padded(x, padding), np.ascontiguousarray(weight)
    gz, gx = _as_runs(grad), np.zeros(wide.shape, np.float32)
    channels, per_group = w.shape[1], len(w) // groups

    def back(part: slice) -> None:
        for job in range(part.start, part.stop):
            s, c = divmod(job, wide.shape[1])
            own = slice(c // channels * per_group, (c // channels + 1) * per_group)
            _backward(gz[s, own], w[own, c % channels], *stride, *dilation, gx[s, c])

    threads.over_slices(len(wide) * wide.shape[1], back)
    (top, left), (high, across) = padding, x.shape[2:4]
    gx = _as_samples(gx[:, :, top : top + high, left : left + across], x.shape)

    gw, rows = np.empty_like(w), np.ascontiguousarray(np.moveaxis(grad, 1, -1))
    natural = np.pad(x, [(0, 0), (0, 0), (top, top), (left, left), (0, 0)])

    def weights(part: slice) -> None:
        """The gradient for the input channels `part` of all groups, each of its own group."""
        for c in range(part.start, part.stop):
            own = slice(c // channels * per_group, (c // channels + 1) * per_group)
            gz = rows[..., own].reshape(-1, per_group)
            sums = np.zeros((w[0, 0].size, per_group), np.float32)
            _weight_gradient(natural[:, c], gz, *stride, *dilation, *grad.shape[2:4], w, sums)
            gw[own, c % channels] = sums.T.reshape(per_group, *w.shape[2:])

    threads.over_slices(x.shape[1], weights)
    return gx, gw


def _as_runs(x: Floats) -> Floats:
    """x (N, C, H, W, T) as (S, C, H, W, L), contiguous."""
    return np.ascontiguousarray(x if x.shape[-1] > 1 else x.transpose(4, 1, 2, 3, 0))


def _as_samples(x: Floats, shape: tuple[int, ...]) -> Floats:
    """The inverse of `_as_runs` for an input of `shape`."""
    return np.ascontiguousarray(x if shape[-1] > 1 else x.transpose(4, 1, 2, 3, 0))


def _padded(x: Floats, padding: Pair) -> Floats:
    (p, q), x = padding, _as_runs(x)
    return np.pad(x, [(0, 0), (0, 0), (p, p), (q, q), (0, 0)]) if p or q else x


@jit
def _forward(x, w, sy, sx, dy, dx, z):
    """z (H', W', L) += w (C, K, L) over x (C, H, W, L), in the order of c, i, j."""
    C, K, J = w.shape
    steps, across = z.shape[2], z.shape[1]
    for y in range(z.shape[0]):
        out = z[y].reshape(-1)
        for c in range(C):
            for i in range(K):
                row = x[c, y * sy + i * dy].reshape(-1)
                for j in range(J):
                    a, first = w[c, i, j], j * dx * steps
                    if sx == 1:
                        seen = row[first : first + out.size]
                        for k in range(out.size):
                            out[k] += a * seen[k]
                    else:
                        for q in range(across):
                            at = first + q * sx * steps
                            for t in range(steps):
                                out[q * steps + t] += a * row[at + t]


@jit
def _backward(gz, w, sy, sx, dy, dx, gx):
    """gx (H, W, L) of one channel += w (O, K, L) times gz (O, H', W', L), in order of o, i, j."""
    outputs, K, J = w.shape
    across, steps = gz.shape[2:]
    for y in range(gx.shape[0]):
        out = gx[y].reshape(-1)
        for o in range(outputs):
            for i in range(K):
                above = y - i * dy
                if above < 0 or above % sy or above // sy >= gz.shape[1]:
                    continue
                row = gz[o, above // sy].reshape(-1)
                for j in range(J):
                    a, first = w[o, i, j], j * dx * steps
                    if sx == 1:
                        seen = out[first : first + row.size]
                        for k in range(row.size):
                            seen[k] += a * row[k]
                    else:
                        for q in range(across):
                            at = first + q * sx * steps
                            for t in range(steps):
                                out[at + t] += a * row[q * steps + t]


@jit
def _weight_gradient(x, gz, sy, sx, dy, dx, height, width, w, sums):
    """sums (K L, O) += patches of x (N, H, W, T) times gz (N H' W' T, O), over rows in order."""
    N, T = len(x), x.shape[3]
    K, J = w.shape[2:]
    patches, count, start, some = np.empty((K * J, ROWS), np.float32), 0, 0, 0
    for n in range(N):
        for y in range(height):
            for q in range(width):
                for t in range(T):
                    for i in range(K):
                        for j in range(J):
                            a = x[n, y * sy + i * dy, q * sx + j * dx, t]
                            patches[i * J + j, count] = a
                            some += a != 0
                    count += 1
                    if count == ROWS or start + count == len(gz):
                        own = patches[:, :count]
                        if 3 * some < own.size:
                            add_product_of_few(own, gz[start : start + count], sums)
                        else:
                            add_product(own, gz[start : start + count], sums)
                        start, count, some = start + count, 0, 0
