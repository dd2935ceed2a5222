"""Decays as parameters: one for all, or one per channel, drawn when the number of channels is
known.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from refboot import arrays
from refboot.arrays import Ints
from refboot.errors import OrderError, RangeError, TypeMismatchError
from refboot.parameter import Parameter
from refboot.reference.fixed_point import DECAY_SCALE, decay_mantissa

Range = float | tuple[float, float]


class Decay:
    """A decay in [0, 1], kept as 4096 * decay in `parameter`: (1,), or with `shared` False (C,)
    once built.

    Then each channel draws its own, uniformly from `value`, a pair (least, most), or from 1 %
    around a number. Raises TypeMismatchError for a pair that should be a number, RangeError.
    """

    def __init__(self, name: str, value: Range, shared: bool, trainable: bool) -> None:
        self.name = name
        shared = arrays.flag("shared_param", shared)
        self.bounds = _bounds(name, value, shared)
        self.shared = shared
        self.parameter = Parameter(np.array([self.bounds[0] * DECAY_SCALE], np.float32), trainable)
        self._built = shared

    def build(self, channels: int, rng: np.random.Generator | None) -> None:
        """Draw the decays (C,), once; raises RangeError if there are some for another C,
        TypeMismatchError without `rng`.
        """
        if self.shared:
            return
        if self._built and self.parameter.data.shape != (channels,):
            raise RangeError(
                "the number of channels",
                channels,
                f"{len(self.parameter.data)}, as at the first build",
            )
        if not self._built:
            low, high = self.bounds
            drawn = arrays.generator("rng, which draws the decays of each channel,", rng).uniform(
                low, high, channels
            )
            self.parameter.data = np.minimum(drawn * DECAY_SCALE, DECAY_SCALE).astype(np.float32)
            self._built = True

    @property
    def mantissa(self) -> Ints:
        """The decay as integers in 0..4096, (1,) or (C,); raises OrderError for channels that are
        not known yet.
        """
        if not self._built:
            raise OrderError(
                self.name,
                "of each channel used before their number was known",
                "network.build(input_shape) first",
            )
        data = self.parameter.data
        return (
            np.array([_of_all(float(data[0]))], np.int64)
            if data.shape == (1,)
            else decay_mantissa(data)
        )

    @property
    def device(self) -> int | Ints:
        """The integer a chip is programmed with, or one per channel."""
        return int(self.mantissa[0]) if self.shared else self.mantissa


@lru_cache
def _of_all(decay: float) -> int:
    """decay_mantissa of the decay of all channels, which is asked for again and again."""
    return int(decay_mantissa(np.array([decay], np.float32))[0])


def _bounds(name: str, value: Range, shared: bool) -> tuple[float, float]:
    if not isinstance(value, (tuple, list)):
        middle = arrays.number(name, value, 0, 1)
        return (middle, middle) if shared else (0.99 * middle, 1.01 * middle)
    if shared:
        raise TypeMismatchError(name, repr(value), "a number (a pair needs shared_param=False)")
    if len(value) != 2:
        raise TypeMismatchError(name, repr(value), "a number or a pair (least, most)")
    low, high = (arrays.number(name, bound, 0, 1) for bound in value)
    if low > high:
        raise RangeError(name, value, "a pair (least, most)")
    return low, high
