"""A case: one question to a backend, with the answer it must give or the kind of error it must
reject with.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refboot.conformance.operations import OPERATIONS, Operation
from refboot.errors import (
    FormatError,
    OrderError,
    RangeError,
    RefbootError,
    ShapeError,
    TypeMismatchError,
)

KINDS: dict[str, type[RefbootError]] = {
    "shape": ShapeError,
    "dtype": TypeMismatchError,
    "range": RangeError,
    "order": OrderError,
    "format": FormatError,
}
DTYPES = {"f4": "<f4", "f8": "<f8", "i8": "<i8"}


@dataclass(frozen=True)
class Tolerance:
    """How far an answer may lie from the expected one: `exact`, `ulps` (float32 ulps of the largest
    expected magnitude) or `absolute`.
    """

    kind: str = "exact"
    amount: float = 0


EXACT = Tolerance()


@dataclass(frozen=True)
class Case:
    """One question: `inputs` by name (array, int, float, bool, str or None), and `outputs` by name,
    or `reject`, the kind of error.
    """

    id: str
    op: str
    clauses: tuple[str, ...]
    inputs: dict[str, Any]
    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    reject: str | None = None
    tolerance: Tolerance = EXACT
    flags: tuple[str, ...] = ()

    @property
    def operation(self) -> Operation:
        """Its row of the table."""
        return OPERATIONS[self.op]

    @property
    def level(self) -> int:
        """The conformance level it belongs to."""
        return self.operation.level

    def arguments(self) -> list[Any]:
        """The inputs in the order of the table: arrays copied, so that nobody can change the case,
        pairs as tuples.
        """
        return [
            argument(self.inputs[value.name], value.axes == "D") for value in self.operation.inputs
        ]

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by their place in the file: `in/z`, `out/s`."""
        given = {
            f"in/{name}": value
            for name, value in self.inputs.items()
            if isinstance(value, np.ndarray)
        }
        return given | {f"out/{name}": value for name, value in self.outputs.items()}

    def digest(self) -> str:
        """A checksum of all arrays: the first 16 hexadecimal digits of SHA-256 over name, dtype,
        shape and bytes of each, by name.
        """
        total = hashlib.sha256()
        for name, array in sorted(self.arrays().items()):
            total.update(f"{name} {dtype_code(array)} {list(array.shape)}\n".encode())
            total.update(np.ascontiguousarray(array, DTYPES[dtype_code(array)]).tobytes())
        return total.hexdigest()[:16]


def argument(value: Any, pair: bool) -> Any:
    """An input as it is passed on."""
    if not isinstance(value, np.ndarray):
        return value
    return tuple(value.tolist()) if pair else value.copy()


def dtype_code(array: np.ndarray) -> str:
    """`f4`, `f8` or `i8`; raises TypeMismatchError for any other dtype."""
    code = f"{array.dtype.kind}{array.dtype.itemsize}"
    if code not in DTYPES:
        raise TypeMismatchError(
            "an array of a case", f"of dtype {array.dtype}", f"one of {sorted(DTYPES)}"
        )
    return code
