"""What a block asks of a neuron: the one protocol behind which any spiking neuron with any reset
can stand.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.neuron.dropout import Dropout
from refboot.neuron.norm import MeanOnlyBatchNorm
from refboot.parameter import Parameter


class Spiking(ABC):
    """A spiking neuron. A subclass must give `forward` and `backward`; the rest says something
    where there is something to say.

    `forward` turns weighted input into spikes over T steps, `backward` the gradient of the last
    spikes into that of its input. `norm` is what `forward` does to its input on the way, which the
    block does to the weighted input in a rate mode; `drop` acts on the spikes, in the block;
    `training` is set by the block before each `forward`. Nothing else is asked: sampling and the
    fit see only weighted input and spikes. Spec: NRM-8.
    """

    norm: MeanOnlyBatchNorm | None = None
    drop: Dropout | None = None
    training: bool = False
    state: tuple[Ints, ...] | None = None

    @abstractmethod
    def forward(self, z: Floats) -> Floats:
        """Spikes for the weighted input z, both (N, C, ..., T) float32."""

    @abstractmethod
    def backward(self, grad: Floats) -> Floats:
        """Gradient for the z of the last `forward`, given that of its spikes; adds those of the
        parameters to them.
        """

    def build(self, channels: int, rng: np.random.Generator | None) -> None:
        """Told, once, before the first `forward`, how many channels C there will be, and what to
        draw from.
        """
        if self.norm is not None:
            self.norm.build(channels)

    def parameters(self) -> dict[str, Parameter]:
        """What is saved and, where trainable, learned, by name; a subclass adds its own."""
        return (
            {}
            if self.norm is None
            else {f"norm.{name}": p for name, p in self.norm.parameters().items()}
        )

    @property
    def device_params(self) -> dict[str, object]:
        """The integers a chip is programmed with, by lava-dl's names; empty where none is."""
        return {}

    def reset_state(self) -> None:
        """Start the next call from rest, where `state` is carried over from call to call."""
        self.state = None
