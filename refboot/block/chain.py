"""The way around for a network of dense layers behind a still picture, all in ANN mode: a pass
through all layers in one go.

It gives what block after block gives: weights in the same bits, sums in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from refboot import arrays, ops, synapse
from refboot.ann_sampler import AnnSampler
from refboot.arrays import Floats, Ints
from refboot.block.cuba import Affine, Dense
from refboot.block.still import Held
from refboot.neuron import cuba
from refboot.parameter import Parameter
from refboot.routine import LayerMode, Mode
from refboot.synapse.weight import Weight

ONE, ZERO = np.ones(1, np.float32), np.zeros(1, np.float32)  # where there is no weight or bias

OWN = {
    "forward",
    "run",
    "backward",
    "full",
    "quantised",
    "append_means",
}  # what an object may have got methods of its own for


class Chain:
    """The blocks of a network whose first two are `held`, as they `ran`."""

    def __init__(self, held: Held, blocks: Sequence[Any], ran: Any) -> None:
        self.blocks, self.ran = blocks, ran
        self.output: Floats = ran.output[..., None]
        for i, block in enumerate(blocks):
            block.put_off(partial(held.up_to, blocks[1 : i + 1], Mode.ANN))

    def __deepcopy__(self, memo: object) -> None:
        """Where arrays lie cannot be copied: a copy of the network goes backward block by block."""

    def backward(self, grad: Floats) -> None:
        """Adds the gradients of the parameters, given that of the output."""
        grad = arrays.gradient(grad, self.output.shape)
        found, of_layers = ops.shortcuts().chain_backward(grad[..., 0], self.ran)
        add_gradients(self.blocks, found, of_layers)


def chain(held: Held | None, blocks: Sequence[Any], mode: LayerMode) -> Chain | None:
    """The whole network in one go, forward; None where a layer does not run as rates, does not
    allow for it or has an odd weight.
    """
    if held is None or any(m is not Mode.ANN for _, m in zip(blocks, mode, strict=False)):
        return None
    first, *between, last = blocks
    if not (
        _is_fitted(first)
        and all(type(block) is Dense and _allows(block) for block in between)
        and _allows(last)
    ):
        return None
    if not follow(blocks[1:], held):
        return None
    ways, given = ops.shortcuts(), scalars(first)
    if any(x.dtype != np.float32 for x in given):
        return None
    entry = ways.Entry(*given, _curve(first))
    ran = ways.chain_forward(held.x[..., 0], entry, [_layer(block) for block in blocks[1:]])
    return None if ran is None else Chain(held, blocks, ran)


def is_normed(block: Any) -> bool:
    """Whether the block's synapse is a normed 8-bit weight and nothing else, its arrays such as
    kernels take them.
    """
    if type(block.synapse) is not synapse.Dense or type(block.synapse.weight) is not Weight:
        return False
    weight: Any = block.synapse.weight
    if not weight.is_normed_8bit or not OWN.isdisjoint(vars(weight)):
        return False
    v, g = weight.v.data, weight.g.data
    return (
        v.dtype == g.dtype == np.float32
        and g.shape == v.shape[:1]
        and v.flags.writeable
        and g.flags.writeable
    )  # type: ignore[no-any-return]


def follow(blocks: Sequence[Any], held: Held) -> bool:
    """Whether the dense weights of these blocks, the first behind pixels that are `held`, are of
    shapes that follow each other.
    """
    shapes = [block.synapse.weight.v.data.shape for block in blocks]
    sizes = [held.x.shape[1], *(shape[0] for shape in shapes)]
    return all(shape[1] == size for shape, size in zip(shapes, sizes, strict=False))


def _allows(block: Any) -> bool:
    """Whether behind the weight there is, in a dense block, a fitted curve, and nothing else."""
    if type(block) not in (Dense, Affine) or not is_normed(block):
        return False
    return is_usual(block) if type(block) is Affine else _is_fitted(block)


def _is_fitted(block: Any) -> bool:
    """Whether the block has a curve, and nothing behind or before it."""
    plain = block.neuron.norm is None and block.neuron.drop is None
    return plain and is_usual(block) and type(block.f) is AnnSampler and block.fitted


def is_usual(block: Any) -> bool:
    """Whether nobody counts its spikes, or gave it or a part of it methods of their own."""
    return not block.count_log and all(
        OWN.isdisjoint(vars(part)) for part in (block, block.synapse, block.neuron, block.f)
    )


def from_rest(block: Any) -> tuple[Ints, Ints, int] | None:
    """Both decays and the threshold of its neurons, if they are plain ones that begin at rest and
    whose spikes go on at once; else None.
    """
    if type(block.neuron) is not cuba.Neuron or block.delay_shift or not is_usual(block):
        return None
    return block.neuron.from_rest


def scalars(first: Any) -> list[Floats]:
    """Weight and bias (1,) of an input layer, not quantised yet."""
    return [
        default if p is None else p.data
        for p, default in zip(_learned(first), (ONE, ZERO), strict=True)
    ]


def add_gradients(
    blocks: Sequence[Any], found: Sequence[Floats], of_layers: Sequence[tuple[Floats, Floats]]
) -> None:
    """Add those of weight and bias of the input layer, and of the others' normed weights."""
    for parameter, own in zip(_learned(blocks[0]), found, strict=True):
        if parameter is not None:
            parameter.add_grad(own)
    for block, (gv, gg) in zip(blocks[1:], of_layers, strict=True):
        block.synapse.weight.v.add_grad(gv)
        block.synapse.weight.g.add_grad(gg)


def _learned(first: Any) -> tuple[Parameter | None, Parameter | None]:
    return first.synapse.weight, first.synapse.bias


def _layer(block: Any) -> Any:
    weight = block.synapse.weight
    return ops.shortcuts().Layer(
        weight.v.data, weight.g.data, None if type(block) is Affine else _curve(block)
    )


def _curve(block: Any) -> Any:
    curve = block.f.curve
    return ops.shortcuts().Pieces(curve.knots, curve.slopes, curve.scale, block.f.eps)
