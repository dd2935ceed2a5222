"""The way around for a dense layer that only runs: its spikes at once, without the sums and
voltages that only a gradient asks for.

It gives the bits that the way through synapse and neuron gives.
"""

from __future__ import annotations

from typing import Any

from refboot import ops
from refboot.arrays import Floats
from refboot.neuron import cuba
from refboot.synapse import Dense
from refboot.synapse.still import Still


def spikes(synapse: Any, neuron: Any, x: Floats | Still) -> Floats | None:
    """Spikes (N, O, T) for x (N, I, T); None where synapse, neuron, weights or x do not allow the
    way around, or it is not quicker.
    """
    ways = ops.shortcuts()
    if (
        ways is None
        or type(synapse) is not Dense
        or type(neuron) is not cuba.Neuron
        or neuron.from_rest is None
        or x.shape[-1] == 1
    ):
        return None
    weight = synapse.weight.forward()
    rows = ways.rows_of(weight.T) if weight.shape[1] == x.shape[1] else None
    if rows is None:
        return None
    if isinstance(x, Still):
        return ways.coded_spikes(x.picture, x.table, rows, *neuron.from_rest)  # type: ignore[no-any-return]
    return ways.dense_spikes(x, rows, *neuron.from_rest)  # type: ignore[no-any-return]
