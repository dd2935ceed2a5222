"""The engine: a whole training step or a whole test of a dense network at once, in a few compiled
kernels, with the bits of the plain path.

`plan` says whether it can run a network: an Input block, Dense blocks and an Affine one with CUBA
neurons and normed 8-bit weights, on still pictures. Everything else takes the plain path. Nobody
but training.step knows this wing.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from refboot import ops
from refboot.ann_sampler import AnnSampler
from refboot.block.cuba import Affine, Dense, Input
from refboot.network import Network
from refboot.neuron.cuba import Neuron
from refboot.synapse import Dense as DenseSynapse
from refboot.synapse import Scalar, Weight, quantize_8bit

if TYPE_CHECKING:  # what runs a plan needs Numba
    from refboot.engine.stages import Plan

__all__ = ["plan"]

LONGEST = 512  # steps: time means of whole numbers are exact in float32 up to here
WIDEST = 1 << 16  # neurons of a layer: they are listed in 16 bits
_plans: WeakKeyDictionary[Network, Plan] = WeakKeyDictionary()


def plan(network: Network) -> Plan | None:
    """The plan that runs this network, or None where the plain path must: see the package.

    It is kept as long as the network has the same blocks and arrays of the same shape.
    """
    numba = getattr(ops.active(), "__name__", "") == "refboot.kernels"
    if not numba or not _runs(network):
        return None
    from refboot.engine.stages import Plan  # noqa: PLC0415 (needs Numba)

    found = _plans.get(network)
    if found is None or not found.serves(network):
        found = _plans[network] = Plan(network)
    return found


def _runs(network: Network) -> bool:
    """True if all blocks are of the kinds that the engine knows, without anything of their own."""
    if not _is(network, Network) or len(network.blocks) < 3 or not network.shapes:
        return False
    first, *hidden, last = network.blocks
    return (
        network.time_steps <= LONGEST
        and _is(first, Input)
        and _is(first.synapse, Scalar)
        and first.synapse.hook is quantize_8bit
        and _is(last, Affine)
        and all(_is(block, Dense) for block in hidden)
        and all(_plain_weight(block.synapse) for block in (*hidden, last))
        and all(_plain_spikes(block) for block in (first, *hidden))
        and not last.count_log
    )


def _plain_weight(synapse: object) -> bool:
    """True for a dense weight that is normed and quantised to 8 bits, and nothing else."""
    if not _is(synapse, DenseSynapse) or not _is(synapse.weight, Weight):
        return False
    weight = synapse.weight
    return (
        weight.g is not None
        and weight.mask is None
        and weight.hook is quantize_8bit
        and max(weight.v.data.shape) < WIDEST
    )


def _plain_spikes(block: Input | Dense) -> bool:
    """True for CUBA neurons that start at rest, share their decays and reset to zero."""
    neuron, sampler = block.neuron, block.f
    if not _is(neuron, Neuron) or not _is(sampler, AnnSampler):
        return False
    return (
        neuron.norm is None
        and neuron.drop is None
        and neuron.reset == "zero"
        and all(len(d.parameter.data) == 1 for d in neuron.decays.values())
        and not (neuron.persistent_state or neuron.requires_grad)
        and not (neuron.graded_spike or neuron.loihi_limits)
        and not (block.delay_shift or block.count_log or block.sample_before_norm)
    )


def _is(thing: object, kind: type) -> bool:
    """True if `thing` is of this very class and has no methods of its own."""
    return type(thing) is kind and not vars(thing).keys() & _methods(kind)


@cache
def _methods(kind: type) -> frozenset[str]:
    """The names of the methods of a class."""
    return frozenset(name for name in dir(kind) if callable(getattr(kind, name)))
