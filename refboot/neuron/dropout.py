"""Dropout with one mask per sample and neuron, the same at every time step."""

from __future__ import annotations

import numpy as np

from refboot import arrays
from refboot.arrays import Floats
from refboot.reference.draws import uniform


class Dropout:
    """In training, silence each neuron of each sample with probability `p`, for all its steps.

    The others are multiplied by 1 / (1 - p). `rng` draws a number in [0, 1) for each; those below p
    are silenced. Spec: NRM-9, NRM-10.
    """

    def __init__(self, p: float, rng: np.random.Generator) -> None:
        self.p = arrays.number("dropout p", p, 0, 0.999)
        self.rng = arrays.generator("dropout rng", rng)
        self._mask: Floats | None = None

    def forward(self, x: Floats, training: bool) -> Floats:
        """x (N, C, ..., T) with the mask applied, float32; x itself outside training."""
        self._mask = None
        if not training or self.p == 0:
            return x
        keep = uniform(self.rng, 0, 1, x.shape[:-1]) >= self.p
        scale = np.float32(1) / np.float32(1 - self.p)
        self._mask = np.where(keep, scale, np.float32(0))[..., None]
        return x * self._mask

    def backward(self, grad: Floats) -> Floats:
        """Gradient with respect to x of the last `forward`: the same mask. Spec: GRD-14."""
        return grad if self._mask is None else grad * self._mask
