"""The half of a permutation: which numbers are not among the first half that `Generator.permutation` gives, without the permutation.

NumPy shuffles from the end: behind its first n/2 exchanges the second half stands, and the rest moves what is in the first about. What it
draws for that is drawn here, too, so the generator is left as NumPy leaves it.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.jit import jit
from refboot.kernels.vectors import INDEX, NUMBER, intrinsic


def stays(rng: Any, n: int) -> np.ndarray | None:
    """Of each of n numbers whether it is not among the first n // 2 of `rng.permutation(n)`; bool (n,).

    None, and nothing is drawn, where `rng` might draw otherwise than it is done here.
    """
    return _drawn(rng, n) if type(rng) is np.random.Generator and _draws_alike() else None


def keep(points: Floats, stays: np.ndarray, kept: Floats) -> None:
    """Move the columns of `points` that stay to the start of `kept`, in order; both (2, n or more), contiguous; they may be one array."""
    _keep(points, stays, kept)


def _drawn(rng: np.random.Generator, n: int) -> np.ndarray:
    drawn, left, found = memory.empty((n,), np.int32), memory.empty((n,), np.int32), memory.empty((n,), np.bool_)
    source = rng.bit_generator.ctypes
    with rng.bit_generator.lock:
        _draw(ctypes.cast(source.next_uint32, ctypes.c_void_p).value, source.state_address, drawn)
    _exchange(drawn, left, found)
    return found


@cache
def _draws_alike() -> bool:
    """Whether this NumPy draws a permutation as it is done here: it may change from one version to the next."""
    theirs, ours = (np.random.Generator(np.random.PCG64(1)) for _ in range(2))
    same = all(np.array_equal(np.flatnonzero(_drawn(ours, n)), np.sort(theirs.permutation(n)[n // 2 :])) for n in (301, 70_001))
    return same and bool(ours.bit_generator.state == theirs.bit_generator.state)


@intrinsic  # type: ignore[untyped-decorator]
def _next(typing: Any, function: types.Integer, state: types.Integer) -> Any:
    """32 random bits, by a bit generator's own function and state."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]) -> ir.Value:
        return builder.call(builder.inttoptr(args[0], ir.FunctionType(NUMBER, [INDEX]).as_pointer()), [args[1]])

    return types.uint32(types.int64, types.int64), code


@jit
def _draw(function, state, drawn):  # type: ignore[no-untyped-def]
    """drawn[i] in [0, i], for i from the last down to 1: as many bits as i has, drawn again where they are more."""
    i, mask = drawn.size - 1, np.uint32(0xFFFFFFFF)
    while i > 0:
        while np.int64(mask >> 1) >= i:
            mask >>= np.uint32(1)
        while i > np.int64(mask >> 1):
            value = np.int64(_next(function, state) & mask)
            drawn[i] = value
            i -= np.int64(value <= i)  # no branch: which way it goes nobody can foresee


@jit
def _exchange(drawn, left, found):  # type: ignore[no-untyped-def]
    for i in range(drawn.size):
        left[i], found[i] = i, False
    for i in range(drawn.size - 1, drawn.size // 2 - 1, -1):
        j = drawn[i] if i > 0 else 0
        found[left[j]] = True
        left[j] = left[i]


@jit
def _keep(points, stays, kept):  # type: ignore[no-untyped-def]
    place = np.int64(0)
    for i in range(stays.size):
        kept[0, place], kept[1, place] = points[0, i], points[1, i]
        place += np.int64(stays[i])
