"""The engine: a whole training step or a whole test of a dense network at once, in a few compiled
kernels, with the bits of the plain path.

`plan` says whether it can run a network: an Input block, Dense blocks and an Affine one with CUBA
neurons and normed 8-bit weights, on still pictures. Everything else takes the plain path. Nobody
but training.step knows this wing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from refboot import ops
from refboot.engine.parts import parts
from refboot.network import Network

if TYPE_CHECKING:  # what runs a plan needs Numba
    from refboot.engine.stages import Plan

__all__ = ["plan"]

_plans: WeakKeyDictionary[Network, Plan] = WeakKeyDictionary()


def plan(network: Network) -> Plan | None:
    """The plan that runs this network, or None where the plain path must: see the package.

    It is kept as long as the network has the same blocks and arrays of the same shape.
    """
    numba = getattr(ops.active(), "__name__", "") == "refboot.kernels"
    taken = parts(network) if numba else None
    if taken is None:
        return None
    from refboot.engine.stages import Plan  # noqa: PLC0415 (needs Numba)

    found = _plans.get(network)
    if found is None or found.parts != taken:
        found = _plans[network] = Plan(taken)
    return found
