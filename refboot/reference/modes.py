"""The four modes: which one comes when, which layers stay spiking in hybrid training, and what
joins layers that spike to layers that run as rates.

The bridge is what hybrid training needs: where a layer that spikes meets one that runs as rates,
the mean over its T steps is handed on. Letters: N samples, C channels (more axes may follow), T
steps; time is the last axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np

from refboot.arrays import Floats
from refboot.reference.numbers import total


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


def replicate(x: Floats, steps: int) -> Floats:
    """A still x (N, ..., 1) held for T = `steps` steps; a view that cannot be written to.

    Spec: MOD-13.
    """
    return np.broadcast_to(x, (*x.shape[:-1], steps))


def mean_rate_forward(x: Floats) -> Floats:
    """The bridge: the mean of x (N, C, ..., T) over time as one step, (N, C, ..., 1); float32.

    The sum over the steps in order, divided by T. Spec: SPK-4, MOD-12, TRN-3.

    >>> mean_rate_forward(np.float32([[[0, 1, 1, 0]]])).tolist()
    [[[0.5]]]
    """
    steps = x.shape[-1]
    return x if steps == 1 else (total(np.moveaxis(x, -1, 0)) / np.float32(steps))[..., None]


def mean_rate_backward(grad: Floats, steps: int) -> Floats:
    """Gradient of `mean_rate_forward` with respect to x (N, C, ..., T): each step gets grad / T.

    Spec: GRD-12.
    """
    return grad if steps == 1 else np.repeat(grad / np.float32(steps), steps, axis=-1)


def delay_forward(x: Floats) -> Floats:
    """x (..., T) one step later: zero comes first, the last step is lost. Spec: MOD-7."""
    later = np.zeros_like(x)
    later[..., 1:] = x[..., :-1]
    return later


def delay_backward(grad: Floats) -> Floats:
    """Gradient of `delay_forward`: one step earlier, zero comes last. Spec: GRD-13."""
    earlier = np.zeros_like(grad)
    earlier[..., :-1] = grad[..., 1:]
    return earlier
