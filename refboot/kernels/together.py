"""A list of tasks that the threads go through together, within kernels: no Python between two
tasks.

Tasks that follow each other with one kind, layer and stage to wait for are a group. One thread does
its first half, from the front, the other its second, from the end, so that each finds the same
parts of an array in its cache again, from group to group and from call to call. A thread waits
where it needs what the other is not done with; after a while it does itself what the other has not
begun: one thread alone does all. A task is its own sums from end to end: what comes out does not
depend on who does what.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import cache, cached_property
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import numpy as np

from refboot import threads
from refboot.arrays import Ints
from refboot.kernels.jit import ZERO, helper, inlined, jit
from refboot.kernels.layout import SMALL
from refboot.kernels.places import numbers, numbers2
from refboot.waiting import NUMBERS, attempt, give_way, look, put, take

CELL = 16  # numbers from one count to the next: each has a line of the cache
NONE = np.int64(-1)  # no task
COUNTS = 4 * CELL  # numbers of a job for each task of its plan
ALL = np.int64(1 << 20)  # more than any group or stage has
STAGE, AFTER, NEEDED, MEMBERS, COLUMNS = 5, 6, 7, 8, 9  # of a plan
# looks, in all of a job, at what the other is not done with: some 40 us where nobody else wants the
# processor
PATIENCE = 100
# The beginning of a job: where the plan is, how many tasks it has, where the addresses of works
# are, two of each kind, whether a task
# failed or all was given up, and the patience of either side. Behind it is of both halves of each
# group what was taken, then of each stage
# what each side has done; then what the works are told.
PLAN, TASKS, WORKS, FAILED, LOOKS, HEAD = 0, 1, 2, 3, 4, 8

Part = tuple[int, int, int]
Own = TypeVar("Own", bound="Going")


class Task(NamedTuple):
    """`kind`, the `layer` (or array) it is of, which `part` of it, from `low` to `high`, and the
    stages it belongs to and waits for.
    """

    kind: int
    layer: int
    part: int
    low: int
    high: int
    stage: Hashable
    after: Hashable


def parts(size: int, unit: int, count: int) -> list[Part]:
    """Number, start and stop of each of `threads.parts`."""
    return [(i, part.start, part.stop) for i, part in enumerate(threads.parts(size, unit, count))]


def plan_of(tasks: Sequence[Task]) -> np.ndarray:
    """The tasks as rows of numbers, in an order in which none waits for a later one; stages get
    numbers from 0 on, one that is none is -1.

    Behind those of the task: how many tasks it waits for, and how many its group has.
    """
    numbers: dict[Hashable, int] = {
        stage: i for i, stage in enumerate(dict.fromkeys(task.stage for task in tasks))
    }
    tasks = [
        task._replace(stage=numbers[task.stage], after=numbers.get(task.after, -1))
        for task in tasks
    ]
    sizes = Counter(task.stage for task in tasks)
    needed = [sizes[task.after] for task in tasks]
    groups = [
        list(some) for _, some in groupby(tasks, lambda task: (task.kind, task.layer, task.after))
    ]
    members = [len(group) for group in groups for _ in group]
    return np.column_stack(
        [
            np.array(tasks, np.int64).reshape(-1, STAGE + 2),
            np.array(needed, np.int64),
            np.array(members, np.int64),
        ]
    )


@cache
def plan_for(*sizes: int) -> np.ndarray:
    """Tasks for arrays of so many elements, each in `threads.PARTS` parts, or, if it is small, in
    one.
    """
    counts = [threads.PARTS if size >= SMALL else 1 for size in sizes]
    return plan_of(
        [
            Task(0, i, *part, "", None)
            for i, size in enumerate(sizes)
            for part in parts(size, 16, counts[i])
        ]
    )


@jit
def next_of(plan, cells, at, half):  # type: ignore[no-untyped-def]
    """The next task of a half of the group whose first task is `at`; -1 if there is none."""
    members, cell = plan[at, MEMBERS], CELL * (2 * at + half)
    count = (members + 1 - half) // 2
    k = take(cells, cell) if look(cells, cell) < count else count
    if k >= count:
        return NONE
    return at + members - 1 - k if half else at + k


@jit
def begun(plan, cells, half):  # type: ignore[no-untyped-def]
    """Whether somebody has begun each task of this half of all groups."""
    at = ZERO
    while (
        at < len(plan)
        and look(cells, CELL * (2 * at + half)) >= (plan[at, MEMBERS] + 1 - half) // 2
    ):
        at += plan[at, MEMBERS]
    return at >= len(plan)


@inlined
def ready(plan, cells, k):  # type: ignore[no-untyped-def]
    """Whether all that task k waits for is done."""
    cell = 2 * CELL * (len(plan) + plan[k, AFTER])
    return plan[k, AFTER] < 0 or look(cells, cell) + look(cells, cell + CELL) >= plan[k, NEEDED]


@inlined
def left_over(plan, cells, end, half):  # type: ignore[no-untyped-def]
    """The first task of this half of any group before `end` that nobody has begun, once it is
    ready; -1 if there is none.
    """
    at, k = ZERO, NONE
    while at < end and k < 0:
        k = next_of(plan, cells, at, half)
        at += plan[at, MEMBERS]
    while k >= 0 and not ready(plan, cells, k):
        give_way()
    return k


@jit
def give_up(head, cells):  # type: ignore[no-untyped-def]
    """Let the job tell that all is over: no task is left, and nobody waits for what is not done."""
    take(head, FAILED)
    for i in range(0, cells.size, CELL):
        put(cells, i, ALL)


@inlined
def do(head, plan, cells, k, side):  # type: ignore[no-untyped-def]
    """Do task k by the addresses of its kind, one after the other; where one fails, all is over,
    and the job tells.
    """
    work = cells.ctypes.data + 8 * cells.size
    for i in range(2):
        address = numbers(head[WORKS] + 8 * (2 * plan[k, 0] + i), (1,))[0]
        over = look(head, FAILED) != 0  # then what the task waited for may never have been done
        if (
            address != 0
            and not over
            and not attempt(address, work, plan[k, 1], plan[k, 2], plan[k, 3], plan[k, 4])
        ):
            give_up(head, cells)
    take(cells, 2 * CELL * (len(plan) + plan[k, STAGE]) + CELL * side)


class Work:
    """What a task of some kind does, `function(work, layer, part, low, high)` of whole numbers, of
    which `work` is the place of more.

    It is compiled by itself and called by its address: put into the kernel that goes through the
    tasks, and into each other kernel that does the same, it would be compiled anew there.
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
    """Do the tasks of this side's half of each group of a job, and those that the other side leaves
    for too long.

    Task k is this side's next, from when it is taken until it is done.
    """
    head = numbers(job, (HEAD,))
    plan, cells = (
        numbers2(head[PLAN], (head[TASKS], COLUMNS)),
        numbers(job + 8 * HEAD, (COUNTS * head[TASKS],)),
    )
    patience, at, k = head[LOOKS + side], ZERO, NONE
    while at < len(plan) or not begun(plan, cells, 1 - side):
        if k < 0 and at < len(plan):
            k = next_of(plan, cells, at, side)
            at += plan[at, MEMBERS] if k < 0 else ZERO
            continue
        mine = k >= 0 and ready(plan, cells, k)
        now = k if mine else NONE
        if not mine and patience <= 0:
            now = left_over(plan, cells, at, 1 - side)
        if now >= 0:
            do(head, plan, cells, now, side)
        else:
            give_way()
            patience -= 1
        k = NONE if mine else k


class Going:
    """Within the `with` block other threads go through the tasks of a plan, while this one does
    something else; at its end it joins them.

    Of each kind of tasks there are one or two works, one after the other; they find the `work`
    numbers behind each other in one array. What these are places of is held by the call in which
    the block is, or by this object. `patience` is how often a thread looks before it does what the
    other has not begun. Raises MemoryError: nothing else in works can fail.
    """

    def __init__(
        self,
        kinds: Kinds,
        plan: np.ndarray,
        *work: Ints,
        alone: bool = False,
        patience: int = PATIENCE,
    ) -> None:
        addresses, empty = _addresses(kinds), np.zeros(COUNTS * len(plan), np.int64)
        head = np.array(
            [plan.ctypes.data, len(plan), addresses.ctypes.data, 0, patience, patience, 0, 0],
            np.int64,
        )
        self.job = np.concatenate([head, empty, *work])
        self.held, self.alone = (plan, addresses), alone
        self.helpers: list[Any] = []

    def __enter__(self: Own) -> Own:
        self.helpers = (
            []
            if self.alone
            else threads.begin(go_through.address, self.job, sys._getframe(1), self)
        )
        return self

    def leave(self) -> None:
        """Begin, and leave it to the helpers until `join`. Who asks them next waits for them: this
        call, in which it is begun, is over.
        """
        self.__enter__()

    def join(self) -> None:
        """Do what is left, and wait for the helpers."""
        if not self.helpers:
            self.job[LOOKS] = 0
        threads.finish(go_through.address, self.job, self.helpers)
        if self.job[FAILED]:
            raise MemoryError("too little memory for a kernel's own arrays")

    def __exit__(self, error: object, *_: object) -> None:
        if error is None:
            self.join()
        else:
            give_up(self.job[:HEAD], self.job[HEAD : HEAD + COUNTS * len(self.held[0])])
            threads.end(self.helpers)


def share(kinds: Kinds, plan: np.ndarray, *work: Ints, alone: bool = False) -> None:
    """Go through the tasks of a plan on as many threads as there are, or on this one `alone`; see
    Going.
    """
    with Going(kinds, plan, *work, alone=alone):
        pass


@cache
def _addresses(kinds: Kinds) -> np.ndarray:
    """Of the works of each kind, 0 where there is no second."""
    return np.array([[*(work.address for work in works), 0][:2] for works in kinds], np.int64)
