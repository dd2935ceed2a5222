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
from refboot.kernels.numbers import add_product, add_product_of_few
from refboot.reference.conv import Pair, output_size

ROWS = 1 << 11  # rows of patches unfolded at once for the gradient of a weight


def conv_forward(
    x: Floats, weight: Floats, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Floats:
    """See reference.conv_forward."""
    (p, q), runs, per_group = padding, _as_runs(x), len(weight) // groups
    wide = np.pad(runs, [(0, 0), (0, 0), (p, p), (q, q), (0, 0)]) if p or q else runs
    height, width = (
        output_size(x.shape[2 + k], weight.shape[2 + k], stride[k], padding[k], dilation[k])
        for k in range(2)
    )
    z = np.zeros((len(wide), len(weight), height, width, wide.shape[-1]), np.float32)

    def some(job: int) -> None:
        s, o = divmod(job, len(weight))
        seen = wide[s, _group(o, per_group, weight.shape[1])]
        _correlate(seen, weight[o], *stride, 0, dilation[0], 0, dilation[1], z[s, o])

    threads.over(len(wide) * len(weight), some)
    return _as_samples(z, x.shape)


def conv_input_backward(
    grad: Floats,
    weight: Floats,
    size: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Floats:
    """See reference.conv_input_backward.

    A correlation again: of the gradients, laid `stride` apart among zeros, with the kernel read
    from its end. The zeros add nothing.
    """
    runs, (channels, *kernel), per_group = _as_runs(grad), weight.shape[1:], len(weight) // groups
    last = [dilation[k] * (kernel[k] - 1) for k in range(2)]
    spread = [(grad.shape[2 + k] - 1) * stride[k] + 1 for k in range(2)]
    around = [spread[k] + 2 * last[k] for k in range(2)]
    wide = np.zeros((*runs.shape[:2], *around, runs.shape[-1]), np.float32)
    rows, cols = (slice(last[k], last[k] + spread[k], stride[k]) for k in range(2))
    wide[:, :, rows, cols] = runs
    reached = [spread[k] + last[k] for k in range(2)]
    found = np.zeros((len(runs), groups * channels, *reached, runs.shape[-1]), np.float32)

    def some(job: int) -> None:
        s, c = divmod(job, groups * channels)
        seen, w = wide[s, _group(c, channels, per_group)], weight[:, c % channels]
        own = np.ascontiguousarray(w[_group(c, channels, per_group)])
        _correlate(seen, own, 1, 1, last[0], -dilation[0], last[1], -dilation[1], found[s, c])

    threads.over(len(runs) * groups * channels, some)
    gx = np.zeros((*found.shape[:2], *size, found.shape[-1]), np.float32)
    inside = found[:, :, padding[0] :, padding[1] :][:, :, : size[0], : size[1]]
    gx[:, :, : inside.shape[2], : inside.shape[3]] = inside  # no window reaches the rest
    return _as_samples(gx, grad.shape)


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
    gx = conv_input_backward(grad, weight, x.shape[2:4], stride, padding, dilation, groups)
    (p, q), channels, per_group = padding, weight.shape[1], len(weight) // groups
    wide = np.pad(x, [(0, 0), (0, 0), (p, p), (q, q), (0, 0)])
    rows = np.ascontiguousarray(np.moveaxis(grad, 1, -1))
    gw, kernel = np.empty(weight.shape, np.float32), weight.shape[2:]

    def some(c: int) -> None:
        own = _group(c, channels, per_group)
        gz = rows[..., own].reshape(-1, per_group)
        sums = np.zeros((kernel[0] * kernel[1], per_group), np.float32)
        _weight_gradient(wide[:, c], gz, *stride, *dilation, *grad.shape[2:4], *kernel, sums)
        gw[own, c % channels] = sums.T.reshape(per_group, *kernel)

    threads.over(x.shape[1], some)
    return gx, gw


def _group(channel: int, own: int, others: int) -> slice:
    """The channels on the other side that belong to the group of `channel`.

    A group has `own` channels on this side and `others` on that.
    """
    group = channel // own
    return slice(group * others, (group + 1) * others)


def _as_runs(x: Floats) -> Floats:
    """x (N, C, H, W, T) as (S, C, H, W, L), contiguous."""
    return np.ascontiguousarray(x if x.shape[-1] > 1 else x.transpose(4, 1, 2, 3, 0))


def _as_samples(x: Floats, shape: tuple[int, ...]) -> Floats:
    """The inverse of `_as_runs` for an input of `shape`."""
    return np.ascontiguousarray(x if shape[-1] > 1 else x.transpose(4, 1, 2, 3, 0))


@jit
def _correlate(x, w, sy, sx, first_y, step_y, first_x, step_x, z):
    """z (H', W', L) += w (C, K, L) times x (C, H, W, L), in the order of c, i, j.

    Pixel (y, q) meets the kernel's (i, j) at row y sy + first_y + i step_y, and likewise across.
    """
    C, K, J = w.shape
    across, steps = z.shape[1:]
    for y in range(z.shape[0]):
        out = z[y].reshape(-1)
        for c in range(C):
            for i in range(K):
                row = x[c, y * sy + first_y + i * step_y].reshape(-1)
                j = 0
                while sx == 1 and j + 4 <= J:  # four terms at once
                    a, b, d, e = w[c, i, j], w[c, i, j + 1], w[c, i, j + 2], w[c, i, j + 3]
                    at, gap = (first_x + j * step_x) * steps, step_x * steps
                    p, q = row[at : at + out.size], row[at + gap : at + gap + out.size]
                    at += 2 * gap
                    r, s = row[at : at + out.size], row[at + gap : at + gap + out.size]
                    for k in range(out.size):
                        out[k] = (((out[k] + a * p[k]) + b * q[k]) + d * r[k]) + e * s[k]
                    j += 4
                while j < J:
                    a, at = w[c, i, j], (first_x + j * step_x) * steps
                    if sx == 1:
                        seen = row[at : at + out.size]
                        for k in range(out.size):
                            out[k] += a * seen[k]
                    else:
                        for n in range(across):
                            for t in range(steps):
                                out[n * steps + t] += a * row[at + n * sx * steps + t]
                    j += 1


@jit
def _weight_gradient(x, gz, sy, sx, dy, dx, height, width, K, J, sums):
    """sums (K L, O) += patches of x (N, H, W, T) times gz (N H' W' T, O), over rows in order."""
    N, T = len(x), x.shape[3]
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
