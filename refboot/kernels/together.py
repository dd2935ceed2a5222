"""A list of tasks that the threads go through together, within kernels: no Python between two tasks.

Tasks that follow each other with one kind, layer and stage to wait for are a group. One thread takes from its front, the other from its
end, so that each finds the same parts of an array in its cache again, from group to group and from call to call; both go on to the next
group when nothing is left. A thread waits where it needs what another is not done with. A task is its own sums from end to end: what comes
out does not depend on who does what. One thread alone does all; one that comes late finds less to do, or nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import numpy as np

from refboot import threads
from refboot.arrays import Ints
from refboot.kernels.jit import ONE, ZERO, helper, jit
from refboot.kernels.layout import SMALL
from refboot.kernels.places import numbers, numbers2
from refboot.waiting import NUMBERS, attempt, take, wait_for

CELL = 16  # numbers from one count to the next: each has a line of the cache
FROM_END = 1 << 32  # a count holds what was taken from the front in its lower half, from the end in its upper
ALL = 1 << 20  # more than any group or stage has
STAGE, AFTER, NEEDED, MEMBERS, COLUMNS = 5, 6, 7, 8, 9  # of a plan
# The beginning of a job: where the plan is, how many tasks it has, where the addresses of works are, for how many kinds, and whether a task
# failed. Behind it is of each group what was taken, then of each stage what is done; then what the works are told.
PLAN, TASKS, WORKS, KINDS, FAILED, HEAD = 0, 1, 2, 3, 4, 8

Part = tuple[int, int, int]
Own = TypeVar("Own", bound="Going")


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


def plan_of(tasks: Sequence[Task]) -> np.ndarray:
    """The tasks as rows of numbers, in an order in which none waits for a later one; stages get numbers from 0 on.

    Behind those of the task: how many tasks it waits for, and how many its group has.
    """
    numbers = {stage: i for i, stage in enumerate(dict.fromkeys(task.stage for task in tasks))}
    tasks = [task._replace(stage=numbers[task.stage], after=numbers.get(task.after, -1)) for task in tasks]
    needed = [sum(other.stage == task.after for other in tasks) for task in tasks]
    groups = [list(some) for _, some in groupby(tasks, lambda task: (task.kind, task.layer, task.after))]
    members = [len(group) for group in groups for _ in group]
    return np.column_stack([np.array(tasks, np.int64).reshape(-1, STAGE + 2), np.array(needed, np.int64), np.array(members, np.int64)])


@cache
def plan_for(*sizes: int) -> np.ndarray:
    """Tasks for arrays of so many elements, each in `threads.PARTS` parts, or, if it is small, in one."""
    counts = [threads.PARTS if size >= SMALL else 1 for size in sizes]
    return plan_of([Task(0, i, *part, 0, -1) for i, size in enumerate(sizes) for part in parts(size, 16, counts[i])])


@jit
def next_task(plan, cells, side, at):  # type: ignore[no-untyped-def]
    """The number of the next task, once all that it waits for is done, and of the first of its group; len(plan) if there is none.

    The last was of the group whose first task is `at`.
    """
    while at < len(plan):
        before = take(cells, CELL * at, FROM_END if side else ONE)
        front, end = before % FROM_END, before // FROM_END
        if front + end < plan[at, MEMBERS]:
            if plan[at, AFTER] >= 0:
                wait_for(cells, CELL * (len(plan) + plan[at, AFTER]), plan[at, NEEDED])
            return (at + plan[at, MEMBERS] - 1 - end if side else at + front), at
        at += plan[at, MEMBERS]
    return at, at


@jit
def done(plan, cells, k):  # type: ignore[no-untyped-def]
    """Task k is done."""
    take(cells, CELL * (len(plan) + plan[k, STAGE]), ONE)


class Work:
    """What a task of some kind does, `function(work, layer, part, low, high)` of whole numbers, of which `work` is the place of more.

    It is compiled by itself and called by its address: put into the kernel that goes through the tasks, and into each other kernel
    that does the same, it would be compiled anew there.
    """

    def __init__(self, function: Callable[[int, int, int, int, int], None]) -> None:
        self.kernel: Any = helper(function)

    @cached_property
    def address(self) -> int:
        """Where it is in memory, compiled when this is first asked for."""
        self.kernel.compile(NUMBERS)
        found = self.kernel.overloads[NUMBERS]
        return int(found.library.get_pointer_to_function(found.fndesc.llvm_func_name))


Kinds = tuple[tuple[Work, ...], ...]


@Work
def go_through(job, side, _, __, ___):  # type: ignore[no-untyped-def]
    """Do the tasks of a job, each by the addresses of its kind, one after the other; where one fails, all is over, and the job tells."""
    head = numbers(job, (HEAD,))
    plan, addresses = numbers2(head[PLAN], (head[TASKS], COLUMNS)), numbers2(head[WORKS], (head[KINDS], 2))
    cells, work = numbers(job + 8 * HEAD, (2 * CELL * len(plan),)), job + 8 * (HEAD + 2 * CELL * len(plan))
    k, at = next_task(plan, cells, side, ZERO)
    while k < len(plan):
        for address in addresses[plan[k, 0]]:
            if address != 0 and not attempt(address, work, plan[k, 1], plan[k, 2], plan[k, 3], plan[k, 4]):
                head[FAILED] = 1
                for i in range(2 * len(plan)):
                    cells[CELL * i] = ALL  # no task is left, and nobody waits for what is not done
        done(plan, cells, k)
        k, at = next_task(plan, cells, side, at)


class Going:
    """Within the `with` block other threads go through the tasks of a plan, while this one does something else; at its end it joins them.

    Of each kind of tasks there are one or two works, one after the other; they find the `work` numbers behind each other in one array.
    What these are places of is held by the call in which the block is, or by this object. Raises MemoryError: nothing else in works can
    fail.
    """

    def __init__(self, kinds: Kinds, plan: np.ndarray, *work: Ints, alone: bool = False) -> None:
        addresses, empty = _addresses(kinds), np.zeros(2 * CELL * len(plan), np.int64)
        head = np.array([plan.ctypes.data, len(plan), addresses.ctypes.data, len(addresses), 0, 0, 0, 0], np.int64)
        self.job = np.concatenate([head, empty, *work])
        self.held, self.alone = (plan, addresses), alone

    def __enter__(self: Own) -> Own:
        self.helpers = [] if self.alone else threads.begin(go_through.address, self.job, sys._getframe(1), self)
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is not None:
            self.job[HEAD : HEAD + 2 * CELL * len(self.held[0]) : CELL] = ALL
            threads.end(self.helpers)
        else:
            threads.finish(go_through.address, self.job, self.helpers)
            if self.job[FAILED]:
                raise MemoryError("too little memory for a kernel's own arrays")


def share(kinds: Kinds, plan: np.ndarray, *work: Ints, alone: bool = False) -> None:
    """Go through the tasks of a plan on as many threads as there are, or on this one `alone`; see Going."""
    with Going(kinds, plan, *work, alone=alone):
        pass


@cache
def _addresses(kinds: Kinds) -> np.ndarray:
    """Of the works of each kind, 0 where there is no second."""
    return np.array([[*(work.address for work in works), 0][:2] for works in kinds], np.int64)
