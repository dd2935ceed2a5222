"""The way around for a spiking network of dense layers that only runs, on still pictures: each
image through all layers in one go.

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
    """What the last block gives, (N, O, T), of a network whose first two are `held`; None where a
    layer does not allow for it.
    """
    if (
        held is None
        or held.x.shape[-1] == 1
        or blocks[-1].training
        or any(m is not Mode.SNN for _, m in zip(blocks, mode, strict=False))
    ):
        return None
    (_, *between, last), ways = blocks, ops.shortcuts()
    neurons = [from_rest(block) if type(block) is Dense else None for block in between]
    if (
        not between
        or None in neurons
        or type(last) is not Affine
        or not all(map(_only_runs, blocks[1:]))
    ):
        return None
    if not follow(blocks[1:], held):
        return None
    rows, still = _rows(blocks[1:], held)
    z = ways.spikes_through(still.picture, still.table, rows, neurons) if rows else None
    for i, block in enumerate(blocks[1:] if z is not None else (), 1):
        block.put_off(partial(held.up_to, blocks[1 : i + 1], Mode.SNN), (True, held.x.shape[-1]))
    return z  # type: ignore[no-any-return]


def _rows(blocks: Sequence[Any], held: Held) -> tuple[list[Any], Any]:
    """The weights as bytes, all at once where they are normed, none where one cannot be; and the
    input layer's spikes, made meanwhile.
    """
    ways, weights = ops.shortcuts(), [block.synapse.weight for block in blocks]
    if all(map(is_normed, blocks)):
        held.picture  # noqa: B018 (made by all threads)
        rows = ways.NormedRows([(weight.v.data, weight.g.data) for weight in weights])
        with rows:
            still = held.run(0, Mode.SNN)
        return rows.found, still
    found = [ways.rows_of(weight.forward().T) for weight in weights]
    return [] if any(own is None for own in found) else found, held.run(0, Mode.SNN)


def _only_runs(block: Any) -> bool:
    """Whether a dense synapse is all that the block does before its neuron, and nobody trains
    it.
    """
    return not block.training and type(block.synapse) is synapse.Dense and is_usual(block)
