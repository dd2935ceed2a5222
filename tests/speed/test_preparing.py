"""Kernels compiled by other processes: the ones a training asks for, for the types it gives them;
and only where none is.
"""

import os
import subprocess
import sys
import threading

import pytest

from refboot import ops, preparing
from refboot import threads as workers
from refboot.kernels import ahead

TRAIN = """
import gc, os
from numba.core.dispatcher import Dispatcher
from refboot.bench.tutorial import Tutorial, images
from refboot.kernels import ahead, coded
from refboot.routine import Mode
from refboot.settings import Settings

def signatures():
    ours = [d for d in gc.get_objects() if isinstance(d, Dispatcher) and d.py_func.__module__.startswith("refboot")]
    return {(d.py_func.__name__, str(s)) for d in ours for s in d.signatures}

training = Tutorial(Settings(), images(os.devnull))
for kernels, modes in ((ahead.first(), [Mode.SAMPLE, Mode.SNN]), (ahead.later(), [Mode.FIT, Mode.ANN])):
    for kernel, types in kernels:
        kernel.compile(types)
    before = signatures()
    for mode in modes:
        training.step(mode)
    print(sorted(name for name, _ in signatures() - before))
training.infer(training.batches[0][0].reshape(32, -1), 32)
print([kernel.__name__ for kernel, _ in ahead.first() + ahead.later() if len(kernel.signatures) != 1 and kernel is not coded._quantise])
"""
PREPARE = """
import sys
from refboot import ops, preparing
preparing.MEMORY = 0
ready = ops.prepare()
early = "numba" in sys.modules
ready()
from refboot.kernels import ahead
from pathlib import Path
missing = lambda kernels: [k.__name__ for k, _ in kernels if not list(Path(k.stats.cache_path).glob(f"*.{k.__name__}-*.nbi"))]
print(early, missing(ahead.first()))
preparing.wait()
print(missing(ahead.later()), sum(len(k.signatures) for k, _ in ahead.first() + ahead.later()))
"""


def output(code, **environment):
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout.split("\n")


def test_a_training_compiles_nothing_else_and_nothing_for_other_types():
    assert output(TRAIN, REFBOOT_THREADS="2")[:3] == ["[]", "[]", "[]"]


def test_other_processes_compile_them_all_and_this_one_none_nor_does_it_load_numba_before(tmp_path):
    assert output(PREPARE, NUMBA_CACHE_DIR=str(tmp_path), REFBOOT_THREADS="2")[:2] == [
        "False []",
        "[] 0",
    ]


@pytest.mark.parametrize(
    ("compiled", "count", "memory", "started"),
    [(False, 2, 4e9, 2), (True, 2, 4e9, 0), (False, 1, 4e9, 0), (False, 2, 1e9, 0)],
)
def test_they_start_where_nothing_is_compiled_and_there_is_room(
    monkeypatch, compiled, count, memory, started
):
    numbers = []
    monkeypatch.setattr(preparing, "memory", lambda: memory)
    monkeypatch.setattr(preparing, "compiled", lambda: compiled)
    monkeypatch.setattr(preparing, "_started", numbers.append)
    with workers.use(count), ops.use("numba"):
        ops.prepare()()
    preparing.wait()
    assert numbers == list(range(started))


def test_what_is_compiled_is_found_where_numba_puts_it(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    folder = tmp_path / "kernels_1" / "x"
    folder.mkdir(parents=True)
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    one, other = preparing.LAST
    for name in (f"{one}-83.py27.nbi", f"{one}-83.{version}.nbi"):
        assert not preparing.compiled()
        (folder / name).touch()
    assert not preparing.compiled()
    (folder / f"{other}-9.{version}.nbi").touch()
    assert preparing.compiled()


def test_without_a_home_or_a_folder_to_write_to_nothing_is_started(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(preparing.os.path, "expanduser", lambda path: path)
    assert isinstance(preparing.compiled(), bool)
    assert preparing._kept()
    monkeypatch.setattr(preparing.os, "access", lambda folder, way: False)
    assert not preparing._kept()


def test_its_names_on_disk_are_those_of_the_kernels_that_come_last():
    last = [
        ahead.later()[number :: preparing.PROCESSES][-1][0] for number in range(preparing.PROCESSES)
    ]
    assert {f"{kernel.__module__.rpartition('.')[2]}.{kernel.__name__}" for kernel in last} == set(
        preparing.LAST
    )


@pytest.mark.parametrize("change", ["inside", "frozen", "nowhere", "not compiled"])
def test_a_program_that_is_not_python_or_one_of_the_processes_starts_none(monkeypatch, change):
    assert preparing._may()
    if change in ("inside", "not compiled"):
        monkeypatch.setenv(preparing.INSIDE if change == "inside" else "NUMBA_DISABLE_JIT", "1")
    elif change == "frozen":
        monkeypatch.setattr(preparing.sys, "frozen", True, raising=False)
    else:
        monkeypatch.setattr(preparing.sys, "executable", None)
    assert not preparing._may()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_does_not_wait_nor_does_one_for_ever(monkeypatch):
    monkeypatch.setattr(preparing, "compiled", lambda: False)
    monkeypatch.setattr(preparing, "MEMORY", 0)
    monkeypatch.setattr(
        preparing, "CODE", "import time; time.sleep(0.5)  # {path} {number} {processes}"
    )
    ready = preparing.begin()
    child = os.fork()
    if not child:
        ready()
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    monkeypatch.setattr(preparing, "LONGEST", 0.01)
    ready()
    preparing.wait()


def test_the_memory_of_the_machine_is_known_or_taken_for_large():
    assert preparing.memory() > 1e8


def test_where_no_process_can_be_started_or_one_fails_nothing_happens(monkeypatch):
    monkeypatch.setattr(preparing, "compiled", lambda: False)
    monkeypatch.setattr(preparing, "MEMORY", 0)
    for executable, code in ((os.devnull, ""), (sys.executable, "raise SystemExit({number})")):
        monkeypatch.setattr(preparing.sys, "executable", executable)
        monkeypatch.setattr(preparing, "CODE", code)
        preparing.begin()()
        preparing.wait()
        assert preparing.NAME not in [thread.name for thread in threading.enumerate()]


def test_the_definition_has_nothing_to_compile(monkeypatch):
    asked = []
    monkeypatch.setattr(preparing, "begin", lambda: asked.append(True) or (lambda: None))
    with workers.use(2):
        for choice, count in (("reference", 0), ("numba", 1)):
            with ops.use(choice):
                ops.prepare()()
            assert len(asked) == count
        monkeypatch.setenv("REFBOOT_OPS", "reference")
        ops.prepare()()
        assert len(asked) == 1
