"""Ctrl-C in the midst of a piece of work: what nobody has begun is not begun any more, and the next piece of work is done as usual."""

import threading

import pytest

from refboot.pool import Pool


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
