"""Neurons: what they do to a weighted input over time, behind one protocol, `Spiking`.

`cuba` is lava-dl's neuron of the tutorial, `integrate_fire` its special case without leaks, `alif`
the one with an adaptive threshold.
"""

from refboot.neuron import alif, cuba, integrate_fire, limits, norm
from refboot.neuron.dropout import Dropout
from refboot.neuron.spiking import Spiking

__all__ = ["Dropout", "Spiking", "alif", "cuba", "integrate_fire", "limits", "norm"]
