"""The way around for a spiking network of dense layers behind a still picture that learns: a pass through all layers in one go.

It gives what block after block gives: spikes and samples in every bit, gradients as sums in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.block.chain import is_normed, is_usual
from refboot.block.cuba import Affine, Dense
from refboot.block.still import Held
from refboot.neuron import cuba
from refboot.routine import LayerMode, Mode


class SpikingChain:
    """The blocks of a network whose first two are `held`, as they `ran`."""

    def __init__(self, held: Held, blocks: Sequence[Any], ran: Any) -> None:
        self.held, self.blocks, self.ran = held, blocks, ran
        self.output: Floats = ran.output
        for i, block in enumerate(blocks[1:], 1):
            block.put_off(partial(held.up_to, blocks[1 : i + 1], Mode.SNN), (True, held.x.shape[-1]))

    def backward(self, grad: Floats) -> None:
        """Adds the gradients of the parameters, given that of the output."""
        g_table, found = ops.shortcuts().spiking_backward(arrays.gradient(grad, self.output.shape), self.ran)
        for block, (gv, gg) in zip(self.blocks[1:], found, strict=True):
            block.synapse.weight.v.add_grad(gv)
            block.synapse.weight.g.add_grad(gg)
        self.blocks[0].backward(g_table[None])


def spiking_chain(held: Held | None, blocks: Sequence[Any], mode: LayerMode) -> SpikingChain | None:
    """The whole network in one go, forward; None where a layer does not spike, does not allow for it, or leaves the numbers it is for."""
    modes = [m for _, m in zip(blocks, mode, strict=False)]
    if held is None or held.x.shape[-1] == 1 or not all(m.spiking for m in modes) or not _allow(blocks[1:]):
        return None
    ways, still, (_, *between, last) = ops.shortcuts(), held.run(0, modes[0]), blocks
    weights = [(block.synapse.weight.v.data, block.synapse.weight.g.data) for block in (*between, last)]
    sampled = Mode.SAMPLE in modes[1:-1]
    ran = ways.spiking_forward(still.picture, still.table, weights, [_neurons(block.neuron) for block in between], sampled)
    if ran is None:
        return None
    for block, m, means in zip(between, modes[1:], ran.means, strict=False):
        if m is Mode.SAMPLE:
            block.f.append_means(*means)
    return SpikingChain(held, blocks, ran)


def _allow(blocks: Sequence[Any]) -> bool:
    """Whether these are dense layers of normed 8-bit weights and plain neurons, and a read-out."""
    *between, last = blocks
    dense = between and all(type(block) is Dense and is_normed(block) and _only_spikes(block) for block in between)
    return bool(dense) and type(last) is Affine and is_normed(last) and is_usual(last)


def _only_spikes(block: Any) -> bool:
    """Whether behind the synapse is a plain neuron that begins at rest and whose spikes go on as they are, at once."""
    neuron = block.neuron
    plain = type(neuron) is cuba.Neuron and neuron.from_rest is not None and neuron.drop is None
    return plain and not block.delay_shift and is_usual(block)


def _neurons(neuron: cuba.Neuron) -> Any:
    return ops.shortcuts().Neurons(*neuron.from_rest, neuron.threshold, neuron.tau, neuron.scale)  # type: ignore[misc]
