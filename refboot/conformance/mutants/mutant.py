"""A mutant: the definition with one known mistake in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

CHANGED = ("refboot.reference", "refboot.conformance.definition")


@dataclass(frozen=True)
class Mutant:
    """A mistake that backend authors make: its name, the clause it breaks, what it does, and the
    functions it puts in place of others.
    """

    name: str
    clause: str
    text: str
    changes: Mapping[str, Callable[..., Any]]


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """Within the `with` block the definition makes the mutant's mistake. Not for use from several
    threads.
    """
    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))
        for name, replacement in mutant.changes.items():
            for owner, attribute in places(name):
                stack.enter_context(mock.patch.object(owner, attribute, replacement))
        yield


def places(name: str) -> list[tuple[Any, str]]:
    """Where `name` is looked up when the definition calls it: in every module that knows that
    function, or in its class.
    """
    modules = [module for key, module in sorted(sys.modules.items()) if key.startswith(CHANGED)]
    if "." in name:
        owner, _, attribute = name.partition(".")
        return [(next(vars(m)[owner] for m in modules if owner in vars(m)), attribute)]
    original = next(
        f for m in modules if (f := vars(m).get(name)) is not None and f.__module__ == m.__name__
    )
    return [
        (module, key)
        for module in modules
        for key, value in vars(module).items()
        if value is original
    ]
