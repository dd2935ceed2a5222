"""Synapses: from a layer's input to its weighted input."""

from refboot.synapse.dense import Dense, PreHook, Scalar, Weight, identity, quantize_8bit
from refboot.synapse.window import Conv, Pool

__all__ = ["Conv", "Dense", "Pool", "PreHook", "Scalar", "Weight", "identity", "quantize_8bit"]
