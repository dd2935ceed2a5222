"""Batch norms of a neuron's input that a chip can do: as a bias, and as a shift."""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints
from refboot.errors import OrderError, RangeError
from refboot.optim import Parameter
from refboot.reference.norm import norm_std
from refboot.reference.numbers import WEIGHT_SCALE


class MeanOnlyBatchNorm:
    """Subtract the mean of each channel: in training that of the batch, else a running mean.

    In training the running mean moves by `momentum` towards the batch's. With `quantised` the mean
    is rounded like a weight before use, so that a chip can take it as a bias. Raises RangeError.
    Spec: NRM-1, NRM-3.
    """

    def __init__(self, momentum: float = 0.1, quantised: bool = True) -> None:
        self.momentum = arrays.number("momentum", momentum, 0, 1)
        self.quantised = arrays.flag("quantised", quantised)
        self.running_mean: Parameter | None = None
        self._used: tuple[Floats, Floats, bool] | None = None

    def build(self, channels: int) -> None:
        """Make the running mean (C,), zero; raises RangeError if it was made for another C."""
        if self.running_mean is None:
            self.running_mean = Parameter(np.zeros(channels, np.float32), trainable=False)
        count = len(self.running_mean.data)
        if count != channels:
            raise RangeError("the number of channels", channels, f"{count}, as at the first build")

    def parameters(self) -> dict[str, Parameter]:
        """`running_mean` (C,), which is saved and not learned; raises OrderError before `build`."""
        if self.running_mean is None:
            raise OrderError(
                type(self).__name__,
                "used before the number of channels was known",
                "build(channels), as the block or network does",
            )
        return {"running_mean": self.running_mean}

    @property
    def bias(self) -> Ints:
        """What a chip adds instead: -64 times the running mean as used; int64 (C,).

        Spec: NRM-11.
        """
        mean = self._rounded(self.parameters()["running_mean"].data)
        return -np.rint(WEIGHT_SCALE * mean).astype(np.int64)

    def forward(self, x: Floats, training: bool) -> Floats:
        """x (N, C, ..., T) without its mean, float32; in `training` the running mean moves.

        Spec: NRM-2.
        """
        running = self.parameters()["running_mean"]
        if training:
            mean, variance = ops.active().norm_statistics(x)
            self._move(running, mean)
            std = self._std(variance, x.size // x.shape[1])
        else:
            mean, std = running.data.copy(), self._std(None, 0)
        self._used = mean, std, training
        return ops.active().norm_forward(x, self._rounded(mean), std)

    def again(self, x: Floats) -> Floats:
        """x (N, C, ..., T) normed by the mean and divisor of the last `forward`, float32."""
        mean, std, _ = self._last()
        return ops.active().norm_forward(x, self._rounded(mean), std)

    def backward(self, grad: Floats) -> Floats:
        """Gradient with respect to the x of the last `forward`, in training also via its mean."""
        mean, std, training = self._last()
        through = np.full(mean.shape, training, np.float32)
        if self.quantised:
            through = ops.active().quantize_8bit_backward(through, mean)
        return ops.active().norm_backward(grad, std, through)

    def _std(self, variance: Floats | None, count: int) -> Floats:
        """The divisor (1,) for a batch of `count` numbers per channel; no variance: evaluation."""
        return np.ones(1, np.float32)

    def _move(self, running: Parameter, new: Floats) -> None:
        keep, take = np.float32(1 - self.momentum), np.float32(self.momentum)
        running.data[...] = keep * running.data + take * new

    def _rounded(self, mean: Floats) -> Floats:
        return ops.active().quantize_8bit(mean) if self.quantised else mean

    def _last(self) -> tuple[Floats, Floats, bool]:
        if self._used is None:
            raise OrderError(
                type(self).__name__, "asked for its last statistics", "a forward pass before it"
            )
        return self._used


class WgtScaleBatchNorm(MeanOnlyBatchNorm):
    """Also divide by the power of two at or above the standard deviation of the whole layer.

    Its exponent is clamped to +-`bits`. Spec: NRM-5.
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
        return int(np.frexp(self._std(None, 0))[1][0]) - 1

    def _std(self, variance: Floats | None, count: int) -> Floats:
        if variance is None:
            return norm_std(self.running_var.data, bits=self.bits)
        # lava-dl's factor n / (n + 1); an unbiased estimate would have n / (n - 1). The power of
        # two rarely shows the difference.
        self._move(self.running_var, variance * np.float32(count) / np.float32(count + 1))
        return norm_std(variance, bits=self.bits)
