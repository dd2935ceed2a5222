"""A list of tasks that the threads go through together, within kernels: no Python between two tasks.

Each thread takes the next task that nobody took, and waits where it needs what another is not done with. A task is its own sums from end
to end: what comes out does not depend on who does what. One thread alone does all; one that comes late finds less to do, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from refboot import threads
from refboot.kernels.jit import jit
from refboot.waiting import take, wait_for

CELL = 16  # numbers from one count to the next: each has a line of the cache

Part = tuple[int, int, int]
Plan = tuple[np.ndarray, np.ndarray]


class Task(NamedTuple):
    """`kind`, the `layer` (or array) it is of, which `part` of it, from `low` to `high`, and the stages it belongs to and waits for."""

    kind: int
    layer: int
    part: int
    low: int
    high: int
    stage: int
    after: int


def parts(size: int, unit: int, count: int) -> list[Part]:
    """Number, start and stop of each of `threads.parts`."""
    return [(i, part.start, part.stop) for i, part in enumerate(threads.parts(size, unit, count))]


def plan_of(tasks: Sequence[Task]) -> Plan:
    """The tasks as numbers, in an order in which none waits for a later one; and how many each stage has, the last (that is -1) none."""
    sizes = np.zeros(max(task.stage for task in tasks) + 2, np.int64)
    for task in tasks:
        sizes[task.stage] += 1
    return np.array(tasks, np.int64), sizes


@cache
def plan_for(size: int) -> Plan:
    """Tasks for an array of so many elements, `threads.PARTS` of them."""
    return plan_of([Task(0, 0, *part, 0, -1) for part in parts(size, 16, threads.PARTS)])


def share(kernel: Callable[..., None], plan: Plan, work: tuple[Any, ...]) -> None:
    """Call `kernel(tasks, sizes, cells, *work)` on as many threads as there are; raises what it raises."""
    tasks, sizes = plan
    cells = np.zeros(CELL * (len(sizes) + 1), np.int64)

    def take_part() -> None:
        try:
            kernel(tasks, sizes, cells, *work)
        except BaseException:
            cells[::CELL] = len(tasks)  # no task is left, and nobody waits for what is not done
            raise

    threads.share([take_part] * threads.count())


@jit
def next_task(tasks, sizes, cells):  # type: ignore[no-untyped-def]
    """The number of the next task, once all that it waits for is done; len(tasks) if there is none."""
    k = take(cells, 0)
    if k < len(tasks) and tasks[k, 6] >= 0:
        wait_for(cells, CELL * (tasks[k, 6] + 1), sizes[tasks[k, 6]])
    return min(k, len(tasks))


@jit
def done(cells, stage):  # type: ignore[no-untyped-def]
    """A task of this stage is done."""
    take(cells, CELL * (stage + 1))
