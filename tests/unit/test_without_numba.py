"""Without Numba refboot imports, trains in every mode and answers the same, only slower."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_ops_choice import SOURCES, train_one_step

import refboot
from refboot import ops
from refboot.routine import Mode

HIDE_NUMBA = """
import sys

class Without:
    '''A finder that finds everything but Numba.'''

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numba", "llvmlite"):
            return None
        return self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""
MODES = [mode.name for mode in Mode]


@pytest.fixture(scope="module")
def without_numba():
    """Runs code in a process that has no Numba, and gives the lines it printed."""

    def run(code):
        env = {
            "PYTHONPATH": f"{SOURCES}:{Path(__file__).parent}",
            "PATH": "",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", HIDE_NUMBA + code],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_numba_is_hidden_and_the_definition_is_chosen(without_numba):
    code = """
try:
    import numba
except ImportError:
    print("no numba")
from refboot import ops
print(ops.active().__name__)
"""
    assert without_numba(code) == ["no numba", "refboot.reference"]


def test_every_module_but_the_kernels_and_the_engines_own_imports(without_numba):
    names = [m.name for m in pkgutil.walk_packages(refboot.__path__, "refboot.")]
    names = [
        n
        for n in names
        if not n.startswith(("refboot.kernels", "refboot.engine.")) and not n.endswith("__main__")
    ]
    assert len(names) > 30
    code = (
        f"import importlib\nfor name in {names}: importlib.import_module(name)\n"
        "print('numba' in sys.modules)"
    )
    assert without_numba(code) == ["False"]


def test_a_network_trains_a_step_in_every_mode_to_the_same_bits_as_the_definition_beside_numba(
    without_numba,
):
    code = f"""
from refboot.routine import Mode
from test_ops_choice import train_one_step
for name in {MODES}:
    loss, parameters = train_one_step(Mode[name])
    print(loss.hex(), *(p.tobytes().hex() for p in parameters))
"""
    lines = without_numba(code)
    for name, line in zip(MODES, lines, strict=True):
        loss, *parameters = line.split()
        with ops.use("reference"):
            expected, want = train_one_step(Mode[name])
        assert float.fromhex(loss) == expected, name
        for got, p in zip(parameters, want, strict=True):
            np.testing.assert_array_equal(
                np.frombuffer(bytes.fromhex(got), np.float32).reshape(p.shape), p
            )


def test_asking_for_numba_by_name_is_a_refboot_error_that_names_it(without_numba):
    code = """
from refboot import errors, ops
try:
    ops.resolve("numba")
except errors.RefbootError as error:
    print(type(error).__name__, "|", error)
"""
    (line,) = without_numba(code)
    assert "numba" in line.partition("|")[2]
