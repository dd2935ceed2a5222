"""Kernels compiled ahead, by another process: the ones a training asks for, for the types it gives them; and only where none is."""

import os
import subprocess
import sys

import pytest

from refboot import ops
from refboot import threads as workers
from refboot.kernels import ahead, shortcuts

TRAIN = """
import os
from refboot.bench.tutorial import Tutorial, images
from refboot.kernels import ahead
from refboot.routine import Mode
from refboot.settings import Settings
ahead.compile_all()
training = Tutorial(Settings(), images(os.devnull))
for mode in (Mode.SAMPLE, Mode.FIT, Mode.ANN):
    training.step(mode)
training.infer(training.batches[0][0].reshape(32, -1), 32)
print([kernel.__name__ for kernel, _ in ahead.kernels() if len(kernel.signatures) != 1])
"""
PREPARE = """
from refboot import ops
from refboot.kernels import ahead
ahead.MEMORY = 0
ops.prepare()
ahead.wait()
print([kernel.__name__ for kernel, _ in ahead.kernels() if not ahead.compiled(kernel)], sum(len(k.signatures) for k, _ in ahead.kernels()))
"""


def output(code, **environment):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True).stdout.strip()


def test_a_training_compiles_no_other_signature_of_these_kernels():
    assert output(TRAIN) == "[]"


def test_another_process_compiles_them_all_and_this_one_none(tmp_path):
    assert output(PREPARE, NUMBA_CACHE_DIR=str(tmp_path), REFBOOT_THREADS="2") == "[] 0"


@pytest.mark.parametrize(
    ("compiled", "count", "memory", "started"), [(False, 2, 4e9, 1), (True, 2, 4e9, 0), (False, 1, 4e9, 0), (False, 2, 1e9, 0)]
)
def test_it_starts_where_nothing_is_compiled_and_there_is_room(monkeypatch, compiled, count, memory, started):
    commands = []
    monkeypatch.setattr(ahead, "memory", lambda: memory)
    monkeypatch.setattr(ahead, "compiled", lambda kernel: compiled)
    monkeypatch.setattr(ahead, "_run", commands.append)
    with workers.use(count), ops.use("numba"):
        ops.prepare()
    ahead.wait()
    assert len(commands) == started


def test_the_memory_of_the_machine_is_known_or_taken_for_large():
    assert ahead.memory() > 1e8


def test_where_no_process_can_be_started_nothing_happens():
    ahead._run([os.devnull])


def test_the_definition_has_nothing_to_compile(monkeypatch):
    asked = []
    monkeypatch.setattr(shortcuts, "compile_ahead", lambda: asked.append(True))
    with ops.use("reference"):
        ops.prepare()
    assert not asked
    with ops.use("numba"):
        ops.prepare()
    assert asked
