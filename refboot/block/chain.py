"""The way around for a network of dense layers behind a still picture, all in ANN mode: a pass through all layers in one go.

It gives what block after block gives: weights in the same bits, sums in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from refboot import arrays, ops, synapse
from refboot.ann_sampler import AnnSampler
from refboot.arrays import Floats
from refboot.block.cuba import Affine, Dense
from refboot.block.still import Held
from refboot.parameter import Parameter
from refboot.routine import LayerMode, Mode

ONE, ZERO = np.ones(1, np.float32), np.zeros(1, np.float32)  # where there is no weight or bias

OWN = {"forward", "run", "backward", "full", "quantised"}  # what an object may have got methods of its own for


class Chain:
    """The blocks of a network whose first two are `held`."""

    def __init__(self, held: Held, blocks: Sequence[Any]) -> None:
        self.held, self.blocks = held, blocks
        self.done: Any = None

    def forward(self) -> Floats:
        """The rates (N, O, 1) of the last block."""
        ways, (first, *others) = ops.shortcuts(), self.blocks
        weight, bias = (default if p is None else p.data for p, default in zip(_scalars(first), (ONE, ZERO), strict=True))
        entry, picture = ways.Entry(weight, bias, _curve(first)), ways.encode(self.held.x[..., 0])
        self.done = ways.chain_forward(picture, entry, [_layer(block) for block in others])
        for i, block in enumerate(self.blocks):
            block.put_off(partial(self._up_to, i))
        return self.done.output[..., None]  # type: ignore[no-any-return]

    def backward(self, grad: Floats) -> None:
        """Adds the gradients of the parameters, given that of the output of `forward`."""
        grad = arrays.gradient(grad, (*self.done.output.shape, 1))
        found, of_layers = ops.shortcuts().chain_backward(grad[..., 0], self.done)
        for parameter, own in zip(_scalars(self.blocks[0]), found, strict=True):
            if parameter is not None:
                parameter.add_grad(own)
        for block, (gv, gg) in zip(self.blocks[1:], of_layers, strict=True):
            block.synapse.weight.v.add_grad(gv)
            block.synapse.weight.g.add_grad(gg)

    def _up_to(self, last: int) -> None:
        """Leave the blocks up to this one as if they had run one after the other: so each one's `backward` works."""
        x = self.held.run(0, Mode.ANN)
        for block in self.blocks[1 : last + 1]:
            x = block.run(x, Mode.ANN)


def chain(held: Held | None, blocks: Sequence[Any], mode: LayerMode) -> Chain | None:
    """The whole network in one go; None where a layer does not run as rates, or does not allow for it."""
    if held is None or any(m is not Mode.ANN for _, m in zip(blocks, mode, strict=False)):
        return None
    first, *between, last = blocks
    usual = _is_fitted(first) and all(type(block) is Dense and _allows(block) for block in between) and _allows(last)
    return Chain(held, blocks) if usual else None


def _allows(block: Any) -> bool:
    """Whether the block is a normed 8-bit weight and, in a dense block, a fitted curve, and nothing else."""
    if type(block) not in (Dense, Affine) or type(block.synapse) is not synapse.Dense:
        return False
    weight: Any = block.synapse.weight
    if not weight.is_normed_8bit or not OWN.isdisjoint(vars(weight)):
        return False
    if not (weight.v.data.flags.writeable and weight.g.data.flags.writeable):
        return False
    return is_usual(block) if type(block) is Affine else _is_fitted(block)


def _is_fitted(block: Any) -> bool:
    """Whether the block has a curve, and nothing behind or before it."""
    plain = block.neuron.norm is None and block.neuron.drop is None
    return plain and is_usual(block) and type(block.f) is AnnSampler and block.fitted


def is_usual(block: Any) -> bool:
    """Whether nobody counts its spikes, or gave it, its synapse or its sampler methods of their own."""
    return not block.count_log and all(OWN.isdisjoint(vars(part)) for part in (block, block.synapse, block.f))


def _scalars(first: Any) -> tuple[Parameter | None, Parameter | None]:
    return first.synapse.weight, first.synapse.bias


def _layer(block: Any) -> Any:
    weight = block.synapse.weight
    return ops.shortcuts().Layer(weight.v.data, weight.g.data, None if type(block) is Affine else _curve(block))


def _curve(block: Any) -> Any:
    curve = block.f.curve
    return ops.shortcuts().Pieces(curve.knots, curve.slopes, curve.scale, block.f.eps)
