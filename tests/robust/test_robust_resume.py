"""A run that stops, whatever stops it, goes on with the same bits; what is there is never lost by
accident.
"""

import dataclasses
import json

import numpy as np
import pytest
from run_folders import assert_same_end

from refboot.cli import main
from refboot.errors import FormatError, OrderError, RangeError
from refboot.settings import DIGITS, DIGITS_CONV, Settings
from refboot.training import Run, checkpoint, resumed_settings
from refboot.training.folder import RunFolder

DENSE = Settings(
    **{
        **DIGITS,
        "epochs": 3,
        "hidden": (12,),
        "sample_period": 2,
        "num_sample_iter": 3,
        "dropout": 0.1,
        "batch_size": 96,
    }
)
CONV = Settings(
    **{
        **DIGITS,
        **DIGITS_CONV,
        "network": "conv",
        "norm": "mean",
        "epochs": 2,
        "hidden": (8,),
        "channels": (4,),
        "sample_period": 2,
    },
    num_sample_iter=2,
    crossover_epochs=(1,),
    time_steps=12,
    batch_size=200,
)


class Stopped(Exception):
    """Somebody pulled the plug."""


def silent(line):
    pass


def plug(steps):
    """A track that stops the run after `steps` steps."""
    left = [steps]

    def track(*given):
        left[0] -= 1
        if not left[0]:
            raise Stopped

    return track


def stopped(settings, folder, steps=20, **options):
    run = Run(settings, folder, **options)
    with pytest.raises(Stopped):
        run.run(silent, plug(steps))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    Run(DENSE, folder).run(silent)
    return folder


@pytest.mark.parametrize(
    ("settings", "every"),
    [(DENSE, 0), (DENSE, 4), (CONV, 0), (CONV, 3)],
    ids=["dense", "dense-4", "conv", "conv-3"],
)
def test_a_stopped_run_ends_with_the_bits_of_one_that_was_not(settings, every, tmp_path):
    whole = Run(settings, tmp_path / "whole")
    found = whole.run(silent)
    for steps in (2, 11, 7):
        more = {"resume": True} if (tmp_path / "run").exists() else {}
        stopped(settings, tmp_path / "run", steps, checkpoint_steps=every, **more)
    again = Run(settings, tmp_path / "run", resume=True)
    assert again.run(silent) == found
    assert_same_end(tmp_path / "whole", tmp_path / "run")


def test_the_same_object_goes_on_too(unbroken, tmp_path):
    run = Run(DENSE, tmp_path, checkpoint_steps=3)
    for steps in (5, 20):
        with pytest.raises(Stopped):
            run.run(silent, plug(steps))
    run.run(silent)
    assert_same_end(unbroken, tmp_path)


def test_a_finished_run_goes_on_to_more_epochs_as_if_it_had_been_asked_for_them_at_once(
    unbroken, tmp_path
):
    Run(dataclasses.replace(DENSE, epochs=1), tmp_path).run(silent)
    Run(DENSE, tmp_path, resume=True).run(silent)
    one, two = (checkpoint.read(folder / checkpoint.CURRENT) for folder in (unbroken, tmp_path))
    assert one.notes == two.notes
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, two.arrays[name])


def damage(path, kind, rng):
    data = bytearray(path.read_bytes())
    if kind == "flip":
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    elif kind == "torn":
        del data[rng.integers(len(data)) :]
    elif kind == "hole":
        at = rng.integers(len(data) - 4096)
        data[at : at + 4096] = rng.bytes(4096)
    else:
        data += b"\0"
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["flip", "torn", "hole", "longer"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(kind, unbroken, tmp_path):
    rng = np.random.default_rng(3)
    stopped(DENSE, tmp_path, checkpoint_steps=4)
    good = (tmp_path / checkpoint.CURRENT).read_bytes()
    before = checkpoint.read(tmp_path / checkpoint.PREVIOUS)
    for _ in range(30):
        (tmp_path / checkpoint.CURRENT).write_bytes(good)
        damage(tmp_path / checkpoint.CURRENT, kind, rng)
        found = checkpoint.newest(tmp_path)
        assert found.notes == before.notes
        assert len(found.damaged) == 1
        assert str(tmp_path / checkpoint.CURRENT) in found.damaged[0]
    lines = []
    Run(DENSE, tmp_path, resume=True).run(lines.append)
    assert lines[0].startswith(f"Passed over: {tmp_path / checkpoint.CURRENT} is ")
    assert_same_end(unbroken, tmp_path)


def test_when_every_checkpoint_is_damaged_both_are_named(tmp_path):
    stopped(DENSE, tmp_path, checkpoint_steps=4)
    for name in (checkpoint.CURRENT, checkpoint.PREVIOUS):
        damage(tmp_path / name, "flip", np.random.default_rng(1))
    with pytest.raises(FormatError, match=r"(?s)checkpoint\.h5 is .*checkpoint\.previous\.h5 is "):
        Run(DENSE, tmp_path, resume=True)
    with pytest.raises(FormatError, match="every checkpoint"):
        Run(DENSE, tmp_path)


def test_resume_says_when_nothing_is_left_to_do(unbroken, capsys):
    before = {path.name: path.read_bytes() for path in unbroken.iterdir()}
    assert main(["train", "digits", "--run", str(unbroken), "--resume"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"The run in {unbroken} is finished: all 3 epochs are done\n")
    assert "SNN accuracy = " in told
    after = {path.name: path.read_bytes() for path in unbroken.iterdir()}
    assert {name for name in before if before[name] != after[name]} <= {".lock"}


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_resume_of_an_absent_run_is_a_clear_error(folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["train", "digits", "--run", str(tmp_path / folder), "--resume"]) == 1
    assert str(tmp_path / folder) in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(FormatError, match=folder):
        Run(DENSE, tmp_path / folder, resume=True)


@pytest.mark.parametrize(
    "option",
    [["--lr", "0.5"], ["--hidden", "13"], ["--seed", "9"], ["--no-augment"], ["--epochs", "0"]],
)
def test_resume_with_other_settings_is_refused_by_name(option, tmp_path, capsys):
    stopped(DENSE, tmp_path, 40)
    assert main(["train", "digits", "--run", str(tmp_path), "--resume", *option]) == 1
    assert option[0].removeprefix("--").removeprefix("no-") in capsys.readouterr().err


def test_resumed_settings_are_the_runs_own(tmp_path):
    stopped(DENSE, tmp_path)
    assert resumed_settings(tmp_path, {"epochs": 9}) == dataclasses.replace(DENSE, epochs=9)
    with pytest.raises(FormatError, match="setting data"):
        resumed_settings(tmp_path, {"data": "mnist"})


def test_a_folder_with_work_in_it_is_not_taken_over(tmp_path):
    stopped(DENSE, tmp_path, 30)
    kept = (tmp_path / checkpoint.CURRENT).read_bytes()
    with pytest.raises(OrderError, match=r"stopped in epoch 1 of 3.*--resume.*--overwrite"):
        Run(DENSE, tmp_path)
    assert (tmp_path / checkpoint.CURRENT).read_bytes() == kept
    Run(DENSE, tmp_path, overwrite=True).run(silent)
    with pytest.raises(OrderError, match=r"finished run with another .*epochs.*lr"):
        Run(dataclasses.replace(DENSE, lr=0.5, epochs=2), tmp_path)
    assert Run(DENSE, tmp_path).run(silent)["epoch"] >= 0  # the same again: nothing can be lost


def test_networks_without_a_checkpoint_are_not_lost_either(unbroken, tmp_path):
    (tmp_path / "best.h5").write_bytes((unbroken / "best.h5").read_bytes())
    with pytest.raises(OrderError, match=r"best\.h5 of another run"):
        Run(DENSE, tmp_path)


def test_a_run_that_did_not_take_a_step_is_begun_anew_without_asking(tmp_path):
    run = Run(DENSE, tmp_path)
    with pytest.raises(OrderError, match="in use by another training"):
        Run(DENSE, tmp_path)
    run.place.release()
    Run(dataclasses.replace(DENSE, lr=0.5), tmp_path)


def test_the_log_is_cut_back_to_whole_epochs_each_once(tmp_path):
    place = RunFolder(tmp_path)
    good = [json.dumps({"epoch": epoch}) + "\n" for epoch in range(3)]
    (tmp_path / "log.jsonl").write_text(
        good[0]
        + good[0]
        + "[]\nnull\n"
        + good[1]
        + '{"epoch": 1, "lo\n\0\n'
        + good[2]
        + '{"epoch": 2'
    )
    place.cut_log(2)
    assert (tmp_path / "log.jsonl").read_text() == good[0] + good[1]


def test_on_trouble_and_checkpoint_steps_are_checked(tmp_path):
    with pytest.raises(RangeError, match="on_trouble"):
        Run(DENSE, tmp_path, on_trouble="panic")
    with pytest.raises(RangeError, match="checkpoint_steps"):
        Run(DENSE, tmp_path, checkpoint_steps=-1)
