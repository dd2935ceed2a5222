"""Decays as parameters: one for the layer, or one for each channel."""

from __future__ import annotations

import numpy as np

from refboot import arrays
from refboot.arrays import Ints
from refboot.errors import OrderError, RangeError, TypeMismatchError
from refboot.optim import Parameter
from refboot.reference.draws import uniform
from refboot.reference.numbers import DECAY_SCALE, decay_mantissa

Range = float | tuple[float, float]


class Decay:
    """A decay in [0, 1], stored in `parameter` as 4096 * decay, float32.

    If `shared`, it is (1,). Else each channel draws its own when `build` tells their number C,
    uniformly from the pair `value` (least, most), or from 1 % around a number. Raises RangeError,
    and TypeMismatchError for a pair that should be a number.
    """

    def __init__(self, name: str, value: Range, shared: bool, trainable: bool) -> None:
        self.name = name
        self.shared = arrays.flag("shared_param", shared)
        self.bounds = _bounds(name, value, self.shared)
        self.parameter = Parameter(np.array([self.bounds[0] * DECAY_SCALE], np.float32), trainable)
        self._built = self.shared

    def build(self, channels: int, rng: np.random.Generator | None) -> None:
        """Draw the decays (C,), once.

        Raises RangeError if they were drawn for another C, TypeMismatchError without `rng`.
        """
        if not self._built:
            rng = arrays.generator("rng, which draws the decays of each channel,", rng)
            drawn = uniform(rng, *self.bounds, channels) * DECAY_SCALE
            self.parameter.data = np.minimum(drawn, DECAY_SCALE).astype(np.float32)
            self._built = True
        count = len(self.parameter.data)
        if not self.shared and count != channels:
            raise RangeError("the number of channels", channels, f"{count}, as at the first build")

    @property
    def mantissa(self) -> Ints:
        """The decay as integers in 0..4096, (1,) or (C,); raises OrderError before `build`."""
        if not self._built:
            raise OrderError(
                f"{self.name} of each channel",
                "used before the number of channels was known",
                "network.build(input_shape) first",
            )
        return decay_mantissa(self.parameter.data)

    @property
    def device(self) -> int | Ints:
        """The integer that programs a chip, or one for each channel."""
        return int(self.mantissa[0]) if self.shared else self.mantissa


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
