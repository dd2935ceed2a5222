"""The way around for a spiking network of dense layers that only runs, on still pictures: each image through all layers in one go.

It gives the bits that block after block gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from refboot import ops, synapse
from refboot.arrays import Floats
from refboot.block.chain import is_usual
from refboot.block.cuba import Affine, Dense
from refboot.block.still import Held
from refboot.neuron import cuba
from refboot.routine import LayerMode, Mode


def through(held: Held | None, blocks: Sequence[Any], mode: LayerMode) -> Floats | None:
    """What the last block gives, (N, O, T), of a network whose first two are `held`; None where a layer does not allow for it."""
    if held is None or held.x.shape[-1] == 1 or any(m is not Mode.SNN for _, m in zip(blocks, mode, strict=False)):
        return None
    _, *between, last = blocks
    if not (
        between and all(type(block) is Dense and _only_spikes(block) for block in between) and type(last) is Affine and _only_runs(last)
    ):
        return None
    ways, neurons = ops.shortcuts(), [block.neuron.from_rest for block in between]
    weights = [ways.rows_of(block.synapse.weight.forward().T) for block in (*between, last)]
    if any(rows is None for rows in weights):
        return None
    still = held.run(0, Mode.SNN)
    z = ways.spikes_through(still.picture, still.table, weights, neurons)
    for i, block in enumerate(blocks[1:] if z is not None else (), 1):
        block.put_off(partial(held.up_to, blocks[1 : i + 1], Mode.SNN), (True, held.x.shape[-1]))
    return z  # type: ignore[no-any-return]


def _only_runs(block: Any) -> bool:
    """Whether a dense synapse is all that the block does before its neuron, and nobody trains it."""
    return not block.training and type(block.synapse) is synapse.Dense and is_usual(block)


def _only_spikes(block: Any) -> bool:
    """Whether besides it is a plain neuron that begins at rest and whose spikes go on at once."""
    return _only_runs(block) and type(block.neuron) is cuba.Neuron and block.neuron.from_rest is not None and not block.delay_shift
