"""The integrate-and-fire neuron: its voltage sums up all its input, minus what the spikes take."""

from __future__ import annotations

from typing import Any

from refboot.neuron import cuba


class Neuron(cuba.Neuron):
    """A CUBA neuron with current decay 1 and voltage decay 0.

    By default a spike subtracts the threshold. The other options, and the errors, are those of
    cuba.Neuron.
    """

    def __init__(self, threshold: float, *, reset: str = "subtract", **options: Any) -> None:
        super().__init__(threshold, 1, 0, reset=reset, **options)
