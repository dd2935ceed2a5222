"""Pooling: the weighted sum of a window of each channel; and the population read-out.

Letters: N samples, C channels, H x W pixels, K x L window, T steps. Stride, padding and dilation
are pairs (height, width).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refboot.arrays import Floats
from refboot.reference.conv import Pair, conv_forward, conv_input_backward
from refboot.reference.numbers import total


def pool_forward(
    x: Floats,
    weight: Floats,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    conv: Callable[..., Floats] = conv_forward,
) -> Floats:
    """z[n, c] = x[n, c] convolved with the window `weight` (K, L), each channel alone; float32.

    x (N, C, H, W, T). Where K does not divide H (or L W), zeros are added below (right) up to the
    next multiple. Exact for spikes and quantised weights. lava-dl adds H mod K zeros, which is the
    same for K = 2 and leaves windows across two channels elsewhere. Spec: SYN-10.
    """
    height, width = whole_size(x.shape[2:4], weight.shape)
    wide = [(0, 0), (0, 0), (0, height - x.shape[2]), (0, width - x.shape[3]), (0, 0)]
    flat = np.pad(x, wide).reshape(-1, 1, height, width, x.shape[-1])
    z = conv(flat, weight[None, None], stride, padding, dilation, 1)
    return z.reshape(*x.shape[:2], *z.shape[2:])


def pool_backward(
    grad: Floats,
    weight: Floats,
    size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    conv_input: Callable[..., Floats] = conv_input_backward,
) -> Floats:
    """Gradient of `pool_forward` with respect to its x of H x W = `size` pixels.

    `grad` is that of z (N, C, H', W', T); the weight is not learned. Spec: GRD-11.
    """
    wide, gz = whole_size(size, weight.shape), grad.reshape(-1, 1, *grad.shape[2:])
    gx = conv_input(gz, weight[None, None], wide, stride, padding, dilation, 1)
    return gx.reshape(*grad.shape[:2], *gx.shape[2:])[:, :, : size[0], : size[1]]


def whole_size(size: tuple[int, ...], window: tuple[int, ...]) -> Pair:
    """Height and width rounded up to multiples of the window's.

    >>> whole_size((7, 5), (2, 3))
    (8, 6)
    """
    return -(-size[0] // window[0]) * window[0], -(-size[1] // window[1]) * window[1]


def average_forward(x: Floats, groups: int) -> Floats:
    """The mean of each of `groups` equal, consecutive populations of neurons, summed in order.

    x (N, C, ..., T), result (N, groups, T), float32.
    """
    members = x.reshape(len(x), groups, -1, x.shape[-1])
    return total(np.moveaxis(members, 2, 0)) / np.float32(members.shape[2])


def average_backward(grad: Floats, shape: tuple[int, ...]) -> Floats:
    """Gradient of `average_forward` with respect to its x of `shape`: grad / size of a population
    for each of its neurons.
    """
    members = int(np.prod(shape[1:-1])) // grad.shape[1]
    return np.repeat(grad / np.float32(members), members, axis=1).reshape(shape)
