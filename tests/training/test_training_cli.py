"""The command, as a user runs it."""

import re
import signal
import subprocess
import sys
import time

import pytest

from refboot.cli import main

TINY = ["--epochs", "2", "--hidden", "32", "--num-sample-iter", "3"]


def test_train_then_evaluate_tell_the_same_accuracy(tmp_path, capsys):
    assert main(["train", "digits", "--run", str(tmp_path), *TINY]) == 0
    told = capsys.readouterr().out
    accuracy = re.search(r"^SNN accuracy = ([\d.]+)    ANN accuracy = ([\d.]+)", told, re.M)
    assert main(["evaluate", str(tmp_path / "best.h5")]) == 0
    again = re.findall(r"^(SNN|ANN) Testing: .*accuracy = ([\d.]+)", capsys.readouterr().out, re.M)
    assert again == [("SNN", accuracy[1]), ("ANN", accuracy[2])]
    assert main(["evaluate", str(tmp_path / "best.h5"), "--loihi"]) == 1
    assert "no .net file" in capsys.readouterr().err


def test_other_time_steps_can_be_evaluated(tmp_path, capsys):
    main(["train", "digits", "--run", str(tmp_path), *TINY])
    assert main(["evaluate", str(tmp_path / "best.h5"), "--time-steps", "8"]) == 0
    assert "(T = 8)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["train", "digits", "--time-steps", "0"], "time_steps"),
        (["train", "mnist", "--data-root", "/nowhere"], "/nowhere"),
        (["evaluate", "/nowhere/best.h5"], "/nowhere/best.h5"),
        (["evaluate", __file__], "test_training_cli.py"),
        (["train", "digits", "--crossover-epochs", "-1"], "crossover_epochs"),
        (["train", "digits", "--resume", "--overwrite"], "--overwrite"),
        (
            ["train", "digits", "--kernel", "3"],
            "--kernel is of no effect with --network dense, expected --network conv",
        ),
        (
            ["train", "digits", "--neuron", "alif", "--reset", "subtract"],
            "--neuron cuba or --neuron if",
        ),
        (
            ["train", "digits", "--neuron", "if", "--voltage-decay", "0.1"],
            "--voltage-decay is of no effect with --neuron if",
        ),
        (
            ["train", "mnist", "--no-augment", "--degrees", "3"],
            "--degrees is of no effect with --no-augment, expected --augment",
        ),
        (["evaluate", "."], "no regular file"),
        (["inspect", "best.h5", "--time-steps", "0"], "--time-steps"),
    ],
)
def test_errors_are_one_line_that_names_the_thing(arguments, word, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith("refboot: ")
    assert word in told


def test_layers_that_are_never_fitted_leave_out_what_only_an_ann_could_tell(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert main(["train", "digits", "--run", str(tmp_path), *TINY, "--crossover-epochs", "0"]) == 0
    assert "never fitted" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "best.h5")]) == 0
    assert re.findall(r"^(SNN|ANN) Testing", capsys.readouterr().out, re.M) == ["SNN"]
    assert main(["plot", str(tmp_path)]) == 0
    assert (tmp_path / "pictures" / "confusion.png").exists()
    assert not (tmp_path / "pictures" / "alignment.png").exists()


def test_ctrl_c_leaves_the_last_good_network(tmp_path):
    command = [
        sys.executable,
        "-m",
        "refboot",
        "train",
        "digits",
        "--run",
        str(tmp_path),
        "--hidden",
        "32",
        "--epochs",
        "1000",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "best.h5").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in told
    assert "Traceback" not in told
    assert main(["evaluate", str(tmp_path / "last.h5")]) == 0
    assert not list(tmp_path.glob("*.tmp"))
