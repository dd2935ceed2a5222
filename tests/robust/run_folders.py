"""Small training runs in processes of their own, and the comparison of what they leave."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from refboot.training import checkpoint

ROOT = Path(__file__).resolve().parents[2]
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SMALL = [
    "--hidden",
    "16",
    "--epochs",
    "3",
    "--sample-period",
    "2",
    "--num-sample-iter",
    "3",
    "--dropout",
    "0.1",
]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


def command(folder, *more, script=("-m", "refboot")):
    return [sys.executable, *script, "train", "digits", "--run", str(folder), *more]


def train(folder, *more, script=("-m", "refboot"), **options):
    given = {"capture_output": True, "text": True, "env": ENVIRONMENT, "timeout": 300} | options
    return subprocess.run(command(folder, *more, script=script), check=False, **given)


def log(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in line.items() if "seconds" not in name} for line in lines
    ]


def assert_same_end(folder, other):
    """All that two finished runs leave is the same in every bit, but for the seconds in the log."""
    one, two = (checkpoint.read(place / checkpoint.CURRENT) for place in (folder, other))
    for key, note in one.notes.items():
        assert note == two.notes[key], key
    assert one.arrays.keys() == two.arrays.keys()
    for key, array in one.arrays.items():
        np.testing.assert_array_equal(array, two.arrays[key], err_msg=key)
    for name in ("best.h5", "last.h5", "loss.txt", "accuracy.txt", "settings.json"):
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name
    assert log(folder) == log(other)
    assert leftovers(folder) == []


def leftovers(folder):
    """What no run should leave: temporary files."""
    return [
        path.name for path in folder.iterdir() if path.name.startswith(".") and path.name != ".lock"
    ]
