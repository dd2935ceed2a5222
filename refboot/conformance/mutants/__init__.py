"""The catalogue of mutants: the definition with one mistake each, by which answers are diagnosed
and the vectors' strength is measured.
"""

from __future__ import annotations

from refboot.conformance.mutants import gradients, modes, neuron, numbers, rates, spatial
from refboot.conformance.mutants.mutant import Mutant, applied

MUTANTS: tuple[Mutant, ...] = (
    *numbers.MUTANTS,
    *neuron.MUTANTS,
    *rates.MUTANTS,
    *gradients.MUTANTS,
    *modes.MUTANTS,
    *spatial.MUTANTS,
)

__all__ = ["MUTANTS", "Mutant", "applied"]
