"""Two threads that wait for each other without sleep: to wake one takes up to 0.1 ms, as long as a
kernel on half a layer.

Both wait in compiled code, without Python's lock (the GIL), and so begin with a job that is
compiled, too: `entry(job, side, ...)`. Needs numba: imported when the first thread of the pool
starts.
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

ASKED, DONE, ENTRY, JOB, CELLS = (
    0,
    16,
    32,
    33,
    48,
)  # in cache lines of their own, but for the two that tell of a job
IDLE, FOR_PYTHON, MORE = range(3)  # why a helper ceases to rest
TRIES = 2000
NUMBERS = (types.int64,) * 5  # what a compiled function takes that is called by its address
# Leave the processor to any other thread that wants it: the one waited for may be among them.
give_way: Any = (
    types.ExternalFunction("sched_yield", types.intc())
    if os.name == "posix"
    else numba.njit(lambda: 0)
)
intrinsic: Any = extending.intrinsic
jit: Any = partial(compiled, nogil=True, no_cfunc_wrapper=True)


def cells() -> np.ndarray:
    """What two threads tell each other: the number of the last job asked for, of the last done, and
    where a compiled one is; int64.
    """
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
    """cells[at] as it was before `more` was added; what was written before it is seen, too, by
    whoever adds or loads next.
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.atomic_rmw(
            "add", _address(context, builder, signature, args), args[2], "acq_rel"
        )

    return types.int64(cells, at, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _swap(typing: Any, cells: types.Array, at: types.Integer, value: types.Integer) -> Any:
    """cells[at] as it was before it became `value`: of many that swap, one gets it."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.atomic_rmw(
            "xchg", _address(context, builder, signature, args), args[2], "acq_rel"
        )

    return types.int64(cells, at, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def call(typing: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """Call the compiled function at an address with five numbers; raises what it raises."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]) -> ir.Value:
        status, nothing = _called(context, builder, args)
        unlikely: Any = cgutils.if_unlikely
        with unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return nothing

    return types.none(*(types.int64,) * 6), code


@intrinsic  # type: ignore[untyped-decorator]
def attempt(typing: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """Call the compiled function at an address with five numbers; whether it raised nothing."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]) -> ir.Value:
        return builder.not_(_called(context, builder, args)[0].is_error)

    return types.boolean(*(types.int64,) * 6), code


def _called(context: Any, builder: ir.IRBuilder, args: list[ir.Value]) -> Any:
    kind = context.call_conv.get_function_type(types.none, NUMBERS)
    function = builder.inttoptr(args[0], kind.as_pointer())
    return context.call_conv.call_function(builder, function, types.none, NUMBERS, args[1:])


def _address(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    pointer: Any = cgutils.get_item_pointer
    return pointer(context, builder, signature.args[0], array, [args[1]])


@jit
def rest(cells, number, tries, delay, jobs, side):  # type: ignore[no-untyped-def]
    """Say that job `number` is done, then wait for the next, and do it where it is compiled, up to
    so many of them.

    The number of the last job, and why this ends: nobody asked for so many tries, or there is a job
    for Python, or so many were done. Before one for Python it gives way `delay` times more: the
    thread that asks shall have left Python, whose lock this one then takes without sleep.
    """
    _store(cells, DONE, number)
    left = tries
    while left > 0 and jobs > 0:
        asked = _load(cells, ASKED)
        if asked == number:
            give_way()
            left -= 1
            continue
        job = _swap(cells, JOB, np.int64(0))
        if job == 0:
            for _ in range(delay):
                give_way()
            return asked, FOR_PYTHON
        attempt(
            _load(cells, ENTRY), job, side, number, number, number
        )  # it notes an error where the one who asks finds it
        number, left, jobs = asked, tries, jobs - 1
        _store(cells, DONE, number)
    return number, MORE if jobs == 0 else IDLE


@jit
def ask(cells, entry, job):  # type: ignore[no-untyped-def]
    """Ask for a job, an array of whole numbers: the function at `entry` does it, given its place in
    memory and the side it is done from.
    """
    _store(cells, ENTRY, entry)
    _swap(cells, JOB, job.ctypes.data)
    _add(cells, ASKED, np.int64(1))


@jit
def lead(entry, job):  # type: ignore[no-untyped-def]
    """Do a job as the one who asks."""
    call(entry, job.ctypes.data, np.int64(0), np.int64(0), np.int64(0), np.int64(0))


@jit
def until(cells, number, tries):  # type: ignore[no-untyped-def]
    """Whether job `number` is done, after so many tries at the most, or nobody began with it: then
    it is taken back.
    """
    if _swap(cells, JOB, np.int64(0)) != 0:
        return True
    for _ in range(tries):
        if _load(cells, DONE) >= number:
            return True
        give_way()
    return False


@jit
def take(cells, at):  # type: ignore[no-untyped-def]
    """What cells[at] was before it became one more: each number is given once, whatever the
    thread.
    """
    return _add(cells, at, np.int64(1))


@jit
def look(cells, at):  # type: ignore[no-untyped-def]
    """What cells[at] is now."""
    return _load(cells, at)


@jit
def put(cells, at, value):  # type: ignore[no-untyped-def]
    """cells[at] = value; who sees it sees what was written before."""
    _store(cells, at, value)
