"""Threads that take the tasks of a piece of work, beside the one that asks.

To wake a thread takes up to 0.1 ms, as long as a kernel on half a layer. So a helper waits awake
for a moment after each job, in compiled code and without Python's lock (the GIL); then it sleeps.
On a busy machine that would harm all: there each thread works alone. A job is a list of Python's
tasks (`run`), or compiled (`begin`, `finish`): with such a one a helper that is awake begins at
once.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

AWAKE, DELAY = (
    2e-3,
    8e-6,
    # seconds: how long a helper waits without sleep, and the one who asked for it; from Python into
    # a
    # kernel
)
NAP = 5e-4  # seconds: where it takes longer
SPAN = 0.02 if os.name == "posix" else 2.0  # Windows counts the time of a thread in steps of 16 ms
MANY = 32  # compiled jobs, after which a helper looks at how long it wanted to run and did not
SHARE, SHORTEST, LONGEST = (
    0.3,
    0.01,
    2.0,
)  # see Crowd; of two threads one other program took half, a quiet machine 3 %

Task = Callable[[], Any]
Moment = tuple[float, float]


class _Inside(threading.local):
    """Whether this thread belongs to the pool: it does not ask the pool for help."""

    active = False


class Lead(NamedTuple):
    """The thread that asks the helpers, and the call in which it does so until they are done."""

    thread: int
    frame: FrameType

    def gave_up(self) -> bool:
        """Whether that call of this thread is over although nobody waited for the helpers: Ctrl-C
        may come between any two steps of it, or
        it left its job to them (together.Going.leave)."""
        frame = (
            sys._getframe() if self.thread == threading.get_ident() else self.frame
        )  # of another thread nothing is known
        while frame is not self.frame and frame.f_back is not None:
            frame = frame.f_back
        return frame is not self.frame


class Pool:
    """As many threads as `count`, this one among them; the others are started when first needed,
    and again in a forked process.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.inside = _Inside()
        self.forget()

    def forget(self) -> None:
        """Start without helpers."""
        self.helpers: list[_Helper] = []
        self.leading: dict[
            str, Lead
        ] = {}  # one or none: what two threads set at once, one of them has set
        self.crowd = Crowd()

    def run(self, tasks: Sequence[Task]) -> None:
        """This thread and the helpers take one task after the other; who comes late finds less to
        do, or nothing.

        While they help one thread, another that asks works alone. Raises the first error of a task,
        when all are done.
        """
        job = _Job(tasks)
        if not self.crowd.there() and self._leads(sys._getframe()):
            try:
                self._lead(job, min(self.count, len(tasks)) - 1)
            finally:
                self.leading.clear()
        else:
            job.work()
        job.check()

    def begin(
        self, entry: int, job: np.ndarray, frame: FrameType, owner: object = None
    ) -> list[_Helper]:
        """Let the helpers begin with a compiled job, the function at `entry` with its numbers;
        returns them, for `finish` or `end`.

        No helpers where there are none, where they help one who has not ended yet, or where others
        want the processors. What the job works on is held by the call `frame`, which is to end it,
        or by the `owner`, until the helpers are done.
        """
        if self.count < 2 or self.inside.active or self.crowd.there() or not self._leads(frame):
            return []
        helpers = self._first(self.count - 1)
        for helper in helpers:
            helper.begin(entry, job, frame, owner)
        return helpers

    def finish(self, entry: int, job: np.ndarray, helpers: list[_Helper]) -> None:
        """Do the rest of a compiled job, which these helpers were let begin with."""
        from refboot import waiting  # noqa: PLC0415 (needs numba)

        try:
            start = now()
            waiting.lead(entry, job)
            if helpers:
                self.crowd.note(start)
        finally:
            self.end(helpers)

    def end(self, helpers: list[_Helper]) -> None:
        """Wait until these are done with what they began; who did not come in time begins no more.
        Unless they were asked for something
        else since then: by this thread, which has waited for them before, or by another, which
        leads now."""
        leader = self.leading.get("")
        if helpers and leader is not None and leader.thread == threading.get_ident():
            _wait_for(helpers)
            self.leading.clear()

    def _leads(self, frame: FrameType) -> bool:
        """Whether this thread asks the helpers from now on, in the call `frame`; after one that
        gave up they are waited for.
        """
        mine = Lead(threading.get_ident(), frame)
        leader = self.leading.setdefault("", mine)
        if leader is not mine and leader.gave_up():
            _wait_for(self.helpers)
            self.leading[""] = leader = mine
        return leader is mine

    def _first(self, wanted: int) -> list[_Helper]:
        """So many helpers."""
        while len(self.helpers) < wanted:
            self.helpers.append(_Helper(self.inside, self.crowd, (len(self.helpers) + 1) % 2))
        return self.helpers[:wanted]

    def _lead(self, job: _Job, wanted: int) -> None:
        for helper in self._first(wanted):
            helper.ask(job)
        try:
            start = now()
            job.work()
            self.crowd.note(start)
        finally:
            job.left.clear()  # where it was interrupted
            _wait_for(job.helpers)


class Crowd:
    """Others who want the processors: while they are there, a thread that waits awake takes from
    those who work, this one among them.

    They are if over SPAN seconds of work our threads, a helper while it waits awake, too, wanted to
    run and did not for more than a SHARE of the time. Then each works alone for a while, which
    doubles, up to LONGEST, each time that the others turn out to be still there, and halves when
    not.
    """

    def __init__(self) -> None:
        self.gone = self.worked = self.lost = 0.0
        self.pause = SHORTEST

    def there(self) -> bool:
        """Whether to work alone."""
        return time.monotonic() < self.gone

    def note(self, start: Moment) -> None:
        """Since `start` this thread has worked, or waited awake, without a sleep of its own will
        for long.
        """
        end = now()
        worked, ran = end[0] - start[0], end[1] - start[1]
        self.worked, self.lost = self.worked + worked, self.lost + worked - ran
        if self.worked > SPAN:
            if self.lost > SHARE * self.worked:
                self.gone, self.pause = time.monotonic() + self.pause, min(2 * self.pause, LONGEST)
            else:
                self.pause = max(self.pause / 2, SHORTEST)
            self.worked = self.lost = 0.0


def now() -> Moment:
    """Now, by the clock and by the time that this thread has run, in seconds."""
    return time.perf_counter(), time.thread_time()


class _Job:
    """Tasks, each to be done once by whoever comes first."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.left = deque(tasks)
        self.helpers: list[_Helper] = []  # that came
        self.errors: list[BaseException] = []

    def work(self) -> None:
        """Do what is left, from the front."""
        while self._do(self.left.popleft):
            continue

    def help(self, helper: _Helper) -> None:
        """Do what is left, from the end: so each thread meets the same parts of an array as the
        time before.
        """
        self.helpers.append(helper)
        while self._do(self.left.pop):
            continue

    def _do(self, next_task: Callable[[], Task]) -> bool:
        """Whether there was a task; it is done, and nothing of it is kept."""
        try:
            outcome = _outcome(next_task())
        except IndexError:
            return False
        self.errors += outcome
        return True

    def check(self) -> None:
        """Raises the first error of a task."""
        if self.errors:
            raise self.errors[0]


class _Helper:
    """A thread that waits awake for a moment after each job, then sleeps until it is asked
    again.
    """

    def __init__(self, inside: _Inside, crowd: Crowd, side: int) -> None:
        from refboot import waiting  # noqa: PLC0415 (needs numba)

        self.waiting, self.inside, self.crowd, self.side, self.cells = (
            waiting,
            inside,
            crowd,
            side,
            waiting.cells(),
        )
        pace = waiting.per_second()
        self.tries, self.delay = int(AWAKE * pace), int(DELAY * pace)
        self.job, self.asleep = _Job([]), False
        self.held: tuple[object, ...] | None = (
            None  # what a compiled job works on, until it is done
        )
        self.asked: SimpleQueue[None] = SimpleQueue()
        threading.Thread(target=self._serve, name="refboot", daemon=True).start()

    def ask(self, job: _Job) -> None:
        """Say that there is a job. One thread at a time asks, and waits for what it asked for."""
        self.job = job
        self.cells[self.waiting.ASKED] += 1
        self._wake()

    def begin(self, entry: int, job: np.ndarray, frame: FrameType, owner: object) -> None:
        """Say that there is a compiled job."""
        self.held = job, frame, owner
        self.waiting.ask(self.cells, entry, job)
        self._wake()

    def _wake(self) -> None:
        if self.asleep:
            self.asked.put(None)

    def wait(self) -> None:
        """Until this thread is done with the last job: in short sleeps where it takes long."""
        while not self.waiting.until(self.cells, self.cells[self.waiting.ASKED], self.tries):
            time.sleep(NAP)

    def _serve(self) -> None:
        self.inside.active, number = True, 0
        while True:
            start = now()
            number, outcome = self.waiting.rest(
                self.cells, number, self.tries, self.delay, MANY, self.side
            )
            if outcome == self.waiting.FOR_PYTHON:
                start = now()
                self.job.help(self)
            self.crowd.note(start)
            if outcome == self.waiting.IDLE:
                self._sleep(number)

    def _sleep(self, number: int) -> None:
        self.asleep = True
        if self.cells[self.waiting.ASKED] == number:
            self.asked.get()
        self.asleep = False


def _wait_for(helpers: Sequence[_Helper]) -> None:
    """Until they are done, whatever interrupts this one (Ctrl-C): they work in its memory."""
    for i, helper in enumerate(helpers):
        try:
            helper.wait()
            helper.held = None
        except BaseException:
            _wait_for(helpers[i:])
            raise


def _outcome(task: Task) -> list[BaseException]:
    """What the task raises, or nothing: it is handed to the thread that waits."""
    try:
        task()
    except BaseException as error:
        return [error]
    return []
