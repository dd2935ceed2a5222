"""Generators that hand out what is known beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

Array = np.ndarray
SEED = 0


class Permutations:
    """For `AnnSampler.soft_clear`: permutations, one after the other."""

    def __init__(self, known: Iterable[Array]) -> None:
        self.known = list(known)

    def permutation(self, n: int) -> Array:
        """The next of them."""
        return self.known.pop(0)[:n]


class Replay(np.random.Generator):
    """A generator that hands out what is known beforehand: uniform numbers, a dropout's draws."""

    def __init__(self, uniform: Array | None = None, kept: Array | None = None) -> None:
        super().__init__(np.random.PCG64(SEED))
        self.known = uniform
        self.kept = kept

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """The known numbers, from [-1, 1) to [low, high)."""
        return (
            super().uniform(low, high, size)
            if self.known is None
            else (low + high) / 2 + self.known.astype(np.float64) * (high - low) / 2
        )

    def random(self, *_: Any, **__: Any) -> Any:
        """The draws of a dropout that keeps what is to be kept."""
        assert self.kept is not None
        return self.kept
