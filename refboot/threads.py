"""Threads: NumPy's BLAS on one while refboot computes, and a small pool of our own that works on parts of an array.

BLAS threads spin while they wait: they cost small products more than they bring, and on a busy machine far more. So work is cut
into parts that do not depend on the number of threads (the results have the same bits for any), and the pool does the parts.

`REFBOOT_THREADS` in the environment says how many threads work (default: the machine's processors, at most `PARTS`).
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from refboot.errors import RangeError

PARTS = 2
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
        raise RangeError("the number of threads (REFBOOT_THREADS)", repr(number), "a whole number in [1, 1024]")
    return int(text)


@cache
def parts(size: int, unit: int = 1) -> tuple[slice, ...]:
    """[0, size) cut into at most `PARTS` slices of equal length, up to a multiple of `unit`; the same for any number of threads."""
    length = -(-size // (PARTS * unit)) * unit
    return tuple(slice(start, min(start + length, size)) for start in range(0, size, max(length, 1)))


def over(size: int, work: Work, unit: int = 1, alone: bool = False, fixed: bool = False) -> None:
    """Call `work(part)` for each of `parts(size, unit)`, on as many threads as there are, or on this one `alone`.

    On this one it is called once for all of [0, size), unless the parts are `fixed`: where results would depend on them.
    """
    slices = parts(size, unit)
    if alone or len(slices) < 2 or _pool.count < 2 or _pool.inside.active:
        for part in slices if fixed else (slice(0, size),):
            work(part)
    else:
        _pool.run(work, slices)


class _Inside(threading.local):
    """Whether this thread belongs to the pool: it does not ask the pool for help."""

    active = False


class _Pool:
    """Threads that take the parts of a piece of work; they are started when first needed, and again in a forked process."""

    def __init__(self) -> None:
        default = min(PARTS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
        self.count = checked(os.environ.get("REFBOOT_THREADS", default))
        self.inside = _Inside()
        self.forget()

    def forget(self) -> None:
        """Start without threads."""
        self.tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.started = 0

    def run(self, work: Work, slices: tuple[slice, ...]) -> None:
        """This thread takes the first slice, the pool the others; the first error of any is raised when all are done."""
        while self.started < min(self.count, PARTS) - 1:
            self.started += 1
            threading.Thread(target=self._serve, args=(self.tasks,), name="refboot", daemon=True).start()
        pending = [_Task(work, part) for part in slices[1:]]
        for task in pending:
            self.tasks.put(task)
        mine = _Task(work, slices[0])
        mine()
        for task in (mine, *pending):
            task.result()

    def _serve(self, tasks: SimpleQueue[Callable[[], None]]) -> None:
        self.inside.active = True
        while True:
            tasks.get()()


class _Task:
    """One part of a piece of work, to be done once and waited for."""

    def __init__(self, work: Work, part: slice) -> None:
        self.work, self.part = work, part
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def __call__(self) -> None:
        try:
            self.work(self.part)
        except BaseException as error:  # handed to the thread that waits
            self.error = error
        finally:
            self.done.release()

    def result(self) -> None:
        """Wait until it is done; raises what it raised."""
        self.done.acquire()
        if self.error is not None:
            raise self.error


class blas:
    """Within a `with blas(count)` block NumPy's bundled OpenBLAS uses `count` threads, then as many as before; others are left alone.

    Blocks within it, on any thread, leave the number as it is: the outermost, of whatever thread, sets and restores it.
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
    """The functions that read and set the number of threads, from the library that NumPy's wheel brings and has loaded."""
    home = Path(np.__file__).parent
    for path in sorted([*home.parent.glob("numpy.libs/*openblas*"), *home.glob(".dylibs/*openblas*")]):
        library = ctypes.CDLL(str(path))
        for prefix in PREFIXES:
            for suffix in SUFFIXES:
                names = f"{prefix}_get_num_threads{suffix}", f"{prefix}_set_num_threads{suffix}"
                if all(hasattr(library, name) for name in names):
                    return getattr(library, names[0]), getattr(library, names[1])
    return None


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.forget)
