"""Real backends: PyTorch with autograd, lava-dl, and a program in C."""

import importlib
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from conformance_vectors import MANDATORY, STORED

from refboot.conformance.backend import load
from refboot.conformance.command import CommandBackend
from refboot.conformance.verify import FAILED, PASSED, UNEXPECTED, read_expected, verify

BACKENDS = Path(__file__).resolve().parents[2] / "examples" / "backends"


def test_a_c_program_passes_level_1(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = tmp_path / "c_backend"
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
    subprocess.run([compiler, *flags, "-o", program, BACKENDS / "c_backend.c", "-lm"], check=True)
    found = verify(
        CommandBackend(f"{program} {{input}} {{output}}"),
        [case for case in MANDATORY if case.level == 1],
    )
    assert [r.case.id + r.reason for r in found.results if r.status != PASSED] == []
    assert found.conforms == [1]
    (other,) = verify(
        CommandBackend(f"{program} {{input}} {{output}}"),
        [c for c in STORED if c.id == "trace-sgd"],
    ).results
    assert other.status == "not covered"


def test_pytorch_with_autograd_passes_every_vector() -> None:
    pytest.importorskip("torch")
    found = verify(load(str(BACKENDS / "torch_backend.py")), MANDATORY)
    assert [r.case.id + r.reason for r in found.results if r.status != PASSED] == []
    assert found.conforms == [1, 2, 3, 4, 5]


@pytest.mark.filterwarnings("ignore")  # of lava-dl itself
def test_lava_dl_differs_where_the_spec_says() -> None:
    lava_dl()
    expected = read_expected(BACKENDS / "lava_dl_expected_failures.txt", STORED)
    found = verify(load(str(BACKENDS / "lava_dl_backend.py")), MANDATORY, expected)
    assert [r.case.id + r.reason for r in found.having(FAILED, UNEXPECTED)] == []
    assert len(found.having(PASSED)) > 100
    told = {d.mutant.name for d in found.diagnoses if not d.contradicted}
    assert {
        "threshold in float32 with a margin",
        "decay gradient uphill",
        "falling slopes made positive",
    } <= told


def lava_dl() -> ModuleType:
    """lava-dl, or a skip where it cannot be imported."""
    try:
        return importlib.import_module("lava.lib.dl.bootstrap")
    except ImportError as error:
        pytest.skip(f"lava-dl is not installed: {error}")


def test_every_expected_failure_names_its_clause() -> None:
    known = {clause for case in STORED for clause in case.clauses}
    expected = read_expected(BACKENDS / "lava_dl_expected_failures.txt", STORED)
    for reason in expected.values():
        clauses = reason.split(":")[0].replace(",", " ").split()
        assert set(clauses) <= known, reason
