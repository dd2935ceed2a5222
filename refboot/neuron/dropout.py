"""Dropout with one mask per sample and neuron, held over all time steps."""

from __future__ import annotations

import numpy as np

from refboot import arrays
from refboot.arrays import Floats


class Dropout:
    """In training, zero each (sample, neuron) with chance `p` for all its steps and scale the rest
    by 1 / (1 - p); `rng` draws.

    Spec: NRM-9, NRM-10.
    """

    def __init__(self, p: float, rng: np.random.Generator) -> None:
        self.p = arrays.number("dropout p", p, 0, 0.999)
        self.rng = arrays.generator("dropout rng", rng)
        self._mask: Floats | None = None

    def forward(self, x: Floats, training: bool) -> Floats:
        """x (N, C, ..., T) with the dropped neurons at zero, or x itself outside training;
        float32.
        """
        self._mask = None
        if not training or self.p == 0:
            return x
        kept = self.rng.random(x.shape[:-1], np.float32) >= self.p
        self._mask = (kept / np.float32(1 - self.p)).astype(np.float32)[..., None]
        return x * self._mask

    def backward(self, grad: Floats) -> Floats:
        """Gradient for x of the last `forward`: the same mask. Spec: GRD-14."""
        return grad if self._mask is None else grad * self._mask
