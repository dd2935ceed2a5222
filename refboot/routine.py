"""The scheduler: which mode each layer runs in, by epoch and iteration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from refboot import arrays
from refboot.reference import modes
from refboot.reference.modes import Mode
from refboot.stats import LearningStat

__all__ = ["LayerMode", "Mode", "Scheduler"]


class LayerMode:
    """A mode for each layer of a network; iterating yields them, endlessly and always from layer 0.

    SAMPLE for every layer if `base_mode` is SAMPLE. Else SNN for the first `crossover` layers, and
    `base_mode` for the others. Spec: MOD-10.
    """

    def __init__(self, crossover: int, base_mode: Mode) -> None:
        self.crossover = arrays.whole("crossover", crossover, 0)
        self.base_mode = arrays.instance("base_mode", base_mode, Mode, "a refboot.Mode")

    def of(self, layer: int) -> Mode:
        """The mode of layer number `layer`, from 0; raises TypeMismatchError, RangeError."""
        layer = arrays.whole("layer", layer, 0)
        return modes.layer_mode(layer, self.base_mode, self.crossover)

    def __iter__(self) -> Iterator[Mode]:
        return map(self.of, count())

    def __str__(self) -> str:
        tail = f" Crossover at: {self.crossover}" if self.crossover else ""
        return f"Mode: {self.base_mode.name}{tail}"


class Scheduler:
    """The schedule of bootstrap training.

    In each epoch that `sample_period` divides, sample for `num_sample_iter` iterations and fit at
    the next; all else is ANN. At each of `crossover_epochs` one more layer, from the input on,
    becomes spiking for good (hybrid training). `snn_stat` keeps the statistics of spiking
    evaluations. Raises RangeError, TypeMismatchError.
    """

    def __init__(
        self,
        num_sample_iter: int = 10,
        sample_period: int = 10,
        crossover_epochs: Sequence[int] | None = None,
    ) -> None:
        self.num_sample_iter = arrays.whole("num_sample_iter", num_sample_iter, 0)
        self.sample_period = arrays.whole("sample_period", sample_period)
        given = arrays.items(
            "crossover_epochs", [] if crossover_epochs is None else crossover_epochs
        )
        epochs = {arrays.whole("crossover_epochs", epoch, 0) for epoch in given}
        self.crossover_epochs = sorted(epochs)
        self.snn_stat = LearningStat()

    def crossover(self, epoch: int) -> int:
        """How many layers, from the input on, stay spiking in this epoch.

        lava-dl counts the same as epochs go by, but its counter also moves when asked twice. Spec:
        MOD-11.
        """
        return modes.crossover(arrays.whole("epoch", epoch, 0), self.crossover_epochs)

    def mode(self, epoch: int, iteration: int, train: bool = True) -> LayerMode:
        """The modes of one iteration (both numbers from 0), in training or in evaluation.

        Asking changes nothing. Raises RangeError, TypeMismatchError. Spec: MOD-8, MOD-9.
        """
        crossover = self.crossover(epoch)
        iteration, train = arrays.whole("iteration", iteration, 0), arrays.flag("train", train)
        return LayerMode(crossover, self._base_mode(epoch, iteration, train))

    def _base_mode(self, epoch: int, iteration: int, train: bool) -> Mode:
        options = self.num_sample_iter, self.sample_period
        return modes.base_mode(epoch, iteration, train, *options)

    def sync_snn_stat(self, stat: LearningStat) -> None:
        """Copy the sums of a spiking evaluation."""
        arrays.instance("stat", stat, LearningStat, "a refboot.stats.LearningStat")
        self.snn_stat.num_samples = stat.num_samples
        self.snn_stat.loss_sum = stat.loss_sum
        self.snn_stat.correct_samples = stat.correct_samples

    def update_snn_stat(self) -> None:
        """Close the spiking evaluation: log it, update the best, start again from zero."""
        self.snn_stat.update()
        self.snn_stat.reset()
