"""refboot itself as a backend: its operations, and its layers, scheduler and training for what is
above them.

`refboot verify refboot.conformance.own:numba` (or `:reference`) checks the package against its own
vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refboot import ops
from refboot.conformance.definition import chance
from refboot.conformance.own import blocks, parts
from refboot.reference import modes, numbers


class Own:
    """The operations of the set `choice` ("numba" or "reference"), and refboot's objects running on
    it.
    """

    def __init__(self, choice: str) -> None:
        self.choice = choice

    def __getattr__(self, name: str) -> Callable[..., Any]:
        places = parts, blocks, chance, ops.resolve(self.choice), numbers, modes
        for place in places:
            found = getattr(place, name, None)
            if found is not None:
                break
        else:
            raise AttributeError(name)

        def run(*arguments: Any) -> Any:
            with ops.use(self.choice):
                return found(*arguments)

        return run


numba, reference = Own("numba"), Own("reference")
