"""How kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from refboot.compiled import compiled

Function = TypeVar("Function", bound=Callable[..., Any])
ZERO, ONE = (
    np.int64(0),
    np.int64(1),
)  # as arguments: for a literal a function would be compiled anew, as one of another type
COMPILED = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]  # else kernels run as Python, without intrinsics
OPTIONS: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True, "error_model": "numpy"}


def jit(function: Function) -> Function:
    """Compile `function`: cached on disk, without the GIL, IEEE division, and no fast maths
    (results stay those of the definition).

    Spec: NUM-10.
    """
    return compiled(function, **OPTIONS)


def helper(function: Function) -> Function:
    """`jit` for what only kernels call: Python cannot, and less is compiled."""
    return compiled(function, **OPTIONS, no_cpython_wrapper=True)


def jit_sum(function: Function) -> Function:
    """`jit` for a sum that the compiler may take in any order, many terms at once; for gradients
    alone, whose bounds allow for it.
    """
    return compiled(function, **OPTIONS, fastmath={"reassoc", "contract"})


def jit_gradient(function: Function) -> Function:
    """`jit` for a gradient whose bound allows the compiler to round a product and a sum once,
    together.
    """
    return compiled(function, **OPTIONS, fastmath={"contract"})


def inlined(function: Function) -> Function:
    """A piece of kernels: put into each of them when that is compiled, and not compiled by itself,
    which takes time at a cold start.
    """
    return cast(Function, numba.njit(inline="always", error_model="numpy")(function))
