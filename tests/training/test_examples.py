"""Every example runs, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(code, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(EXAMPLES.parent) + os.pathsep + str(EXAMPLES)}
    return subprocess.run(
        [sys.executable, *code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=300,
        check=True,
    ).stdout


def test_one_neuron_spikes_every_second_step(tmp_path):
    told = run([str(EXAMPLES / "01_one_neuron.py")], tmp_path)
    assert "'vThMant': 80" in told
    assert "rate: 0.5 spikes per step" in told


def test_the_fitted_curve_follows_the_rate(tmp_path):
    told = run([str(EXAMPLES / "02_sample_and_fit.py")], tmp_path)
    rows = [list(map(float, line.split())) for line in told.split("SNN: rate\n")[1].splitlines()]
    assert len(rows) == 9
    assert max(abs(curve - rate) for _, curve, rate in rows) < 0.05


def test_hybrid_training_runs(tmp_path):
    code = (
        "import hybrid; hybrid.COMMON.update(epochs=10, hidden=(16, 16)); "
        "hybrid.CROSSOVER = (5, 6); hybrid.main(1)"
    )
    told = run(["-c", code], tmp_path)
    assert "mean" in told


def test_the_tutorials_script_runs_on_a_few_batches(tmp_path, shared):
    code = f"import mnist; mnist.main({str(shared / 'mnist')!r}, epochs=2, limit=15)"
    told = run(["-c", code], tmp_path)
    assert "Mode: SNN\n[Epoch  0/2]\nSNN Testing: loss = " in told
    assert (tmp_path / "Trained" / "network.h5").is_file()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_every_example_tells_how_it_is_run(path):
    assert f"Run: python examples/{path.name}" in path.read_text().split('"""')[1]
