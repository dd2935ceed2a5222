"""Neurons: from the weighted input of a layer to its spikes, behind one interface, `Spiking`.

`cuba` is the tutorial's neuron, `integrate_fire` its special case without leaks, and `alif` the one
with an adaptive threshold.
"""

from refboot.neuron import alif, cuba, integrate_fire, limits, norm
from refboot.neuron.dropout import Dropout
from refboot.neuron.spiking import Spiking

__all__ = ["Dropout", "Spiking", "alif", "cuba", "integrate_fire", "limits", "norm"]
