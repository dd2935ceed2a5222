"""Work shared by threads: all of it done once, errors told, nobody left at work."""

import os
import subprocess
import sys
import threading
import time

import pytest

from refboot import threads
from refboot.errors import RangeError


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("number", [0, 1, 2, 100])
def test_each_number_is_worked_on_once(count, number):
    done = []
    with threads.use(count):
        threads.over(number, done.append)
    assert sorted(done) == list(range(number))


@pytest.mark.parametrize("size", [0, 1, 2, 15, 1000])
def test_slices_cover_all_once(size):
    found = []
    with threads.use(3):
        threads.over_slices(size, found.append)
    assert sorted(i for part in found for i in range(size)[part]) == list(range(size))
    assert len(found) <= 3


def test_work_is_shared_between_threads():
    names, meet = set(), threading.Barrier(2, timeout=60)

    def work(_):
        meet.wait()  # passes only if two threads come
        names.add(threading.current_thread().name)

    with threads.use(2):
        threads.over(2, work)
    assert len(names) == 2


def test_work_within_work_stays_on_its_thread():
    done = []
    with threads.use(2):
        threads.over(2, lambda _: threads.over(4, done.append))
    assert sorted(done) == sorted([*range(4), *range(4)])


def test_an_error_comes_out_when_nobody_works_any_more():
    busy, most = [], []

    def work(i):
        busy.append(i)
        if i == 3:
            raise IndexError("of the task")
        time.sleep(0.001)
        most.append(i)
        busy.remove(i)

    with threads.use(2):
        with pytest.raises(IndexError, match="of the task"):
            threads.over(1000, work)
        assert busy == [3]
        assert len(most) < 999
        threads.over(2, lambda i: None)


@pytest.mark.skipif(os.name != "posix", reason="sends itself a signal")
def test_ctrl_c_waits_for_the_helpers():
    """The caller has no part left when the signal comes; a helper is still at work."""
    program = """
import os, signal, threading, time
from refboot import threads
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the shell ignores it
helping, working = threading.Event(), []
def work(i):
    if threading.current_thread() is threading.main_thread():
        helping.wait(60)
        return
    helping.set()
    working.append(i)
    time.sleep(0.5)  # by now the caller waits
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.5)
    working.remove(i)
try:
    with threads.use(2):
        threads.over(2, work)
    print("not interrupted")
except KeyboardInterrupt:
    print(working)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.returncode) == ("[]\n", 0), run.stderr


def test_a_system_without_more_threads_is_enough(monkeypatch):
    def fail(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    monkeypatch.setattr(threads.State, "helpers", 0)
    done = []
    with threads.use(4):
        threads.over(5, done.append)
    assert sorted(done) == list(range(5))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_starts_helpers_of_its_own():
    with threads.use(2):
        threads.over(4, lambda i: None)
        child = os.fork()
        if not child:
            done = []
            threads.over(4, done.append)
            os._exit(0 if sorted(done) == [0, 1, 2, 3] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("count", [0, -1, "two", 1.5, 10**6])
def test_a_number_of_threads_that_is_none_is_refused(count):
    with pytest.raises(RangeError, match="REFBOOT_THREADS"), threads.use(count):
        pass
