"""Convolution over space: one set of weights, applied at every pixel and every step.

Letters: N samples, C input and O output channels, G groups, H x W pixels, K x L kernel, T steps.
Weights are (O, C/G, K, L) and already quantised when they come here. Stride, padding (zeros) and
dilation are pairs (height, width).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from refboot.arrays import Floats

Pair = tuple[int, int]
Position = tuple[tuple[int, int], tuple[slice, slice]]


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many positions a kernel takes along one axis of `size` pixels. Spec: SYN-8.

    >>> output_size(28, 5, 1, 0, 1), output_size(7, 3, 2, 1, 1)
    (24, 4)
    """
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def conv_forward(
    x: Floats, weight: Floats, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Floats:
    """z[n, o, y, x, t] = sum over c, i, j of weight[o, c, i, j] * x[n, c, y*stride + i*dilation -
    padding, ..., t].

    x (N, C, H, W, T), z (N, O, H', W', T), float32; the kernel is not flipped, outside the picture
    lie zeros. Output channel o hears the C/G input channels of its own group. Exact for spikes and
    quantised weights with C/G * K * L < 131,072. Spec: SYN-7, SYN-9.
    """
    x, w = by_group(padded(x, padding), groups), by_group(weight[None], groups)[0]
    z = np.zeros(
        (*x.shape[:2], w.shape[1], *positions_of(x, weight, stride, dilation), x.shape[-1]),
        np.float32,
    )
    for (i, j), (rows, cols) in positions(z, weight, stride, dilation):
        z += np.einsum("goc,ngchwt->ngohwt", w[..., i, j], x[..., rows, cols, :], optimize=True)
    return z.reshape(len(z), len(weight), *z.shape[3:])


def conv_backward(
    grad: Floats,
    x: Floats,
    weight: Floats,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> tuple[Floats, Floats]:
    """Gradients of `conv_forward` for x (N, C, H, W, T) and weight (O, C/G, K, L), given that of z
    (N, O, H', W', T).

    Forward line, for each kernel position: z += w x, so gx += w^T gz there and gw is the sum over
    n, y, x, t of gz x. Spec: GRD-10.
    """
    wide, gz, w = (
        by_group(padded(x, padding), groups),
        by_group(grad, groups),
        by_group(weight[None], groups)[0],
    )
    gx, gw = np.zeros_like(wide), np.zeros_like(w)
    for (i, j), (rows, cols) in positions(gz, weight, stride, dilation):
        gx[..., rows, cols, :] += np.einsum("goc,ngohwt->ngchwt", w[..., i, j], gz, optimize=True)
        gw[..., i, j] = np.einsum("ngohwt,ngchwt->goc", gz, wide[..., rows, cols, :], optimize=True)
    (top, left), (height, width) = padding, x.shape[2:4]
    return gx[..., top : top + height, left : left + width, :].reshape(x.shape), gw.reshape(
        weight.shape
    )


def padded(x: Floats, padding: Pair) -> Floats:
    """x (N, C, H, W, T) with `padding` zeros on either side of H and W."""
    return np.pad(x, [(0, 0), (0, 0), (padding[0], padding[0]), (padding[1], padding[1]), (0, 0)])


def by_group(x: Floats, groups: int) -> Floats:
    """x (N, C, ...) as (N, G, C/G, ...)."""
    return x.reshape(len(x), groups, -1, *x.shape[2:])


def positions_of(x: Floats, weight: Floats, stride: Pair, dilation: Pair) -> Pair:
    """The height and width of the output for a padded x (N, G, C/G, H, W, T)."""
    kernel, size = weight.shape[2:], x.shape[3:5]
    height, width = (output_size(size[k], kernel[k], stride[k], 0, dilation[k]) for k in range(2))
    return height, width


def positions(z: Floats, weight: Floats, stride: Pair, dilation: Pair) -> Iterator[Position]:
    """Every kernel position (i, j), with the rows and columns of the padded input that it meets."""
    for at in product(*map(range, weight.shape[2:])):
        first = [at[k] * dilation[k] for k in range(2)]
        rows, cols = (
            slice(first[k], first[k] + stride[k] * (z.shape[3 + k] - 1) + 1, stride[k])
            for k in range(2)
        )
        yield (at[0], at[1]), (rows, cols)
