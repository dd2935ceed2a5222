"""The questions of the vectors, a module per part of the spec."""

from __future__ import annotations

from refboot.conformance.case import Case
from refboot.conformance.cases import (
    gradients,
    modes,
    neuron,
    numbers,
    rates,
    spatial,
    synapse,
    training,
)

CHAPTERS = (numbers, neuron, synapse, spatial, rates, gradients, modes, training)


def questions() -> list[Case]:
    """All cases, without their answers, in the order of the spec."""
    return [case for chapter in CHAPTERS for case in chapter.cases()]
