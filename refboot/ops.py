"""The operations in use: Numba's where Numba is installed, else the definition's, or your own.

`REFBOOT_OPS=reference` (or `numba`) in the environment chooses for a process, `with ops.use(
"reference"):` for a block of code. `ops.use` also takes any object with functions of the names and
signatures in refboot.reference; the definition fills in those it lacks. All sets give the same
bits.

>>> from refboot import ops
>>> with ops.use("reference"):
...     ops.active().quantize_8bit(np.float32([0.04])).tolist()
[0.03125]
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np  # noqa: F401 (the example above)

from refboot import reference
from refboot.errors import RangeError, TypeMismatchError

Ops = Any  # a set of operations; each function is specified by its namesake in the definition
NAMES = reference.OPERATIONS
MODULES = {"reference": "refboot.reference", "numba": "refboot.kernels"}
_chosen: ContextVar[Any] = ContextVar("refboot_ops", default=None)


def active() -> Ops:
    """The set in use here and now."""
    chosen = _chosen.get()
    return default() if chosen is None else chosen


@cache
def default() -> Ops:
    """The set in use where none was chosen by `use`."""
    installed = "numba" if importlib.util.find_spec("numba") else "reference"
    return resolve(os.environ.get("REFBOOT_OPS", installed))


@contextmanager
def use(choice: str | object) -> Iterator[Ops]:
    """Within the `with` block use "numba", "reference", or an object of your own.

    Raises RangeError or TypeMismatchError.
    """
    token = _chosen.set(resolve(choice))
    try:
        yield active()
    finally:
        _chosen.reset(token)


def resolve(choice: str | object) -> Ops:
    """The set that `choice` names or is, completed from the definition."""
    if isinstance(choice, str):
        if choice not in MODULES:
            expected = f"one of {sorted(MODULES)}"
            raise RangeError("the set of operations (REFBOOT_OPS)", repr(choice), expected)
        try:
            choice = importlib.import_module(MODULES[choice])
        except ImportError as error:
            expected = f"one that can be imported ({error})"
            raise RangeError("the set of operations (REFBOOT_OPS)", choice, expected) from error
    own = {name: getattr(choice, name) for name in NAMES if hasattr(choice, name)}
    if not own or not all(map(callable, own.values())):
        expected = "an object with functions named as in refboot.reference"
        raise TypeMismatchError("the set of operations", repr(choice), expected)
    if len(own) == len(NAMES):
        return choice
    given = {name: own.get(name, getattr(reference, name)) for name in NAMES}
    return SimpleNamespace(__name__=getattr(choice, "__name__", "own"), **given)
