"""refboot itself as a backend: its operations, and its neurons, blocks, scheduler and training for
what is above them.

`refboot verify refboot.conformance.own:numba` (or `:reference`) holds the package against its own
vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refboot import ops
from refboot.conformance.own import blocks, parts, spatial
from refboot.reference import fixed_point


class Own:
    """The operations of the set `choice` ("numba" or "reference"), and refboot's objects running on
    it.
    """

    def __init__(self, choice: str) -> None:
        self.choice = choice

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found = next(
            (vars(module)[name] for module in (parts, blocks, spatial) if name in vars(module)),
            None,
        )
        if found is None:
            return getattr(ops.resolve(self.choice) if name in ops.NAMES else fixed_point, name)

        def run(*arguments: Any) -> Any:
            with ops.use(self.choice):
                return found(*arguments)

        return run


numba, reference = Own("numba"), Own("reference")
