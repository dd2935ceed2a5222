"""The one door to Numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def jit(function: Function) -> Function:
    """Compile `function`: cached on disk, without the GIL, IEEE division, and no fast maths (results stay those of the definition).

    Spec: NUM-10.
    """
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def jit_sum(function: Function) -> Function:
    """`jit` for a sum that the compiler may take in any order, many terms at once; for gradients alone, whose bounds allow for it."""
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})(function))


def inlined(function: Function) -> Function:
    """A piece of kernels: put into each of them as it is compiled, not compiled by itself, which halves the time before a first step."""
    return cast(Function, numba.njit(inline="always", error_model="numpy")(function))
