"""The sets of operations that the clauses are tried on, and one source of numbers."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from refboot import ops


@pytest.fixture(params=["reference", "numba"])
def o(request: pytest.FixtureRequest) -> ops.Ops:
    """The definition, then its kernels."""
    if request.param == "numba":
        pytest.importorskip("numba")
    return ops.resolve(request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    """The same draws in every run."""
    return np.random.default_rng(20261124)


@pytest.fixture(autouse=True)
def _temporary_files_go_where_pytest_cleans_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
