"""Backends in Python: an object with functions by the names of the table, and what comes of asking
one.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from refboot.conformance.case import KINDS, Case
from refboot.conformance.operations import Operation
from refboot.errors import FormatError


@dataclass(frozen=True)
class Answer:
    """What a backend made of a case: `answer` with outputs, `reject` with a kind, `missing`, or
    `crash` with a reason.
    """

    status: str
    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    detail: str = ""


class Backend(Protocol):
    """Anything that can be asked."""

    name: str

    def answer(self, case: Case) -> Answer: ...


class PythonBackend:
    """A Python object: an operation is its function of that name, called with the inputs in order.

    What it lacks, and what raises NotImplementedError, is not covered.
    """

    def __init__(self, adapter: object, name: str) -> None:
        self.adapter = adapter
        self.name = name

    def answer(self, case: Case) -> Answer:
        """Ask the adapter; whatever it raises is a rejection if it tells the kind, else a crash."""
        function = getattr(self.adapter, case.op, None)
        if function is None:
            return Answer("missing")
        arguments = case.arguments()
        try:
            result = function(*arguments)
        except KeyboardInterrupt:
            raise
        except NotImplementedError:
            return Answer("missing")
        except BaseException as error:  # a backend under test may do anything, sys.exit included
            kind = kind_of(error)
            return Answer("reject", detail=kind) if kind else crash(error)
        try:
            if case.operation.in_place:
                inputs = [value.name for value in case.operation.inputs]
                changed = dict(zip(inputs, arguments, strict=True))
                result = tuple(changed[value.name] for value in case.operation.outputs)
            return Answer("answer", named(case.operation, result))
        except Exception as error:
            return crash(error)


def crash(error: BaseException) -> Answer:
    """The answer of a backend that failed with `error`."""
    return Answer("crash", detail=f"{type(error).__name__}: {error}"[:500])


def kind_of(error: BaseException) -> str | None:
    """The kind an error tells: one of refboot's, or any exception with an attribute `kind` that is
    a known one.
    """
    if isinstance(getattr(error, "kind", None), str) and error.kind in KINDS:  # type: ignore[attr-defined]
        return str(error.kind)  # type: ignore[attr-defined]
    return next((kind for kind, wanted in KINDS.items() if isinstance(error, wanted)), None)


def named(operation: Operation, result: Any) -> dict[str, np.ndarray]:
    """The outputs by name; a lone output need not come in a tuple. Raises FormatError if their
    number or type is not the table's.
    """
    wanted = operation.outputs
    parts = [result] if len(wanted) == 1 and not isinstance(result, tuple) else list(result)
    if len(parts) != len(wanted):
        raise FormatError(
            f"the answer to {operation.name}",
            f"of {len(parts)} outputs",
            f"{len(wanted)}: {[v.name for v in wanted]}",
        )
    return {value.name: plain(value.name, part) for value, part in zip(wanted, parts, strict=True)}


def plain(name: str, value: Any) -> np.ndarray:
    """`value` as an array of float32, float64 or int64; raises FormatError for anything else."""
    array = np.asarray(value)
    if array.dtype.kind in "bui":
        return array.astype(np.int64)
    if array.dtype.kind != "f":
        raise FormatError(f"the output {name}", f"of dtype {array.dtype}", "numbers")
    return array if array.dtype.itemsize in (4, 8) else array.astype(np.float64)


def load(target: str) -> PythonBackend:
    """The backend `module:object` or `file.py:object`, or the module itself; modules are looked for
    in the working folder, too.

    A file's own folder is looked in for what it imports. Raises FormatError.
    """
    where, _, name = target.partition(":") if ".py:" not in target else target.rpartition(":")
    try:
        found = _from_file(Path(where)) if where.endswith(".py") else _from_name(where)
        return PythonBackend(getattr(found, name) if name else found, target)
    except (ImportError, OSError, AttributeError, SyntaxError, ValueError) as error:
        raise FormatError(
            f"the backend {target}",
            f"cannot be imported ({type(error).__name__}: {error})",
            "a module (and object)",
        ) from error


@contextmanager
def importing_from(folder: str) -> Iterator[None]:
    """Within the `with` block modules are looked for in `folder` first."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _from_name(module: str) -> Any:
    with importing_from(""):
        return importlib.import_module(module)


def _from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    with importing_from(str(path.resolve().parent)):
        spec.loader.exec_module(module)
    return module
