"""Two threads that wait for each other without sleep: to wake one takes up to 0.1 ms, as long as a kernel on half a layer.

Both wait in compiled code, without Python's lock (the GIL). Needs numba: imported when the first thread of the pool starts.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types
from numba.core import cgutils

from refboot.compiled import compiled

ASKED, DONE, CELLS = 0, 16, 32  # in cache lines of their own
TRIES = 2000
# Leave the processor to any other thread that wants it: the one waited for may be among them.
give_way: Any = types.ExternalFunction("sched_yield", types.intc()) if os.name == "posix" else numba.njit(lambda: 0)
intrinsic: Any = extending.intrinsic
jit: Any = partial(compiled, nogil=True, no_cfunc_wrapper=True)


def cells() -> np.ndarray:
    """What two threads tell each other: the number of the last job that was asked for, and of the last that is done; int64."""
    return np.zeros(CELLS, np.int64)


def per_second() -> float:
    """How many times a second a waiting thread looks."""
    idle = cells()
    until(idle, 0, 1)
    start = time.perf_counter()
    until(idle, 1, TRIES)
    return TRIES / (time.perf_counter() - start)


@intrinsic  # type: ignore[untyped-decorator]
def _load(typing: Any, cells: types.Array, at: types.Integer) -> Any:
    """cells[at] as it is now; what was written before it is seen, too."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.load_atomic(_address(context, builder, signature, args), "acquire", 8)

    return types.int64(cells, at), code


@intrinsic  # type: ignore[untyped-decorator]
def _store(typing: Any, cells: types.Array, at: types.Integer, value: types.Integer) -> Any:
    """cells[at] = value, after all that was written before."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        builder.store_atomic(args[2], _address(context, builder, signature, args), "release", 8)
        return context.get_dummy_value()

    return types.void(cells, at, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _add(typing: Any, cells: types.Array, at: types.Integer, more: types.Integer) -> Any:
    """cells[at] as it was before `more` was added; what was written before it is seen, too, by whoever adds or loads next."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.atomic_rmw("add", _address(context, builder, signature, args), args[2], "acq_rel")

    return types.int64(cells, at, types.int64), code


def _address(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    pointer: Any = cgutils.get_item_pointer
    return pointer(context, builder, signature.args[0], array, [args[1]])


@jit
def rest(cells, number, tries, delay):  # type: ignore[no-untyped-def]
    """Say that job `number` is done; the number of the next, when it is asked for, or the same after so many tries.

    After giving way `delay` times more: the thread that asks shall have left Python, whose lock this one then takes without sleep.
    """
    _store(cells, DONE, number)
    for _ in range(tries):
        asked = _load(cells, ASKED)
        if asked != number:
            for _ in range(delay):
                give_way()
            return asked
        give_way()
    return number


@jit
def until(cells, number, tries):  # type: ignore[no-untyped-def]
    """Whether job `number` is done, after so many tries at the most."""
    for _ in range(tries):
        if _load(cells, DONE) >= number:
            return True
        give_way()
    return False


@jit
def take(cells, at, more):  # type: ignore[no-untyped-def]
    """What cells[at] was before `more` was added to it: each number is given once, whatever the thread."""
    return _add(cells, at, more)


@jit
def wait_for(cells, at, number):  # type: ignore[no-untyped-def]
    """Until cells[at] is `number` or more."""
    while _load(cells, at) < number:
        give_way()
