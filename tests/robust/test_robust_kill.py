"""Killed with SIGKILL at any moment and resumed, a run ends with the same bits as one that was
never stopped.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from run_folders import ENVIRONMENT, LONG, SMALL, assert_same_end, command, leftovers, train

from refboot.training import checkpoint

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is POSIX's")

KILLS = 50 if LONG else 8
OFTEN = ["--checkpoint-steps", "3"]
DYING = (str(Path(__file__).with_name("dying.py")),)
# Each place of the file work at which a process can die, and, for a call that comes often, an early
# and a late one.
DEATHS = [
    ("write", 1),
    ("replace", 2),
    ("folder", 3),
    ("append", 1),
    ("fsync", 9),
    ("replace", 12),
    ("append", 1),
    ("write", 7),
]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A run that was never stopped, and how long its process took."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    begun = time.monotonic()
    done = train(folder, *SMALL, *OFTEN)
    assert done.returncode == 0, done.stderr
    return folder, time.monotonic() - begun


def killed_after(seconds, folder, *more):
    """Whether a training was still going on after `seconds`, and so was killed."""
    with subprocess.Popen(
        command(folder, *more), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return True
        assert process.returncode == 0, process.stderr.read().decode()
        return False


def where(folder):
    """Epoch and iteration of the newest checkpoint."""
    found = checkpoint.newest(folder) if folder.is_dir() else None
    return (-1, 0) if found is None else (found.notes["epoch"], found.notes["iteration"])


def test_killed_at_random_moments_it_loses_nothing_and_ends_with_the_same_bits(unbroken, tmp_path):
    folder, seconds = unbroken
    rng = np.random.default_rng(7)
    kills, chain = 0, 0
    while kills < KILLS:
        place, chain = tmp_path / str(chain), chain + 1
        reached, alive = where(place), True
        while alive and kills < KILLS:
            there = checkpoint.newest(place) if place.is_dir() else None
            more = [] if there is None else ["--resume"]
            alive = killed_after(rng.uniform(0.1, seconds), place, *SMALL, *OFTEN, *more)
            kills += alive
            assert where(place) >= reached  # nothing is lost
            reached = where(place)
        done = train(place, *SMALL, *OFTEN, *([] if reached == (-1, 0) else ["--resume"]))
        assert done.returncode == 0, done.stderr
        assert_same_end(folder, place)


def test_killed_in_the_middle_of_a_write_it_goes_on_with_the_last_good_checkpoint(
    unbroken, tmp_path
):
    folder, _ = unbroken
    place = tmp_path / "run"
    for at, call in DEATHS:
        more = ["--resume"] if where(place) >= (0, 0) else []
        died = train(
            place,
            *SMALL,
            *OFTEN,
            *more,
            script=DYING,
            env=ENVIRONMENT | {"DIE_AT": at, "DIE_CALL": str(call)},
        )
        assert died.returncode == -signal.SIGKILL, (at, call, died.stderr)
    assert leftovers(place)  # the last death left something half done
    done = train(place, *SMALL, *OFTEN, "--resume")
    assert done.returncode == 0, done.stderr
    assert_same_end(folder, place)


def test_the_process_that_is_killed_frees_the_folder(tmp_path):
    process = subprocess.Popen(
        command(tmp_path, *SMALL), stdout=subprocess.DEVNULL, env=ENVIRONMENT
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / checkpoint.CURRENT).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGSTOP)  # alive, and sure to hold the folder
    refused = train(tmp_path, *SMALL)
    assert refused.returncode == 1
    assert f"in use by another training (process {process.pid})" in refused.stderr
    process.kill()
    process.wait()
    assert train(tmp_path, *SMALL, "--resume").returncode == 0
