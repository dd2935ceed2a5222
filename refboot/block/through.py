"""The way around for a spiking network of dense layers that only runs, on still pictures: each image through all layers in one go.

It gives the bits that block after block gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from refboot import ops, synapse
from refboot.arrays import Floats
from refboot.block.chain import follow, from_rest, is_normed, is_usual
from refboot.block.cuba import Affine, Dense
from refboot.block.still import Held
from refboot.routine import LayerMode, Mode


def through(held: Held | None, blocks: Sequence[Any], mode: LayerMode) -> Floats | None:
    """What the last block gives, (N, O, T), of a network whose first two are `held`; None where a layer does not allow for it."""
    if held is None or held.x.shape[-1] == 1 or any(m is not Mode.SNN for _, m in zip(blocks, mode, strict=False)):
        return None
    (_, *between, last), ways = blocks, ops.shortcuts()
    neurons = [from_rest(block) if type(block) is Dense else None for block in between]
    if not between or None in neurons or type(last) is not Affine or not all(map(_only_runs, blocks[1:])):
        return None
    if not follow(blocks[1:], held):
        return None
    weights = _rows(blocks[1:])
    if weights is None:
        return None
    still = held.run(0, Mode.SNN)
    z = ways.spikes_through(still.picture, still.table, weights, neurons)
    for i, block in enumerate(blocks[1:] if z is not None else (), 1):
        block.put_off(partial(held.up_to, blocks[1 : i + 1], Mode.SNN), (True, held.x.shape[-1]))
    return z  # type: ignore[no-any-return]


def _rows(blocks: Sequence[Any]) -> list[Any] | None:
    """The weights as bytes, all at once where they are normed; None where one cannot be."""
    ways = ops.shortcuts()
    if all(map(is_normed, blocks)):
        return ways.normed_rows([(block.synapse.weight.v.data, block.synapse.weight.g.data) for block in blocks])  # type: ignore[no-any-return]
    rows = [ways.rows_of(block.synapse.weight.forward().T) for block in blocks]
    return None if any(own is None for own in rows) else rows


def _only_runs(block: Any) -> bool:
    """Whether a dense synapse is all that the block does before its neuron, and nobody trains it."""
    return not block.training and type(block.synapse) is synapse.Dense and is_usual(block)
