"""Batch norms of a neuron's input, in the forms that a chip can do: a bias, and a shift."""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints
from refboot.errors import OrderError, RangeError
from refboot.parameter import Parameter
from refboot.reference.fixed_point import WEIGHT_SCALE
from refboot.reference.norm import norm_std


class MeanOnlyBatchNorm:
    """Subtracts the mean of each channel: of this batch in training, else a running mean, which
    moves by `momentum` in training.

    With `quantised` the mean is first rounded like a weight, so that it can be a bias of the chip's
    neurons. Raises RangeError. Spec: NRM-1, NRM-3.
    """

    def __init__(self, momentum: float = 0.1, quantised: bool = True) -> None:
        self.momentum = arrays.number("momentum", momentum, 0, 1)
        self.quantised = quantised
        self.running_mean: Parameter | None = None
        self._used: tuple[Floats, Floats, bool] | None = None

    def build(self, channels: int) -> None:
        """Make the running mean (C,), zero; raises RangeError if there was one for another number
        of channels.
        """
        if self.running_mean is None:
            self.running_mean = Parameter(np.zeros(channels, np.float32), trainable=False)
        if len(self.running_mean.data) != channels:
            raise RangeError(
                "the number of channels",
                channels,
                f"{len(self.running_mean.data)}, as at the first build",
            )

    def parameters(self) -> dict[str, Parameter]:
        """`running_mean` (C,), which is saved and not learned."""
        return {"running_mean": self._built(self.running_mean)}

    @property
    def bias(self) -> Ints:
        """What a chip adds instead: -64 times the running mean as used (C,), int64. Spec:
        NRM-11.
        """
        return -np.rint(WEIGHT_SCALE * self._rounded(self._built(self.running_mean).data)).astype(
            np.int64
        )

    def forward(self, x: Floats, training: bool) -> Floats:
        """x (N, C, ..., T) without its mean, float32; in `training` that of this batch, which moves
        the running one. Spec: NRM-2.
        """
        mean, std = self._measure(x) if training else self._remembered()
        self._used = mean, std, training
        return self.again(x)

    def again(self, x: Floats) -> Floats:
        """x (N, C, ..., T) normed by what the last `forward` measured or took, float32."""
        mean, std, _ = self._last()
        return ops.active().norm_forward(x, self._rounded(mean), std)

    def backward(self, grad: Floats) -> Floats:
        """Gradient for the x of the last `forward`, in training also through its mean."""
        mean, std, training = self._last()
        through = np.full(mean.shape, training, np.float32)
        if self.quantised:
            through = ops.active().quantize_8bit_backward(through, mean)
        return ops.active().norm_backward(grad, std, through)

    def _measure(self, x: Floats) -> tuple[Floats, Floats]:
        mean, _ = ops.active().norm_statistics(x)
        self._move(self._built(self.running_mean), mean)
        return mean, np.ones(1, np.float32)

    def _remembered(self) -> tuple[Floats, Floats]:
        return self._built(self.running_mean).data.copy(), np.ones(1, np.float32)

    def _move(self, running: Parameter, new: Floats) -> None:
        running.data[...] = (
            np.float32(1 - self.momentum) * running.data + np.float32(self.momentum) * new
        )

    def _rounded(self, mean: Floats) -> Floats:
        return ops.active().quantize_8bit(mean) if self.quantised else mean

    def _last(self) -> tuple[Floats, Floats, bool]:
        if self._used is None:
            raise OrderError(
                type(self).__name__, "asked for its last statistics", "a forward pass before it"
            )
        return self._used

    def _built(self, parameter: Parameter | None) -> Parameter:
        if parameter is None:
            raise OrderError(
                type(self).__name__,
                "used before its channels were known",
                "build(channels), as the block or network does",
            )
        return parameter


class WgtScaleBatchNorm(MeanOnlyBatchNorm):
    """Also divides by the power of two at or above the standard deviation of the whole layer, its
    exponent within +-`bits`. Spec: NRM-5.
    """

    def __init__(self, momentum: float = 0.1, quantised: bool = True, bits: int = 3) -> None:
        super().__init__(momentum, quantised)
        self.bits = arrays.whole("bits", bits, 0, 31)
        self.running_var = Parameter(np.zeros(1, np.float32), trainable=False)

    def parameters(self) -> dict[str, Parameter]:
        """`running_mean` (C,) and `running_var` (1,), which are saved and not learned."""
        return super().parameters() | {"running_var": self.running_var}

    @property
    def weight_exp(self) -> int:
        """The exponent of the divisor in evaluation: the shift of a chip."""
        return int(np.log2(norm_std(self.running_var.data, bits=self.bits)[0]))

    def _measure(self, x: Floats) -> tuple[Floats, Floats]:
        mean, variance = ops.active().norm_statistics(x)
        count = x.size // x.shape[1]
        self._move(self._built(self.running_mean), mean)
        # n / (n + 1) is lava-dl's factor; the unbiased estimate would have n / (n - 1). The power
        # of two hardly knows the difference.
        self._move(self.running_var, variance * np.float32(count) / np.float32(count + 1))
        return mean, norm_std(variance, bits=self.bits)

    def _remembered(self) -> tuple[Floats, Floats]:
        return super()._remembered()[0], norm_std(self.running_var.data, bits=self.bits)
