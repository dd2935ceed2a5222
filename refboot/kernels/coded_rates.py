"""Dense sums over still pictures of a single step, as in the rate modes: every pixel of a code has
the same rate.

What differs from background is added to what background alone would give. Letters: N samples, I
pixels, K codes, O outputs.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.adding import others
from refboot.kernels.coded import Picture
from refboot.kernels.gather import gather_rows
from refboot.kernels.jit import inlined, jit
from refboot.kernels.vectors import LANES

AT_ONCE = 4  # pixels
HALVES = 2  # parts of the pixels, each with its sums of the gradient for the rates
FEW_PIXELS = 1 << 13  # of a whole batch, below which another thread is not worth asking


def rates_forward(picture: Picture, rates: Floats, weight: Floats) -> Floats:
    """z (N, O, 1) for a `picture`, the rate of each code (K,) and a weight (O, I). float32, to the
    rounding of the sum.
    """
    z, columns = (
        np.empty((len(picture.codes), len(weight)), np.float32),
        np.ascontiguousarray(weight.T),
    )
    background = rates[picture.usual]
    base = columns.sum(axis=0) * background if background else np.zeros(len(weight), np.float32)
    work = rates - background, columns, base
    threads.over(
        len(z),
        lambda part: _forward(picture.codes[part], picture.usual, *work, z[part]),
        alone=picture.codes.size < FEW_PIXELS,
    )
    return z[..., None]


def rates_backward(
    grad: Floats, picture: Picture, rates: Floats, weight: Floats
) -> tuple[Floats, Floats]:
    """Gradients of `rates_forward` for the rates, as (K, 1), and for the weight (O, I), given that
    of z (N, O, 1). float32.
    """
    gz, columns, codes = with_sum(grad[..., 0]), np.ascontiguousarray(weight.T), picture.codes
    gw, given = memory.empty(columns.shape), (codes, picture.usual, rates, gz, columns)
    parts = threads.parts(len(columns), 1, HALVES)
    sums = np.zeros((len(parts), len(rates) + 1, LANES))
    tasks = [
        partial(learn, *given, part.start, part.stop, gw, own)
        for part, own in zip(parts, sums, strict=True)
    ]
    threads.share(tasks, alone=codes.size < FEW_PIXELS)
    return gathered(sums, picture.usual)[:, None], gw.T


@jit
def gathered(sums, usual):  # type: ignore[no-untyped-def]
    """The gradient for the rates (K,), float32, from the `sums` (parts, K + 1, LANES) of `learn`:
    for background the rest of the last.
    """
    own, rest = np.zeros(sums.shape[1]), 0.0
    for part in range(len(sums)):
        for k in range(own.size):
            for lane in range(sums.shape[2]):
                own[k] += sums[part, k, lane]
    for k in range(own.size):
        rest += (own[k] if k + 1 == own.size else -own[k]) if k != usual else 0.0
    own[usual] = rest
    return own[:-1].astype(np.float32)


@jit
def with_sum(gz):  # type: ignore[no-untyped-def]
    """gz (N, O) and, last, the sum of its rows."""
    every = np.zeros((len(gz) + 1, gz.shape[1]), np.float32)
    for n in range(len(gz)):
        for o in range(gz.shape[1]):
            every[n, o] = gz[n, o]
            every[-1, o] += gz[n, o]
    return every


@jit
def _forward(codes, usual, rates, weight, base, z):  # type: ignore[no-untyped-def]
    """`rates` without that of background, the `usual` code; z begins as `base`."""
    pixels = codes.shape[1]
    found, by = np.empty(pixels + AT_ONCE, np.int64), np.empty(pixels + AT_ONCE, np.float32)
    for n in range(len(codes)):
        out = z[n]
        for o in range(out.size):
            out[o] = base[o]
        add_pixels(codes[n], usual, rates, weight, found, by, out)


@inlined
def add_pixels(codes, usual, rates, weight, found, by, z):  # type: ignore[no-untyped-def]
    """Adds to z (O,) the rows of `weight` (I, O) of the pixels with other codes (I,) than `usual`,
    times their `rates` (K,).
    """
    count = others(codes, np.uint8(usual), found)
    for j in range(count):
        by[j] = rates[codes[found[j]]]
    for j in range(count, count + AT_ONCE):
        found[j], by[j] = 0, 0
    for j in range(0, count, AT_ONCE):
        a, b, c, d = (
            weight[found[j]],
            weight[found[j + 1]],
            weight[found[j + 2]],
            weight[found[j + 3]],
        )
        p, q, r, s = by[j], by[j + 1], by[j + 2], by[j + 3]
        for o in range(z.size):
            z[o] += (p * np.float32(a[o]) + q * np.float32(b[o])) + (
                r * np.float32(c[o]) + s * np.float32(d[o])
            )


@jit
def learn(codes, usual, rates, gz, weight, low, high, gw, sums):  # type: ignore[no-untyped-def]
    """For the pixels in [low, high): gw (I, O), and adds to `sums` (K + 1, LANES) for each code,
    and last what background alone
    would give. gz (N + 1, O) is `with_sum`."""
    size = len(codes) + 1
    found, by, kinds = (
        np.empty(size, np.int64),
        np.empty(size, np.float32),
        np.empty(size, np.int64),
    )
    for i in range(low, high):
        count = samples_at(codes, i, usual, rates, found, by, kinds)
        gather_rows(gz, found, by, kinds, count, weight[i], gw[i], sums)


@inlined
def samples_at(codes, pixel, usual, rates, found, by, kinds):  # type: ignore[no-untyped-def]
    """The samples, of codes (N, I), in which a pixel is not `usual`, by how much its rate differs
    there, and its code, behind what
    background alone would give (N + 1,); how many these are."""
    found[0], by[0], kinds[0], count = len(codes), rates[usual], len(rates), np.int64(1)
    for n in range(len(codes)):
        code = np.int64(codes[n, pixel])
        found[count], by[count], kinds[count] = n, rates[code] - rates[usual], code
        count += np.int64(code != usual)
    return count
