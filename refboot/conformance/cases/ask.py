"""What the questions are made with: a short way to write one, and numbers drawn alike on every
machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refboot.conformance.case import EXACT, Case, Tolerance


def ask(
    id: str,
    op: str,
    clauses: str,
    tolerance: Tolerance = EXACT,
    reject: str | None = None,
    **inputs: Any,
) -> Case:
    """A case without its answer; `clauses` in one text, `inputs` by name (arrays float32, float64
    or int64).
    """
    return Case(id, op, tuple(clauses.split()), inputs, reject=reject, tolerance=tolerance)


def ulps(n: float) -> Tolerance:
    """At most n float32 ulps of the largest magnitude."""
    return Tolerance("ulps", n)


def f4(*values: Any) -> np.ndarray:
    """A float32 array: of one nested list, or of the numbers."""
    return np.array(values[0] if len(values) == 1 else values, np.float32)


def i8(*values: Any) -> np.ndarray:
    """An int64 array: of one nested list, or of the numbers."""
    return np.array(values[0] if len(values) == 1 else values, np.int64)


class Draw:
    """Numbers from the raw bits of PCG64, which are the same in every version of NumPy, on a grid
    that float32 holds.
    """

    def __init__(self, seed: int) -> None:
        self.bits = np.random.PCG64(seed)

    def _raw(self, shape: tuple[int, ...]) -> np.ndarray:
        return (
            (self.bits.random_raw(int(np.prod(shape))) >> np.uint64(40))
            .astype(np.int64)
            .reshape(shape)
        )

    def real(self, *shape: int, low: float = -1, high: float = 1) -> np.ndarray:
        """Float32 numbers, uniform in [low, high)."""
        return (low + (high - low) * self._raw(shape) / 2**24).astype(np.float32)

    def whole(self, *shape: int, low: int, high: int) -> np.ndarray:
        """Int64 numbers, uniform in [low, high)."""
        return low + self._raw(shape) * (high - low) // 2**24

    def spikes(self, *shape: int, rate: float = 0.3) -> np.ndarray:
        """Float32 zeros and ones."""
        return (self.real(*shape, low=0) < rate).astype(np.float32)

    def grid(self, *shape: int, low: float = -4, high: float = 4) -> np.ndarray:
        """Float32 weights, multiples of 1/32."""
        return (np.floor(self.real(*shape, low=low, high=high) * 32) / 32).astype(np.float32)

    def permutation(self, n: int) -> np.ndarray:
        """Int64 numbers 0 to n - 1 in random order."""
        return np.argsort(self.bits.random_raw(n), kind="stable").astype(np.int64)
