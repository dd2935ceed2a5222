"""Ctrl-C in the midst of a piece of work: what nobody has begun is not begun any more, and the next
piece of work is done as usual.
"""

import gc
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from refboot import reference, threads, waiting
from refboot.kernels import fit, medians, together
from refboot.pool import Crowd, Lead, Pool, _Helper


@pytest.fixture(autouse=True)
def no_crowd(monkeypatch):
    """The machine may be busy: here helpers are asked all the same."""
    monkeypatch.setattr(Crowd, "there", lambda crowd: False)


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


@pytest.mark.parametrize("again", range(5))
def test_what_a_going_owns_is_held_while_helpers_work_though_nobody_got_it_yet(monkeypatch, again):
    """Ctrl-C may come when helpers have begun and `with` has not given the object a name."""
    rng = np.random.default_rng(again)
    z, a, levels = (
        rng.normal(size=1 << 19).astype(np.float32),
        rng.random(1 << 19, np.float32),
        np.linspace(0.1, 0.9, 6),
    )
    begin, seen = threads.begin, []

    def interrupted(*args):
        seen.extend(begin(*args))
        owner = args[-1]
        assert isinstance(owner, medians.Medians)
        assert all(helper.held is not None and helper.held[-1] is owner for helper in seen)
        raise KeyboardInterrupt

    with threads.use(2):
        with monkeypatch.context() as patch:
            patch.setattr(threads, "begin", interrupted)
            with pytest.raises(KeyboardInterrupt):
                fit.band_medians(z, a, levels)
        assert seen
        np.testing.assert_array_equal(
            fit.band_medians(z, a, levels), reference.band_medians(z, a, levels)
        )


@together.Work
def slow(job, side, _, __, ___):
    """Gives way for a while, then says that it is over."""
    for _ in range(200_000):
        waiting.give_way()
    together.numbers(job, (1,))[0] = 1


def lead(pool, job):
    pool.finish(slow.address, job, pool.begin(slow.address, job, sys._getframe()))


@pytest.mark.parametrize("where", ["_wake", "wait", "lead", "end", "finish"])
def test_a_compiled_job_that_is_interrupted_is_over_before_its_memory_is_given_back(
    monkeypatch, where
):
    pool, first = Pool(2), np.zeros(1, np.int64)
    lead(pool, first)  # the helper is there, and awake
    job, owner = (
        np.zeros(1, np.int64),
        {"_wake": _Helper, "wait": _Helper, "lead": waiting}.get(where, Pool),
    )
    with monkeypatch.context() as patch:
        patch.setattr(owner, where, once(getattr(owner, where)))
        assert interrupted(pool, job)
    fresh = np.zeros(1, np.int64)
    lead(pool, fresh)
    assert fresh[0] == 1
    assert job[0] == 1 or where not in (
        "wait",
        "end",
    )  # before these nobody need have begun, and then it is taken back
    gc.collect()
    assert sys.getrefcount(job) == 2
    assert not pool.leading
    assert pool.helpers[0].held is None


def interrupted(pool, job):
    """Whether it is; pytest's own way keeps what the job works on."""
    try:
        lead(pool, job)
    except KeyboardInterrupt:
        return True
    return False


def once(method):
    """The same, interrupted the first time."""
    calls = []

    def call(*args):
        calls.append(args)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return method(*args)

    return call


def test_who_asks_while_helpers_work_for_him_works_alone():
    pool, job, inner = Pool(2), np.zeros(1, np.int64), np.zeros(1, np.int64)
    helpers = pool.begin(slow.address, job, sys._getframe())
    assert len(helpers) == 1
    assert pool.begin(slow.address, inner, sys._getframe()) == []
    names = set()
    pool.run([lambda: names.add(threading.current_thread())] * 8)
    assert names == {threading.current_thread()}
    other = threading.Thread(
        target=lambda: names.add(len(pool.begin(slow.address, inner, sys._getframe())))
    )
    other.start()
    other.join()
    assert 0 in names
    pool.finish(slow.address, job, helpers)
    assert not pool.leading


SIGNALS = """
import random, signal
import numpy as np
from refboot import Network, block, threads
from refboot.routine import LayerMode, Mode

neuron, rng = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}, np.random.default_rng(0)
dense = [block.cuba.Dense(neuron, 30, 30, weight_norm=True, weight_scale=2, rng=rng) for _ in range(3)]
net = Network([block.cuba.Input(neuron, 1.0, 0.0, rng=rng), *dense, block.cuba.Affine(neuron, 30, 4, weight_norm=True, rng=rng)], (30,), 8)
x = rng.normal(size=(400, 30)).astype(np.float32)

def step():
    y = net(x, LayerMode(0, Mode.SNN))
    net.zero_grad()
    net.backward_parameters(np.ones_like(y))
    return [y, *(p.grad for p in net.parameters())]

def interrupt(*_):
    raise KeyboardInterrupt

wanted, wrong, alone = step(), 0, 0
signal.signal(signal.SIGALRM, interrupt)
random.seed(0)
for _ in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 2e-3))
        while True:
            step()
    except (KeyboardInterrupt, SystemError):  # this is what Numba makes of it in its own calls
        signal.setitimer(signal.ITIMER_REAL, 0)
    found = step()
    wrong += any((a != b).any() for a, b in zip(found, wanted))
    alone += bool(threads._pool.leading)
print(wrong, alone)
"""


@pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="no timer that interrupts on this system"
)
def test_interrupted_at_any_moment_the_next_step_is_right_and_shared():
    found = subprocess.run(
        [sys.executable, "-c", SIGNALS],
        env=os.environ | {"REFBOOT_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["0", "0"]


def test_a_job_that_nobody_began_with_is_taken_back():
    pool, job = Pool(2), np.zeros(1, np.int64)
    pool.end(pool.begin(slow.address, job, sys._getframe()))
    helper = pool.helpers[0]
    while not helper.asleep:
        threading.Event().wait(0.01)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Helper, "_wake", lambda helper: None)
        other = np.zeros(1, np.int64)
        pool.end(pool.begin(slow.address, other, sys._getframe()))
    assert other[0] == 0
    found = []
    pool.run([lambda i=i: found.append(i) for i in range(5)])
    assert sorted(found) == list(range(5))
    again = np.zeros(1, np.int64)
    pool.finish(slow.address, again, pool.begin(slow.address, again, sys._getframe()))
    assert (other[0], again[0]) == (0, 1)


def test_whoever_ends_a_job_that_was_waited_for_leaves_another_threads_lead():
    """A job left to the helpers may be ended when they were asked for others since then."""
    pool = Pool(2)
    job = np.zeros(1, np.int64)

    def left():
        return pool.begin(slow.address, job, sys._getframe())

    helpers = left()
    lead(pool, np.zeros(1, np.int64))  # waits for them, or takes back what they have not begun
    assert not pool.leading
    pool.leading[""] = other = Lead(-1, sys._getframe())
    pool.end(helpers)
    assert pool.leading[""] is other
