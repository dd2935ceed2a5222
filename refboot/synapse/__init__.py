"""Synapses: from a layer's input to its weighted input."""

from refboot.synapse.conv import Conv
from refboot.synapse.dense import Dense
from refboot.synapse.hook import PreHook, identity, quantize_8bit
from refboot.synapse.pool import Pool
from refboot.synapse.scalar import Scalar
from refboot.synapse.weight import Weight

__all__ = ["Conv", "Dense", "Pool", "PreHook", "Scalar", "Weight", "identity", "quantize_8bit"]
