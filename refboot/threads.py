"""Threads: NumPy's BLAS on one while refboot computes, and a small pool of our own that works on
parts of an array.

BLAS threads spin while they wait: they cost small products more than they bring, and on a busy
machine far more. So work is cut into parts that do not depend on the number of threads (the results
have the same bits for any), and the pool does the parts.

`REFBOOT_THREADS` in the environment says how many threads work (default: the machine's processors,
at most `WORKERS`).
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from refboot.errors import RangeError
from refboot.pool import Pool, Task

PARTS = 8
WORKERS = 2  # by default: beyond two, the memory is the limit
PREFIXES = ("scipy_openblas", "openblas")
SUFFIXES = ("64_", "")

Work = Callable[[slice], Any]


@contextmanager
def use(count: int) -> Iterator[None]:
    """Within the `with` block at most `count` threads (1 or more) work; raises RangeError."""
    before = _pool.count
    _pool.count = checked(count)
    try:
        yield
    finally:
        _pool.count = before


def count() -> int:
    """How many threads work."""
    return _pool.count


def checked(number: object) -> int:
    """`number`, or its text, as a number of threads; raises RangeError."""
    text = str(number)
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise RangeError(
            "the number of threads (REFBOOT_THREADS)", repr(number), "a whole number in [1, 1024]"
        )
    return int(text)


@cache
def parts(size: int, unit: int = 1, count: int = PARTS) -> tuple[slice, ...]:
    """[0, size) cut into at most `count` slices of equal length, up to a multiple of `unit`; the
    same for any number of threads.
    """
    length = -(-size // (count * unit)) * unit
    return tuple(
        slice(start, min(start + length, size)) for start in range(0, size, max(length, 1))
    )


def over(
    size: int,
    work: Work,
    unit: int = 1,
    alone: bool = False,
    fixed: bool = False,
    count: int = PARTS,
) -> None:
    """Call `work(part)` for each of `parts(size, unit, count)`, on as many threads as there are, or
    on this one `alone`.

    On this one it is called once for all of [0, size), unless the parts are `fixed`: where results
    would depend on them.
    """
    slices = parts(size, unit, count)
    if fixed or not (alone or _alone(len(slices))):
        share([partial(work, part) for part in slices], alone)
    else:
        work(slice(0, size))


def share(tasks: Sequence[Task], alone: bool = False) -> None:
    """Call each task, on as many threads as there are, in any order, or on this one `alone`; raises
    an error when all are done.
    """
    if alone or _alone(len(tasks)):
        for task in tasks:
            task()
    else:
        _pool.run(tasks)


def begin(entry: int, job: np.ndarray, frame: FrameType, owner: object) -> list[Any]:
    """Let other threads begin with a compiled job that the call `frame` is to end; those that do,
    for `finish` or `end`. See pool.Pool.
    """
    return _pool.begin(entry, job, frame, owner)


def finish(entry: int, job: np.ndarray, helpers: list[Any]) -> None:
    """Do the rest of a compiled job, with the helpers that began."""
    _pool.finish(entry, job, helpers)


def end(helpers: list[Any]) -> None:
    """Wait for helpers that began with a compiled job that is given up."""
    _pool.end(helpers)


def _alone(tasks: int) -> bool:
    """Whether no other thread would help with so many tasks."""
    return tasks < 2 or _pool.count < 2 or _pool.inside.active


class blas:
    """Within a `with blas(count)` block NumPy's bundled OpenBLAS uses `count` threads, then as many
    as before; others are left alone.

    Blocks within it, on any thread, leave the number as it is: the outermost, of whatever thread,
    sets and restores it.
    """

    lock = threading.Lock()
    depth = before = 0

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> None:
        library = _openblas()
        with blas.lock:
            if not blas.depth and library is not None:
                blas.before = library[0]()
                library[1](self.count)
            blas.depth += 1

    def __exit__(self, *error: object) -> None:
        library = _openblas()
        with blas.lock:
            blas.depth -= 1
            if not blas.depth and library is not None:
                library[1](blas.before)


@cache
def _openblas() -> tuple[ctypes._NamedFuncPointer, ctypes._NamedFuncPointer] | None:
    """The functions that read and set the number of threads, from the library that NumPy's wheel
    brings and has loaded.
    """
    home = Path(np.__file__).parent
    for path in sorted(
        [*home.parent.glob("numpy.libs/*openblas*"), *home.glob(".dylibs/*openblas*")]
    ):
        library = ctypes.CDLL(str(path))
        for prefix in PREFIXES:
            for suffix in SUFFIXES:
                names = f"{prefix}_get_num_threads{suffix}", f"{prefix}_set_num_threads{suffix}"
                if all(hasattr(library, name) for name in names):
                    return getattr(library, names[0]), getattr(library, names[1])
    return None


def _default() -> int:
    return min(
        WORKERS,
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    )


_pool = Pool(checked(os.environ.get("REFBOOT_THREADS", _default())))
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.forget)
