"""A batch on its way through the network in rates: forward, loss, backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refboot.ann_sampler import AnnSampler
from refboot.arrays import Floats, Ints
from refboot.engine import rates, spiking
from refboot.engine.layer import Layer
from refboot.engine.products import product

F = np.float32
VALUES = ((np.arange(spiking.CODES) - 128) / 32).astype(F)  # of a pixel, by its code


class Curves:
    """The curves as they are now, and the first one's rates and gains for each value of a pixel."""

    def __init__(self, samplers: Sequence[AnnSampler], weight: Floats, bias: Floats) -> None:
        self.parts = [_parts(f) for f in samplers]
        self.table, self.gains = np.empty((1, spiking.CODES), F), np.empty((1, spiking.CODES), F)
        rates.curve(VALUES[None] * weight + bias, *self.parts[0], self.table, self.gains)


def _parts(f: AnnSampler) -> tuple[Any, ...]:
    assert f.curve is not None
    knots, bases = np.ascontiguousarray(f.curve.knots.T.astype(F))
    return knots, bases, f.curve.slopes.astype(F), F(f.curve.scale), F(f.eps)


class RateBatch:
    """Arrays for N samples, which serve again with other `curves`.

    `part` is always a slice of the samples.
    """

    def __init__(self, layers: Sequence[Layer], samples: int, curves: Curves) -> None:
        self.layers, self.samples, self.curves = layers, samples, curves
        sizes = [layer.inputs for layer in layers]
        self.codes = np.empty((samples, sizes[0]), np.uint8)
        self.a, self.z, self.gain, self.gz = (
            [np.empty((samples, size), F) for size in sizes] for _ in range(4)
        )
        self.turned = [np.empty((size, samples), F) for size in sizes]  # a, once more
        self.out, self.grad = (np.empty((samples, layers[-1].outputs), F) for _ in range(2))
        self.losses = np.empty(samples, F)

    def forward(self, part: slice, x: Floats) -> None:
        """The read-out, `out`, of the pictures x (n, I)."""
        a, codes, curves = self.a[0][part], self.codes[part], self.curves
        spiking.encode(x, codes)
        rates.look_up(codes, curves.table[0], curves.gains[0], a, self.gain[0][part])
        for i, layer in enumerate(self.layers[:-1], 1):
            z, next_a = self.z[i][part], self.a[i][part]
            product(a, layer.weight, 0, layer.outputs, z)
            rates.curve(z, *curves.parts[i], next_a, self.gain[i][part])
            a = next_a
        product(a, self.layers[-1].weight, 0, self.out.shape[1], self.out[part])

    def backward(self, part: slice, labels: Ints) -> None:
        """The loss of each sample, and the gradients of all weighted inputs."""
        given = self.grad[part]
        rates.cross_entropy(self.out[part], labels, self.samples, self.losses[part], given)
        for i in range(len(self.layers) - 1, -1, -1):
            layer, gz = self.layers[i], self.gz[i][part]
            self.turned[i][:, part] = self.a[i][part].T
            product(given, layer.turned, 0, layer.inputs, gz)
            rates.multiply(gz, self.gain[i][part])
            given = gz

    def gradient(self, i: int, low: int, high: int) -> None:
        """The gradient of some outputs' weights in layer i: over samples."""
        gz = self.gz[i + 1] if i + 1 < len(self.layers) else self.grad
        product(self.turned[i], gz, low, high, self.layers[i].gw)

    def scalars(self) -> Floats:
        """The gradients (2,) of the input layer's weight and bias."""
        grads = np.empty(2, F)
        rates.scalars(self.gz[0][:, None], self.codes, grads)
        return grads
