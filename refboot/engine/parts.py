"""Which networks the engine runs, and what it takes of them."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, TypeGuard, TypeVar

from refboot.ann_sampler import AnnSampler
from refboot.block import Block
from refboot.block.cuba import Affine, Dense, Input
from refboot.network import Network
from refboot.neuron.cuba import Neuron
from refboot.synapse import Dense as DenseSynapse
from refboot.synapse import Scalar, Weight, quantize_8bit

LONGEST = 512  # steps: time means of whole numbers are exact in float32 up to here
WIDEST = 1 << 16  # neurons of a layer: they are listed in 16 bits
Kind = TypeVar("Kind")


class Parts(NamedTuple):
    """What a plan works with: the parts of a network's blocks, in order."""

    scalar: Scalar  # of the input block
    weights: list[Weight]  # of the dense blocks and the read-out
    neurons: list[Neuron]  # of all blocks but the read-out, like the samplers
    samplers: list[AnnSampler]
    shapes: list[tuple[int, ...]]  # of the weights
    steps: int


def parts(network: Network) -> Parts | None:
    """The parts of a network, or None if a block is not of a kind that the engine knows."""
    hidden = len(network.blocks) - 2
    if not _is(network, Network) or hidden < 1 or not network.shapes:
        return None
    kinds: list[type[Block]] = [Input, *[Dense] * hidden, Affine]
    blocks = [b for b, kind in zip(network.blocks, kinds, strict=True) if _is(b, kind)]
    if len(blocks) < len(kinds) or any(b.delay_shift or b.count_log for b in blocks):
        return None
    scalar, dense = blocks[0].synapse, [b.synapse for b in blocks[1:]]
    weights = [s.weight for s in dense if _is(s, DenseSynapse) and _normed_8bit(s.weight)]
    neurons = [b.neuron for b in blocks[:-1] if _is(b.neuron, Neuron) and _plain(b.neuron)]
    samplers = [b.f for b in blocks[:-1] if _is(b.f, AnnSampler) and not b.sample_before_norm]
    if not _is(scalar, Scalar) or scalar.hook is not quantize_8bit or network.time_steps > LONGEST:
        return None
    if not len(weights) == len(neurons) == len(samplers) == len(kinds) - 1:
        return None
    shapes = [weight.v.data.shape for weight in weights]
    return Parts(scalar, weights, neurons, samplers, shapes, network.time_steps)


def _normed_8bit(weight: Weight) -> bool:
    """True for a weight that is normed and quantised to 8 bits, and nothing else."""
    known = _is(weight, Weight) and weight.g is not None and weight.mask is None
    return known and weight.hook is quantize_8bit and max(weight.v.data.shape) < WIDEST


def _plain(neuron: Neuron) -> bool:
    """True for neurons that start at rest, share their decays and reset to zero."""
    unusual = neuron.persistent_state or neuron.requires_grad or neuron.graded_spike
    return (
        not (unusual or neuron.loihi_limits or neuron.norm or neuron.drop)
        and neuron.reset == "zero"
        and all(len(decay.parameter.data) == 1 for decay in neuron.decays.values())
    )


def _is(thing: object, kind: type[Kind]) -> TypeGuard[Kind]:
    """True if `thing` is of this very class and has no methods of its own."""
    return type(thing) is kind and not vars(thing).keys() & _methods(kind)  # type: ignore[arg-type]


@cache
def _methods(kind: type) -> frozenset[str]:
    """The names of the methods of a class."""
    return frozenset(name for name in dir(kind) if callable(getattr(kind, name)))
