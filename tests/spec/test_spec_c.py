"""The C program in the text of the spec, compiled, is the neuron of the definition."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from spec_text import SPEC, fences

from refboot import reference

State = ctypes.POINTER(ctypes.c_int64)


@pytest.fixture
def step(tmp_path: Path) -> Callable[..., int]:
    """The function `lif_step` of chapter 2."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler: set CC")
    (source,) = fences((SPEC / "02_neuron.md").read_text(), "c")
    (tmp_path / "lif.c").write_text(source)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"]
    subprocess.run(
        [compiler, *flags, "-o", "lif.so", "lif.c"], cwd=tmp_path, check=True, capture_output=True
    )
    function = ctypes.CDLL(str(tmp_path / "lif.so")).lif_step
    function.argtypes = [
        ctypes.c_float,
        State,
        State,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_int64,
        State,
    ]
    return function


@pytest.mark.parametrize(("i_decay", "v_decay"), [(4096, 123), (1024, 0), (0, 4096), (300, 300)])
@pytest.mark.parametrize("size", [1.0, 1e6])
def test_c_program_of_the_text_gives_the_same_bits(
    step: Callable[..., int], rng: np.random.Generator, i_decay: int, v_decay: int, size: float
):
    """LIF-4: spikes, voltages and last state, negative and large ones too."""
    z, m = np.float32(size * rng.normal(0.2, 0.8, 300)), 80
    u, v, before = (ctypes.c_int64(x) for x in (-7, 41, 0))
    found = []
    for x in z.tolist():
        fires = step(x, u, v, 4096 - i_decay, 4096 - v_decay, 64 * m, before)
        found.append((fires, before.value))
    start = np.array([[-7]]), np.array([[41]])
    drive = reference.numbers.to_state(z).reshape(1, 1, -1)
    currents, last_u = reference.leaky_forward(drive, np.array([i_decay]), start[0])
    voltages, last_v = reference.leaky_forward(currents, np.array([v_decay]), start[1], 64 * m)
    assert found == [(int(voltage > 64 * m), voltage) for voltage in voltages[0, 0].tolist()]
    assert (u.value, v.value) == (int(last_u[0, 0]), int(last_v[0, 0]))
