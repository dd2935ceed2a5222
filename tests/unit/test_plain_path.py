"""One ANN training step with the definition passes few functions and files, so that a student can
follow it: counted, never timed.
"""

import os
import sys

import numpy as np
import pytest

import refboot
from refboot import Mode, ops
from refboot.optim import Adam
from refboot.routine import LayerMode
from refboot.settings import Settings, preset
from refboot.stats import LearningStat
from refboot.training import build, train_step

ROOT = os.path.dirname(refboot.__file__)


class Path:
    """The functions of refboot that a call passes, without comprehensions and lambdas, their files,
    and how deep they are nested.
    """

    def __init__(self, call):
        self.functions, self.depth, deepest = set(), 0, 0

        def watch(frame, event, _):
            nonlocal deepest
            code = frame.f_code
            if event in ("call", "return") and code.co_filename.startswith(ROOT):
                self.depth += 1 if event == "call" else -1
                deepest = max(deepest, self.depth)
                if not code.co_name.startswith("<"):
                    self.functions.add((code.co_filename, code.co_name, code.co_firstlineno))

        before = sys.getprofile()
        sys.setprofile(watch)
        try:
            call()
        finally:
            sys.setprofile(before)
        self.depth = deepest
        self.files = {file for file, _, _ in self.functions}


@pytest.fixture(scope="module")
def path():
    """That of an ANN step of the digits, sampled and fitted before."""
    settings = Settings(**preset("digits", "dense"))
    rng = np.random.default_rng(0)
    network = build(settings, rng)
    optimizer, stat = Adam(network.parameters(), settings.lr), LearningStat()
    x, labels = rng.uniform(-1, 1, (32, 64)).astype(np.float32), rng.integers(0, 10, 32)
    with ops.use("reference"):
        for mode in (Mode.SAMPLE, Mode.FIT):
            train_step(network, optimizer, x, labels, LayerMode(0, mode), stat)
        mode = LayerMode(0, Mode.ANN)
        return Path(lambda: train_step(network, optimizer, x, labels, mode, stat))


def test_a_step_passes_few_functions(path):
    assert len(path.functions) <= 70, sorted(path.functions)


def test_they_lie_in_few_files(path):
    assert len(path.files) <= 16, sorted(path.files)


def test_they_are_not_deep(path):
    assert path.depth <= 9


def test_all_of_a_step_is_counted(path):
    names = {name for _, name, _ in path.functions}
    assert {"train_step", "dense_forward", "dense_backward", "pwl_backward", "adam_step"} <= names
