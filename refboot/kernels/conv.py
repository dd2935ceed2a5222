"""Kernels of refboot.reference.conv.

Sums of spikes and quantised weights are equal to its in every bit, other sums to one ulp of the sum
of the magnitudes per term. The input is unfolded, a block of samples or of output rows at a time,
into columns of all that a kernel position sees (C, K, L) against all output positions (y, x, t);
then one matrix product per sample and group does the work, with the steps as more pixels. A block
holds at most `BLOCK` numbers (or one row of one sample), so that it stays in the cache and does not
grow with N, H or W. The threads share the blocks. Rates, of a single step, are laid out with the
samples in the place of the steps, so that runs are long there too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from typing import NamedTuple

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.jit import jit

Pair = tuple[int, int]
BLOCK = 1 << 17


class Block(NamedTuple):
    """Samples and output rows that are worked on at once."""

    samples: slice
    rows: slice


def conv_forward(
    x: Floats, weight: Floats, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Floats:
    """See reference.conv_forward."""
    wide, w = as_steps(x, x.shape), weight.reshape(groups, len(weight) // groups, -1)
    z = memory.empty(
        (
            len(wide),
            len(weight),
            *output_shape(x, weight, stride, padding, dilation),
            wide.shape[-1],
        )
    )

    def forward(block: Block) -> None:
        part, out = (
            columns_of(wide, z, weight, block, stride, padding, dilation),
            z[block.samples, :, block.rows],
        )
        out[...] = np.matmul(w, by_group(part, groups)).reshape(out.shape)

    with threads.blas(1):
        threads.share([partial(forward, block) for block in blocks(z, w.shape[2] * groups)])
    return as_samples(z, x.shape)


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
    wide, w = as_steps(x, x.shape), weight.reshape(groups, len(weight) // groups, -1)
    grad, gx = as_steps(grad, x.shape), np.zeros(wide.shape, np.float32)
    same = [
        list(some)
        for _, some in groupby(blocks(grad, w.shape[2] * groups), lambda block: block.samples.start)
    ]
    sums = [
        np.zeros(w.shape, np.float32) for _ in same
    ]  # of the blocks of the same samples, whoever adds them up

    def backward(own: list[Block], gw: Floats) -> None:
        for block in own:
            part = columns_of(wide, grad, weight, block, stride, padding, dilation)
            gz = np.ascontiguousarray(grad[block.samples, :, block.rows]).reshape(
                len(part), groups, w.shape[1], -1
            )
            gw += np.matmul(gz, by_group(part, groups).swapaxes(2, 3)).sum(axis=0)
            back = np.matmul(w.swapaxes(1, 2), gz).reshape(part.shape)
            _fold(back, block.rows.start, stride, padding, dilation, gx[block.samples])

    with threads.blas(1):
        threads.share([partial(backward, own, gw) for own, gw in zip(same, sums, strict=True)])
    return as_samples(gx, x.shape), np.sum(sums, axis=0).reshape(weight.shape)


def as_steps(x: Floats, shape: tuple[int, ...]) -> Floats:
    """x (N, ..., T), contiguous; for an input `shape` of a single step with the samples as steps,
    (1, ..., N).
    """
    return np.ascontiguousarray(x if shape[-1] > 1 else x.transpose(4, 1, 2, 3, 0))


def as_samples(x: Floats, shape: tuple[int, ...]) -> Floats:
    """The inverse of `as_steps`."""
    return as_steps(x, shape) if shape[-1] == 1 else x


def output_shape(x: Floats, weight: Floats, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """The height and width of the output."""
    reach = [dilation[k] * (weight.shape[2 + k] - 1) + 1 for k in range(2)]
    height, width = (
        (x.shape[2 + k] + 2 * padding[k] - reach[k]) // stride[k] + 1 for k in range(2)
    )
    return height, width


def blocks(z: Floats, seen: int) -> Iterator[Block]:
    """The blocks that cover z (N, O, H', W', T), each position of which sees `seen` inputs."""
    samples, _, height, width, steps = z.shape
    rows = max(1, min(height, BLOCK // (seen * width * steps)))
    count = max(1, BLOCK // (seen * height * width * steps))
    for n in range(0, samples, count):
        for y in range(0, height, rows):
            yield Block(slice(n, min(n + count, samples)), slice(y, min(y + rows, height)))


def columns_of(
    x: Floats, z: Floats, weight: Floats, block: Block, stride: Pair, padding: Pair, dilation: Pair
) -> Floats:
    """What each kernel position sees from each output position of the block: (N', C, K, L, rows,
    W', T).
    """
    part = x[block.samples]
    kernel, rows = weight.shape[2:], block.rows.stop - block.rows.start
    columns = memory.empty((*part.shape[:2], *kernel, rows, *z.shape[3:]))
    _unfold(part, block.rows.start, stride, padding, dilation, columns)
    return columns


def by_group(columns: Floats, groups: int) -> Floats:
    """Columns as matrices (N', G, C/G * K * L, positions)."""
    samples, channels, height, width = columns.shape[:4]
    return columns.reshape(samples, groups, channels // groups * height * width, -1)


@jit
def visible(first, step, size, count):  # type: ignore[no-untyped-def]
    """The range of q in [0, count) for which first + step * q lies in [0, size)."""
    low = 0 if first >= 0 else (-first + step - 1) // step
    high = 0 if first >= size else (size - 1 - first) // step + 1
    return min(low, count), max(min(low, count), min(high, count))


@jit
def _unfold(x, y0, stride, padding, dilation, columns):  # type: ignore[no-untyped-def]
    samples, channels, height, width, steps = x.shape
    _, _, tall, wide, rows, across, _ = columns.shape
    for n in range(samples):
        for c in range(channels):
            for i in range(tall):
                for j in range(wide):
                    left = j * dilation[1] - padding[1]
                    low, high = visible(left, stride[1], width, across)
                    for r in range(rows):
                        y = (y0 + r) * stride[0] - padding[0] + i * dilation[0]
                        out = columns[n, c, i, j, r].reshape(-1)
                        if y < 0 or y >= height:
                            out[:] = 0
                            continue
                        out[: low * steps] = 0
                        out[high * steps :] = 0
                        row = x[n, c, y].reshape(-1)
                        if stride[1] == 1:
                            shift = left * steps
                            for k in range(low * steps, high * steps):
                                out[k] = row[k + shift]
                        else:
                            for q in range(low, high):
                                at = (left + q * stride[1]) * steps
                                for t in range(steps):
                                    out[q * steps + t] = row[at + t]


@jit
def _fold(columns, y0, stride, padding, dilation, x):  # type: ignore[no-untyped-def]
    """The adjoint of `_unfold`: adds each column value where it was taken from."""
    samples, channels, height, width, steps = x.shape
    _, _, tall, wide, rows, across, _ = columns.shape
    for n in range(samples):
        for c in range(channels):
            for i in range(tall):
                for j in range(wide):
                    left = j * dilation[1] - padding[1]
                    low, high = visible(left, stride[1], width, across)
                    for r in range(rows):
                        y = (y0 + r) * stride[0] - padding[0] + i * dilation[0]
                        if y < 0 or y >= height:
                            continue
                        part = columns[n, c, i, j, r].reshape(-1)
                        row = x[n, c, y].reshape(-1)
                        if stride[1] == 1:
                            shift = left * steps
                            for k in range(low * steps, high * steps):
                                row[k + shift] += part[k]
                        else:
                            for q in range(low, high):
                                at = (left + q * stride[1]) * steps
                                for t in range(steps):
                                    row[at + t] += part[q * steps + t]
