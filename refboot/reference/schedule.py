"""The schedule: the four modes, which one comes when, and which layers stay spiking in hybrid
training.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Mode(Enum):
    """How a layer runs.

    SNN: as spikes. SAMPLE: as spikes, and its points are noted. FIT: its curve is fitted, then it
    runs as rates. ANN: as rates on its curve.
    """

    SNN = 0
    ANN = 1
    SAMPLE = 2
    FIT = 3

    @property
    def spiking(self) -> bool:
        """True if a layer in this mode runs T steps of spikes, False if it runs on rates."""
        return self in (Mode.SNN, Mode.SAMPLE)


def base_mode(
    epoch: int, iteration: int, train: bool, num_sample_iter: int, sample_period: int
) -> Mode:
    """The mode of one iteration; all numbers count from 0. Spec: MOD-8, MOD-9.

    Epochs that `sample_period` divides start with `num_sample_iter` iterations of SAMPLE and one
    of FIT; all else is ANN. These epochs are evaluated as SNN, the others as ANN.

    >>> [base_mode(10, i, True, 2, 10).name for i in range(4)]
    ['SAMPLE', 'SAMPLE', 'FIT', 'ANN']
    """
    if epoch % sample_period:
        return Mode.ANN
    if not train:
        return Mode.SNN
    if iteration < num_sample_iter:
        return Mode.SAMPLE
    return Mode.FIT if iteration == num_sample_iter else Mode.ANN


def crossover(epoch: int, crossover_epochs: Sequence[int]) -> int:
    """How many layers, from the input on, spike in every mode: one more from each listed epoch on.

    Spec: MOD-11.
    """
    return sum(start <= epoch for start in crossover_epochs)


def layer_mode(layer: int, base: Mode, crossover: int) -> Mode:
    """The mode of layer number `layer`: SAMPLE for all in SAMPLE, else SNN below `crossover`.

    Spec: MOD-10.
    """
    return Mode.SNN if layer < crossover and base is not Mode.SAMPLE else base
