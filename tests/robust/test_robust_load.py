"""Memory stays flat over 1,000 steps in every mode; log, statistics and buffers stay within stated
bounds.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from run_folders import ENVIRONMENT, LONG, SMALL, train

from refboot.ann_sampler import AnnSampler
from refboot.routine import Mode
from refboot.settings import Settings
from refboot.stats import LearningStats
from refboot.training import Run, checkpoint

STEPS = 1000
LINE, LAYER = 600, 600  # bytes of a line of the log: at most so many, and so many a layer
EPOCH = 250  # bytes of statistics a checkpoint has for each epoch, at most
GROWTH = 64 << 10  # bytes that Python may hold more at the end of 900 steps than at their start


@pytest.mark.parametrize("mode", [*Mode.__members__, "BOOTSTRAP"])
def test_memory_is_flat_over_a_thousand_steps(mode):
    script = Path(__file__).with_name("memory_of_steps.py")
    done = subprocess.run(
        [sys.executable, str(script), mode, str(STEPS)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=True,
    )
    rows = [[int(word) for word in line.split()] for line in done.stdout.splitlines()]
    assert rows[-1][0] - rows[0][0] < GROWTH
    if mode == "BOOTSTRAP":  # a fit drops half: the points of two phases bound what is kept
        assert all(row[1] <= 2 * 10 * 8 * 64 for row in rows)


def test_a_samplers_buffer_is_made_once_for_as_many_points_as_it_may_keep():
    sampler = AnnSampler(capacity=1000)
    assert sampler._ring is None  # a read-out never samples
    sampler.append_means(np.ones(70, np.float32), np.ones(70, np.float32))
    ring = sampler._ring
    assert ring.nbytes == 8 * 1000
    for _ in range(50):
        sampler.append_means(np.ones(70, np.float32), np.ones(70, np.float32))
    assert sampler.count == 1000
    assert sampler._ring is ring


def test_a_line_of_the_log_is_bounded(tmp_path):
    train(tmp_path, *SMALL, "--hidden", "16", "16", "16")
    layers = 5
    for line in (tmp_path / "log.jsonl").read_text().splitlines():
        assert len(line) <= LINE + LAYER * layers


def test_a_weeks_epochs_leave_a_small_checkpoint(tmp_path):
    """A week at three seconds an epoch is 200,000 epochs: they add 50 MB at most, and a checkpoint
    holds nothing else that grows.
    """
    settings = Settings(data="digits", hidden=(8,), epochs=1, num_sample_iter=1, batch_size=700)
    run = Run(settings, tmp_path)
    run.run(lambda line: None)
    before = (tmp_path / checkpoint.CURRENT).stat().st_size
    epochs = 5000 if LONG else 500
    log = [float(np.float32(0.1)) / (1 + epoch) for epoch in range(epochs)]
    state = run.stats.to_dict()
    for part in ("training", "testing"):
        state[part] |= {"loss_log": log, "accuracy_log": log}
    run.stats.__dict__.update(LearningStats.from_dict(state).__dict__)
    run.checkpoint()
    after = (tmp_path / checkpoint.CURRENT).stat().st_size
    assert after - before <= EPOCH * epochs
    assert len(json.dumps(checkpoint.read(tmp_path / checkpoint.CURRENT).notes)) > 4 * epochs
