"""Threads: how many there are, and work shared by them.

No sum is ever split between threads, so results have the same bits for any number of them.
`REFBOOT_THREADS` in the environment says how many work (default: the machine's processors, at most
two: beyond that, memory is the limit).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from refboot.errors import RangeError

DEFAULT_LIMIT = 2


class State:
    """How many threads work, those that help the calling thread, and who is at work."""

    count: int
    helpers = 0
    jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()  # for the helpers
    here = threading.local()
    starting = threading.Lock()


def count() -> int:
    """How many threads work."""
    return State.count


@contextmanager
def use(number: int) -> Iterator[None]:
    """Within the `with` block `number` threads (1 or more) work; raises RangeError."""
    before, State.count = State.count, checked(number)
    try:
        yield
    finally:
        State.count = before


def checked(number: object) -> int:
    """`number`, or its text, as a number of threads; raises RangeError."""
    text = str(number)
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        expected = "a whole number in [1, 1024]"
        raise RangeError("the number of threads (REFBOOT_THREADS)", repr(number), expected)
    return int(text)


def over(number: int, work: Callable[[int], Any]) -> None:
    """Call work(i) for each i in [0, number), in any order, on as many threads as there are.

    Returns, or raises the first error, when no thread works any more, also after Ctrl-C. Calls
    from within `work` stay on their thread.
    """
    wanted = min(State.count, number) - 1
    if wanted < 1 or getattr(State.here, "busy", False):
        for i in range(number):
            work(i)
        return
    turn = iter(range(number))  # each thread takes the next
    done: SimpleQueue[BaseException | None] = SimpleQueue()

    def part() -> BaseException | None:
        State.here.busy = True
        try:
            for i in turn:
                work(i)
        except BaseException as error:
            for _ in turn:  # nobody takes more
                pass
            return error
        finally:
            State.here.busy = False
        return None

    helpers = _started(wanted)
    for _ in range(helpers):
        State.jobs.put(lambda: done.put(part()))
    errors = [part()]
    while len(errors) <= helpers:
        try:
            errors.append(done.get())
        except KeyboardInterrupt as interrupt:  # helpers still write to the caller's arrays
            errors[0] = errors[0] or interrupt
    for error in errors:
        if error is not None:
            raise error


def _started(wanted: int) -> int:
    """How many helpers there are, at most `wanted`: fewer if the system gives no more threads."""
    with State.starting:
        while State.helpers < wanted:
            helper = threading.Thread(target=_help, args=(State.jobs,), name="refboot", daemon=True)
            try:
                helper.start()
            except RuntimeError:
                break
            State.helpers += 1
    return min(wanted, State.helpers)


def _help(jobs: SimpleQueue[Callable[[], None]]) -> None:
    """Do one job after another: a queue hands them over four times as fast as an executor."""
    while True:
        jobs.get()()


def over_slices(size: int, work: Callable[[slice], Any], alone: bool = False) -> None:
    """Call work(part) for slices that cover [0, size), one for each thread, or one if `alone`."""
    parts = 1 if alone else min(State.count, size)
    bounds = [size * i // parts for i in range(parts + 1)] if parts else []
    over(parts, lambda i: work(slice(bounds[i], bounds[i + 1])))


def _forget_helpers() -> None:
    State.helpers, State.jobs, State.here = 0, SimpleQueue(), threading.local()
    State.starting = threading.Lock()


_available = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
State.count = checked(os.environ.get("REFBOOT_THREADS", min(DEFAULT_LIMIT, len(_available))))
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)
