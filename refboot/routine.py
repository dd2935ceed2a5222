"""The schedule: which mode each layer runs in, by epoch and iteration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from refboot import arrays
from refboot.stats import LearningStat


class Mode(Enum):
    """How a layer runs: spiking (SNN), spiking and sampled (SAMPLE), fitted then as rates (FIT), as
    rates (ANN).
    """

    SNN = 0
    ANN = 1
    SAMPLE = 2
    FIT = 3

    @property
    def spiking(self) -> bool:
        """Whether a layer in this mode runs T steps of spikes, not one step of rates."""
        return self in (Mode.SNN, Mode.SAMPLE)


class LayerMode:
    """A mode for each layer, handed down through a network; iterating yields them, without end and
    afresh each time.

    SAMPLE for every layer in SAMPLE; else SNN for the first `crossover` layers and `base_mode` for
    the rest. Spec: MOD-10.
    """

    def __init__(self, crossover: int, base_mode: Mode) -> None:
        self.crossover = arrays.whole("crossover", crossover, 0)
        self.base_mode = arrays.instance("base_mode", base_mode, Mode, "a refboot.Mode")

    def of(self, layer: int) -> Mode:
        """The mode of layer number `layer`, from 0; raises TypeMismatchError, RangeError."""
        return self._of(arrays.whole("layer", layer, 0))

    def _of(self, layer: int) -> Mode:
        if layer < self.crossover and self.base_mode is not Mode.SAMPLE:
            return Mode.SNN
        return self.base_mode

    def __iter__(self) -> Iterator[Mode]:
        layer = 0
        while True:
            yield self._of(layer)
            layer += 1

    def __str__(self) -> str:
        tail = f" Crossover at: {self.crossover}" if self.crossover else ""
        return f"Mode: {self.base_mode.name}{tail}"


class Scheduler:
    """Sample for `num_sample_iter` iterations and fit at the next, in each epoch divisible by
    `sample_period`; else train as ANN.

    From each epoch in `crossover_epochs` on, one more layer from the input stays spiking (hybrid
    training). `snn_stat` keeps the statistics of spiking evaluations.
    """

    def __init__(
        self,
        num_sample_iter: int = 10,
        sample_period: int = 10,
        crossover_epochs: Sequence[int] | None = None,
    ) -> None:
        self.num_sample_iter = arrays.whole("num_sample_iter", num_sample_iter, 0)
        self.sample_period = arrays.whole("sample_period", sample_period)
        landmarks = (
            [] if crossover_epochs is None else arrays.items("crossover_epochs", crossover_epochs)
        )
        self.crossover_epochs = sorted(
            {arrays.whole("crossover_epochs", epoch, 0) for epoch in landmarks}
        )
        self.snn_stat = LearningStat()

    def crossover(self, epoch: int) -> int:
        """How many layers from the input stay spiking in this epoch; lava-dl counts the same as
        epochs go by, but also when asked twice.

        Spec: MOD-11.
        """
        arrays.whole("epoch", epoch, 0)
        return sum(landmark <= epoch for landmark in self.crossover_epochs)

    def mode(self, epoch: int, iteration: int, train: bool = True) -> LayerMode:
        """The modes for one iteration (both from 0), in training or evaluation; asking changes
        nothing. Raises for negative numbers.

        Spec: MOD-8, MOD-9.
        """
        arrays.whole("epoch", epoch, 0)
        arrays.whole("iteration", iteration, 0)
        return LayerMode(
            self.crossover(epoch), self._base_mode(epoch, iteration, arrays.flag("train", train))
        )

    def _base_mode(self, epoch: int, iteration: int, train: bool) -> Mode:
        if epoch % self.sample_period:
            return Mode.ANN
        if not train:
            return Mode.SNN
        if iteration < self.num_sample_iter:
            return Mode.SAMPLE
        return Mode.FIT if iteration == self.num_sample_iter else Mode.ANN

    def sync_snn_stat(self, stat: LearningStat) -> None:
        """Take over the sums of a spiking evaluation."""
        arrays.instance("stat", stat, LearningStat, "a refboot.stats.LearningStat")
        self.snn_stat.num_samples = stat.num_samples
        self.snn_stat.loss_sum = stat.loss_sum
        self.snn_stat.correct_samples = stat.correct_samples

    def update_snn_stat(self) -> None:
        """Close the spiking evaluation: log it, renew the best, start again from zero."""
        self.snn_stat.update()
        self.snn_stat.reset()
