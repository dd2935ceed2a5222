"""`refboot plot`, `export`, `inspect` and `evaluate` on a small run of their own, and the
tutorial's page of pictures.
"""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from refboot.cli import main
from refboot.settings import DIGITS, Settings
from refboot.training import Run

pytest.importorskip("matplotlib", reason="the extra viz is not installed")

ROOT = Path(__file__).resolve().parents[2]
PICTURES = {
    *("loss", "accuracy", "gradient_flow", "curves_over_training", "samples"),
    *("alignment", "confusion", "raster", "neuron"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs on a small network."""
    folder = tmp_path_factory.mktemp("run")
    Run(
        Settings(**DIGITS | {"hidden": (24,), "epochs": 2, "sample_period": 1, "time_steps": 8}),
        folder,
    ).run(report=lambda line: None)
    return folder


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_plot_makes_the_whole_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = told(capsys, "plot", folder).split()
    assert {Path(name).stem for name in named} == PICTURES
    for name in named:
        assert Path(name).read_bytes().startswith(b"\x89PNG")


def test_plot_needs_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", str(tmp_path)]) == 1
    assert "best.h5 is unreadable" in capsys.readouterr().err


def test_export_inspect_and_evaluate_agree(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "network.net (3 layers)" in told(capsys, "export", folder / "best.h5")
    seen = [
        told(capsys, "inspect", folder / name).splitlines()[1:]
        for name in ("best.h5", "network.net")
    ]
    assert seen[0] == seen[1]
    assert "dense" in seen[0][2]
    assert seen[0][2].endswith("safe")
    scores = [told(capsys, "evaluate", folder / name) for name in ("best.h5", "network.net")]
    assert scores[0] == scores[1]
    told_loihi = told(capsys, "evaluate", folder / "network.net", "--loihi").splitlines()[-1]
    accuracy = scores[0].splitlines()[0].split("accuracy = ")[1].split()[0]
    assert f"accuracy = {accuracy}" in told_loihi


def test_export_writes_nir(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nir = pytest.importorskip("nir", reason="the extra nir is not installed")
    told(capsys, "export", folder / "best.h5", "-o", folder / "network.nir")
    assert "2_dense" in nir.read(folder / "network.nir").nodes


def test_a_file_that_is_no_network_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = 1
    for command in ("inspect", "export", "evaluate"):
        assert main([command, str(tmp_path / "other.h5")]) == 1
        assert "other.h5" in capsys.readouterr().err


def test_the_tutorials_last_cells_make_their_table(folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    script = [
        sys.executable,
        str(ROOT / "examples" / "tutorial_pictures.py"),
        "--run",
        str(folder),
        "--count",
        "1",
        "--dpi",
        "30",
    ]
    subprocess.run(script, check=True, env=environment, capture_output=True, cwd=folder)
    page = (folder / "pictures.html").read_text()
    assert page.count("<tr>") == 2
    assert 'src="gifs/inp0.png"' in page
    assert (folder / "gifs" / "out0.gif").read_bytes().startswith(b"GIF89a")
    assert (folder / "gifs" / "inp0.png").read_bytes().startswith(b"\x89PNG")
