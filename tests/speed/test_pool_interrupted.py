"""Ctrl-C in the midst of a piece of work: what nobody has begun is not begun any more, and the next piece of work is done as usual."""

import threading

import numpy as np
import pytest

from refboot import waiting
from refboot.kernels import together
from refboot.pool import Pool, _Helper


def test_an_interruption_leaves_nothing_to_the_helpers(monkeypatch):
    pool, done, begun = Pool(2), [], threading.Event()

    def interrupted(job):
        begun.wait(10)
        raise KeyboardInterrupt

    def task():
        begun.set()
        done.append(threading.current_thread())
        pause.wait(0.05)

    pause = threading.Event()
    monkeypatch.setattr("refboot.pool._Job.work", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.run([task] * 50)
    assert len(done) < 50
    monkeypatch.undo()
    found = []
    pool.run([lambda i=i: found.append(i) for i in range(5)])
    assert sorted(found) == list(range(5))


@together.Work
def slow(job, side, _, __, ___):
    """Gives way for a while, then says that it is over."""
    for _ in range(200_000):
        waiting.give_way()
    together.numbers(job, (1,))[0] = 1


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["_wake", "wait", "lead"])
def test_a_compiled_job_that_is_interrupted_is_over_before_its_memory_is_given_back(monkeypatch, where):
    pool, job, first = Pool(2), np.zeros(1, np.int64), np.zeros(1, np.int64)
    pool.end(pool.begin(slow.address, first))  # the helper is there, and awake
    waits, wait = [], _Helper.wait

    def once(helper):
        waits.append(helper)
        if len(waits) == 1 and where == "wait":
            raise KeyboardInterrupt
        wait(helper)

    monkeypatch.setattr(_Helper, "wait", once)
    if where == "_wake":
        monkeypatch.setattr(_Helper, where, interrupt)
    if where == "lead":
        monkeypatch.setattr(waiting, where, interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.finish(slow.address, job, pool.begin(slow.address, job))
    after = job.copy()
    assert len(waits) == (2 if where == "wait" else 1)
    monkeypatch.undo()
    assert not pool.leading.locked()
    fresh = np.zeros(1, np.int64)
    pool.finish(slow.address, fresh, pool.begin(slow.address, fresh))
    assert fresh[0] == 1
    np.testing.assert_array_equal(job, after)


def test_a_job_that_nobody_began_with_is_taken_back():
    pool, job = Pool(2), np.zeros(1, np.int64)
    pool.end(pool.begin(slow.address, job))
    helper = pool.helpers[0]
    while not helper.asleep:
        threading.Event().wait(0.01)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Helper, "_wake", lambda helper: None)
        other = np.zeros(1, np.int64)
        pool.end(pool.begin(slow.address, other))
    assert other[0] == 0
    found = []
    pool.run([lambda i=i: found.append(i) for i in range(5)])
    assert sorted(found) == list(range(5))
    again = np.zeros(1, np.int64)
    pool.finish(slow.address, again, pool.begin(slow.address, again))
    assert (other[0], again[0]) == (0, 1)
