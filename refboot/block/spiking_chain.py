"""The way around for a spiking network of dense layers behind a still picture that learns: a pass
through all layers in one go.

It gives what block after block gives: spikes and samples in every bit, gradients as sums in another
order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from refboot import arrays, ops
from refboot.ann_sampler import AnnSampler
from refboot.arrays import Floats
from refboot.block.chain import add_gradients, follow, from_rest, is_normed, is_usual, scalars
from refboot.block.cuba import Affine, Dense, Input
from refboot.block.still import Held
from refboot.routine import LayerMode, Mode


class SpikingChain:
    """The blocks of a network whose first two are `held`, as they `ran`."""

    def __init__(self, held: Held, blocks: Sequence[Any], ran: Any) -> None:
        self.blocks, self.ran = blocks, ran
        self.output: Floats = ran.output
        for i, block in enumerate(blocks):
            block.put_off(
                partial(held.up_to, blocks[1 : i + 1], Mode.SNN), (True, held.x.shape[-1])
            )

    def __deepcopy__(self, memo: object) -> None:
        """Where arrays lie cannot be copied: a copy of the network goes backward block by block."""

    def backward(self, grad: Floats) -> None:
        """Adds the gradients of the parameters, given that of the output."""
        found, of_layers = ops.shortcuts().spiking_backward(
            arrays.gradient(grad, self.output.shape), self.ran
        )
        add_gradients(self.blocks, found, of_layers)


def spiking_chain(held: Held | None, blocks: Sequence[Any], mode: LayerMode) -> SpikingChain | None:
    """The whole network in one go, forward; None where a layer does not spike, does not allow for
    it, or leaves the numbers it is for.
    """
    modes = {m for _, m in zip(blocks, mode, strict=False)}
    if held is None or held.x.shape[-1] == 1 or modes not in ({Mode.SNN}, {Mode.SAMPLE}):
        return None
    (*spiking, last), neurons = blocks, [_neurons(block) for block in blocks[:-1]]
    if (
        len(blocks) < 3
        or None in neurons
        or type(last) is not Affine
        or not (is_usual(last) and all(map(is_normed, blocks[1:])))
    ):
        return None
    if not follow(blocks[1:], held):
        return None
    ways, weights = (
        ops.shortcuts(),
        [(block.synapse.weight.v.data, block.synapse.weight.g.data) for block in blocks[1:]],
    )
    source = ways.Source(*scalars(blocks[0]), neurons[0])
    ran = ways.spiking_forward(
        held.x[..., 0], held.x.shape[-1], source, weights, neurons[1:], Mode.SAMPLE in modes
    )
    if ran is None:
        return None
    for block, means in zip(spiking, ran.means, strict=False):
        block.f.append_means(*means)
    return SpikingChain(held, blocks, ran._replace(means=[]))


def _neurons(block: Any) -> Any:
    """Its neurons, if they are plain ones that begin at rest and whose spikes go on as they are, at
    once; else None.
    """
    if type(block) not in (Input, Dense) or type(block.f) is not AnnSampler or block.neuron.drop:
        return None
    neuron, rest = block.neuron, from_rest(block)
    return (
        None
        if rest is None
        else ops.shortcuts().Neurons(*rest, neuron.threshold, neuron.tau, neuron.scale)
    )
