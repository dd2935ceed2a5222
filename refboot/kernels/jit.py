"""How kernels are compiled, and how arrays lie in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function`: cached on disk, without the GIL, IEEE division, and no fast maths.

    So each operation is rounded by itself, as in the definition. Spec: NUM-10, NUM-11.
    """
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # no folder can be written to: kept in memory only
        return numba.njit(nogil=True, error_model="numpy")(function)


def inlined(function: Callable[..., Any]) -> Any:
    """A piece of kernels, compiled into each of them."""
    return numba.njit(inline="always", error_model="numpy")(function)


def time_major(x: np.ndarray, dtype: Any = None) -> np.ndarray:
    """x (N, C, ..., T) as a contiguous array (N, T, M): neighbours in memory are neurons.

    Kernels return their results as such arrays seen with time last, so this rarely copies.
    """
    x = np.ascontiguousarray(np.moveaxis(x, -1, 1), dtype)
    return x.reshape(*x.shape[:2], -1)


def time_last(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The array x (N, T, M) seen in `shape` (N, C, ..., T)."""
    return np.moveaxis(x.reshape(shape[0], shape[-1], *shape[1:-1]), 1, -1)


def per_neuron(values: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """`values`, (1,) or (C,), for each neuron of an array of `shape` (N, C, ...): (M,)."""
    per_channel = np.broadcast_to(values.astype(dtype), (shape[1],))
    return np.repeat(per_channel, int(np.prod(shape[2:])))
