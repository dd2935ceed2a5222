"""What a block needs from a neuron: any spiking neuron with any reset fits behind this class."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.neuron.dropout import Dropout
from refboot.neuron.norm import MeanOnlyBatchNorm
from refboot.optim import Parameter


class Spiking(ABC):
    """A spiking neuron. A subclass must define `forward` and `backward`.

    `norm` is what `forward` does to its input on the way; in a rate mode the block does it to the
    weighted input. `drop` acts on the spikes, in the block. The block sets `training` before each
    `forward`. Sampling and the fit see only the weighted input and the spikes. Spec: NRM-8.
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
        """Gradient with respect to the z of the last `forward`, given that of its spikes.

        Adds the gradients of the neuron's parameters to them.
        """

    def build(self, channels: int, rng: np.random.Generator | None) -> None:
        """Called once, before the first `forward`, with the number of channels C.

        A subclass may draw from `rng`.
        """
        if self.norm is not None:
            self.norm.build(channels)

    def parameters(self) -> dict[str, Parameter]:
        """What is saved and, if trainable, learned, by name; a subclass adds its own."""
        norm = {} if self.norm is None else self.norm.parameters()
        return {f"norm.{name}": parameter for name, parameter in norm.items()}

    @property
    def device_params(self) -> dict[str, object]:
        """The integers that program a chip, by lava-dl's names; empty if there are none."""
        return {}

    def reset_state(self) -> None:
        """Start the next call from rest, for a neuron that keeps its `state` between calls."""
        self.state = None
