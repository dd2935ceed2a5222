"""Parts, pool and BLAS threads."""

import threading
import time

import numpy as np
import pytest

from refboot import pool, threads
from refboot.errors import RangeError


@pytest.fixture
def no_crowd(monkeypatch):
    """The machine may be busy: here helpers are asked all the same."""
    monkeypatch.setattr(pool.Crowd, "there", lambda crowd: False)


@pytest.mark.parametrize("size", [0, 1, 2, 15, 16, 17, 33, 1000])
@pytest.mark.parametrize("unit", [1, 16])
def test_parts_cover_all_once_and_start_at_units(size, unit):
    found = [i for part in threads.parts(size, unit) for i in range(part.start, part.stop)]
    assert found == list(range(size))
    assert all(part.start % unit == 0 for part in threads.parts(size, unit))


def test_parts_do_not_depend_on_the_number_of_threads():
    with threads.use(1):
        alone = threads.parts(100)
    with threads.use(8):
        assert threads.parts(100) == alone


def test_work_is_shared_between_threads(no_crowd):
    names, meet = set(), threading.Barrier(2, timeout=30)

    def work(part):
        meet.wait()  # passes only if two threads come
        names.add(threading.current_thread().name)

    with threads.use(2):
        threads.over(2, work)
    assert len(names) == 2


def test_a_thread_that_does_not_come_is_not_waited_for(no_crowd):
    """The pool's only thread is busy: this one does all parts itself."""
    held, free, done = threading.Event(), threading.Event(), []

    def hold():
        held.set()
        free.wait(30)

    with threads.use(2):
        other = threading.Thread(target=threads.share, args=([hold, hold],))
        other.start()
        assert held.wait(30)
        threads.over(100, done.append)
        free.set()
        other.join()
    assert sorted(part.start for part in done) == [part.start for part in threads.parts(100)]


def test_one_thread_does_all_itself():
    names = set()
    with threads.use(1):
        threads.over(2, lambda part: names.add(threading.current_thread().name))
    assert names == {threading.current_thread().name}


def test_work_within_work_does_not_wait_for_itself():
    done = []
    with threads.use(2):
        threads.over(2, lambda part: threads.over(4, done.append))
    assert sum(part.stop - part.start for part in done) == 2 * 4


def test_parts_are_one_for_a_thread_alone_unless_they_are_fixed():
    for fixed, want in ((False, [slice(0, 10)]), (True, [slice(0, 5), slice(5, 10)])):
        found = []
        with threads.use(1):
            threads.over(10, found.append, fixed=fixed, count=2)
        assert found == want


def test_an_error_in_a_part_comes_out_and_the_pool_works_on(no_crowd):
    def work(part):
        if part.start:
            raise ValueError("a part")

    with threads.use(2):
        with pytest.raises(ValueError, match="a part"):
            threads.over(2, work)
        threads.over(2, lambda part: None)


@pytest.mark.parametrize("count", [0, -1, "two", 1.5, 10**6])
def test_a_number_of_threads_that_is_none_is_refused(count):
    with pytest.raises(RangeError, match="REFBOOT_THREADS"), threads.use(count):
        pass


def test_blas_threads_are_as_before_afterwards_also_after_an_error_and_nested():
    library = threads._openblas()
    if library is None:
        pytest.skip("NumPy brings another BLAS")
    before = library[0]()

    def fail():
        with threads.blas(1):
            assert library[0]() == 1
            with threads.blas(2):
                assert library[0]() == 1
            assert library[0]() == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert library[0]() == before
    np.testing.assert_array_equal(np.eye(3) @ np.eye(3), np.eye(3))


def test_an_index_error_of_a_task_is_an_error_and_not_the_end_of_the_tasks(no_crowd):
    done = []

    def task():
        done.append(0)
        raise IndexError("of the task")

    with threads.use(2), pytest.raises(IndexError, match="of the task"):
        threads.share([task, task, task])
    assert len(done) == 3


def test_helpers_sleep_and_come_again(no_crowd):
    def who(part):
        names.append(threading.current_thread().name)
        meet.wait()

    with threads.use(2):
        for pause in (0.0, 20 * pool.AWAKE, 0.0):
            time.sleep(pause)
            names, meet = [], threading.Barrier(2, timeout=30)
            threads.over(2, who)
            assert len(set(names)) == 2


class Clock:
    """A clock and the time that a thread has run."""

    def __init__(self, monkeypatch):
        self.time = self.ran = 0.0
        monkeypatch.setattr(pool, "now", lambda: (self.time, self.ran))
        monkeypatch.setattr(pool.time, "monotonic", lambda: self.time)

    def work(self, crowd, share):
        """A span of work of which the thread got only a share."""
        start = pool.now()
        self.time, self.ran = self.time + 1.01 * pool.SPAN, self.ran + 1.01 * pool.SPAN * share
        crowd.note(start)


def test_beside_others_each_works_alone_for_longer_and_longer_and_then_not(monkeypatch):
    clock, crowd = Clock(monkeypatch), pool.Crowd()
    clock.work(crowd, 1)
    assert not crowd.there()
    pauses = []
    for _ in range(9):
        clock.work(crowd, 0.5)
        assert crowd.there()
        pauses.append(crowd.gone - clock.time)
        clock.time = crowd.gone
        assert not crowd.there()
    assert pauses == pytest.approx([min(pool.SHORTEST * 2**k, pool.LONGEST) for k in range(9)])
    for _ in range(9):
        clock.work(crowd, 1)
    assert crowd.pause == pool.SHORTEST


def test_beside_others_no_helper_is_asked(monkeypatch):
    names = set()
    monkeypatch.setattr(threads._pool.crowd, "gone", float("inf"))
    with threads.use(2):
        threads.over(8, lambda part: names.add(threading.current_thread().name))
    assert names == {threading.current_thread().name}
