"""Every operation of the table, computed by refboot.reference: what the vectors are made from, and
what the mutants change.

Layers and a whole training run are put together here from the operations alone, without refboot's
objects, so that vectors and package check each other.
"""

from refboot import reference
from refboot.conformance.definition import chance, layers, norms, rates, synapses, trace
from refboot.reference import modes, numbers, sampling

PARTS = (layers, synapses, norms, rates, trace, chance, reference, numbers, sampling, modes)


class Definition:
    """The operations by their names in the table; each is looked up when it is called."""

    def __getattr__(self, name: str) -> object:
        for part in PARTS:
            if name in vars(part):
                return vars(part)[name]
        raise AttributeError(name)


definition = Definition()
