"""A generator that hands out what is known beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray
SEED = 0


class Replay(np.random.Generator):
    """A generator that hands out what is known beforehand: permutations one after the other, uniform numbers, a dropout's draws."""

    def __init__(self, permutations: Any = (), uniform: Array | None = None, kept: Array | None = None) -> None:
        super().__init__(np.random.PCG64(SEED))
        self.permutations = list(permutations)
        self.known = uniform
        self.kept = kept

    def permutation(self, n: Any, *_: Any) -> Any:
        """The next of the permutations."""
        return self.permutations.pop(0)[:n]

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """The known numbers, from [-1, 1) to [low, high)."""
        return (
            super().uniform(low, high, size) if self.known is None else (low + high) / 2 + self.known.astype(np.float64) * (high - low) / 2
        )

    def random(self, *_: Any, **__: Any) -> Any:
        """The draws of a dropout that keeps what is to be kept."""
        assert self.kept is not None
        return self.kept
