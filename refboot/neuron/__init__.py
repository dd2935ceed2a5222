"""Neurons: parameters by lava-dl's names, and what they do to a weighted input over time."""

from refboot.neuron import cuba
from refboot.neuron.dropout import Dropout

__all__ = ["Dropout", "cuba"]
