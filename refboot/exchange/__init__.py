"""The exchange file (`.net`, HDF5) that lava.lib.dl.netx loads: its layers as plain data, written,
read and checked.
"""

from refboot.exchange.check import ExchangeWarning
from refboot.exchange.read import is_net, read
from refboot.exchange.spec import READ_OUT, Geometry, LayerSpec, NetSpec, NeuronSpec
from refboot.exchange.write import write, write_layer

__all__ = [
    "READ_OUT",
    "ExchangeWarning",
    "Geometry",
    "LayerSpec",
    "NetSpec",
    "NeuronSpec",
    "is_net",
    "read",
    "write",
    "write_layer",
]
