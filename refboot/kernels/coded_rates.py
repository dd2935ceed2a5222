"""Dense sums over still pictures of a single step, as in the rate modes: every pixel of a code has the same rate.

What differs from background is added to what background alone would give. Letters: N samples, I pixels, K codes, O outputs.
"""

from __future__ import annotations

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.coded import Picture
from refboot.kernels.jit import jit, jit_sum

AT_ONCE = 4  # pixels
HALVES = 2  # parts of the pixels, each with its sums of the gradient for the rates
FEW_PIXELS = 1 << 13  # of a whole batch, below which another thread is not worth asking


def rates_forward(picture: Picture, rates: Floats, weight: Floats) -> Floats:
    """z (N, O, 1) for a `picture`, the rate of each code (K,) and a weight (O, I). float32, to the rounding of the sum."""
    z, columns = np.empty((len(picture.codes), len(weight)), np.float32), np.ascontiguousarray(weight.T)
    background = rates[picture.usual]
    base = columns.sum(axis=0) * background if background else np.zeros(len(weight), np.float32)
    work = rates - background, columns, base
    threads.over(len(z), lambda part: _forward(picture.codes[part], *work, z[part]), alone=picture.codes.size < FEW_PIXELS)
    return z[..., None]


def rates_backward(grad: Floats, picture: Picture, rates: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Gradients of `rates_forward` for the rates, as (K, 1), and for the weight (O, I), given that of z (N, O, 1). float32."""
    gz, columns, codes = np.ascontiguousarray(grad[..., 0]), np.ascontiguousarray(weight.T), np.ascontiguousarray(picture.codes.T)
    gw, given = memory.empty(columns.shape), (codes, picture.usual, rates, gz, gz.sum(axis=0))
    parts = {part.start: np.zeros(len(rates)) for part in threads.parts(len(codes), 1, HALVES)}

    def work(part: slice) -> None:
        _backward(*given, columns, part.start, part.stop, gw, parts[part.start])

    threads.over(len(codes), work, alone=codes.size < FEW_PIXELS, fixed=True, count=HALVES)
    return np.sum([parts[start] for start in sorted(parts)], axis=0).astype(np.float32)[:, None], gw.T


@jit
def _forward(codes, rates, weight, base, z):  # type: ignore[no-untyped-def]
    """`rates` without that of background; z begins as `base`."""
    pixels = codes.shape[1]
    found, by = np.empty(pixels + AT_ONCE, np.int64), np.empty(pixels + AT_ONCE, np.float32)
    for n in range(len(codes)):
        count = np.int64(0)
        for i in range(pixels):
            found[count], by[count] = i, rates[codes[n, i]]
            count += np.int64(by[count] != 0)
        found[count : count + AT_ONCE], by[count : count + AT_ONCE] = 0, 0
        out = z[n]
        for o in range(out.size):
            out[o] = base[o]
        for j in range(0, count, AT_ONCE):
            a, b, c, d = weight[found[j]], weight[found[j + 1]], weight[found[j + 2]], weight[found[j + 3]]
            for o in range(out.size):
                out[o] += (by[j] * a[o] + by[j + 1] * b[o]) + (by[j + 2] * c[o] + by[j + 3] * d[o])


@jit_sum
def _backward(codes, usual, rates, gz, whole, weight, low, high, gw, g_rates):  # type: ignore[no-untyped-def]
    """For the pixels in [low, high): gw (I, O), and adds to g_rates (K,). `whole` is the sum of gz over the samples."""
    for i in range(low, high):
        row, out, rest = weight[i], gw[i], np.float32(0)
        for o in range(out.size):
            rest += row[o] * whole[o]
            out[o] = rates[usual] * whole[o]
        background = np.float64(rest)
        for n in range(codes.shape[1]):
            code = codes[i, n]
            if code != usual:
                along, by, own = gz[n], rates[code] - rates[usual], np.float32(0)
                for o in range(out.size):
                    own += row[o] * along[o]
                    out[o] += by * along[o]
                g_rates[code] += np.float64(own)
                background -= np.float64(own)
        g_rates[usual] += background
