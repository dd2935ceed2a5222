"""The way around for still pictures: the input layer runs once per code, not once per pixel; the
layer behind it sums by code.

It gives what the way through every pixel gives: the same bits as a spiking network, as rates and
gradients sums in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from refboot import ops
from refboot.arrays import Floats
from refboot.block.cuba import Affine, Dense, Input
from refboot.neuron import cuba
from refboot.routine import Mode
from refboot.synapse import Scalar
from refboot.synapse.hook import quantize_8bit
from refboot.synapse.still import Still

FEW_PIXELS = 4096  # of a whole batch, below which the way through every pixel is as quick


class Held:
    """The two first blocks of a network on a still x (N, I, T)."""

    def __init__(self, first: Input, second: Dense | Affine, x: Floats) -> None:
        self.first, self.second, self.x = first, second, x
        self.mode = Mode.SNN
        self.still: Still | None = None

    def run(self, layer: int, mode: Mode) -> Any:
        """What block 0, then block 1 makes of x: of 0 it is a Still, of 1 an array."""
        if layer:
            return self.second.run(self.still, mode)  # type: ignore[arg-type]
        if self.still is not None:
            return self.still
        values = np.broadcast_to(
            self.picture.values[None, :, None], (1, len(self.picture.values), self.x.shape[-1])
        )
        self.still = Still(self.picture, self.first.run_coded(values, self.picture.codes, mode)[0])
        self.mode = Mode.SNN if mode.spiking else Mode.ANN
        return self.still

    @cached_property
    def picture(self) -> Any:
        """x in codes."""
        return ops.shortcuts().encode(self.x[..., 0])

    def up_to(self, blocks: Sequence[Any], mode: Mode) -> None:
        """Leave the first block and these behind it as if they had run one after the other: so each
        one's `backward` works.
        """
        x = self.run(0, mode)
        for block in blocks:
            x = block.run(x, mode)

    def unfold(self) -> None:
        """Leave the two blocks as if they had run on every pixel: so their `backward` gives the
        gradient of each.
        """
        self.second.settle()
        self.second.synapse.unfold(self.still, self.first.run(self.x, self.mode))  # type: ignore[attr-defined]


def hold(blocks: Sequence[Any], x: Floats) -> Held | None:
    """The two first blocks with a still x (N, I, T); None where x moves or is small, or where they
    do not allow the way around.
    """
    if (
        len(blocks) < 2
        or x.ndim != 3
        or x.shape[0] * x.shape[1] < FEW_PIXELS
        or ops.shortcuts() is None
    ):
        return None
    if x.shape[-1] > 1 and x.strides[-1]:
        return None
    first, second = blocks[:2]
    usual = type(first) is Input and type(second) in (Dense, Affine) and every_pixel_alike(first)
    return Held(first, second, x) if usual else None


def replicate(x: Floats, time_steps: int) -> Floats:
    """A still x (N, ..., 1) held for `time_steps` steps, without a copy, not to be written to;
    float32.
    """
    if not x.flags.c_contiguous:
        return np.broadcast_to(x, (*x.shape[:-1], time_steps))
    held: Floats = np.ndarray(
        (*x.shape[:-1], time_steps), np.float32, x, 0, (*x.strides[:-1], 0)
    )  # the same in a tenth of the time
    held.flags.writeable = False
    return held


def every_pixel_alike(block: Input) -> bool:
    """Whether all pixels of one quantised value do the same, whatever their place, their neighbours
    and the past.
    """
    neuron, synapse = block.neuron, block.synapse
    if (
        type(neuron) is not cuba.Neuron
        or type(synapse) is not Scalar
        or synapse.hook is not quantize_8bit
    ):
        return False
    shared = all(decay.parameter.data.size == 1 for decay in neuron.decays.values())
    return (
        shared
        and neuron.norm is None
        and neuron.drop is None
        and not neuron.persistent_state
        and not neuron.graded_spike
    )
