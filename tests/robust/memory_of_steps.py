"""`memory_of_steps.py MODE STEPS`: train a small network for STEPS steps in one mode; prints, in
bytes, what Python holds as they go by.

MODE is a name of Mode, or BOOTSTRAP for the schedule's mixture, in which a fit follows every 10
sampled steps.
"""

import gc
import sys
import tracemalloc

import numpy as np

from refboot.optim import Adam
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.settings import DIGITS, Settings
from refboot.stats import LearningStat
from refboot.training import build, train_step
from refboot.training.guard import Guard

POINTS = 10


def modes(name, steps):
    if name == "BOOTSTRAP":
        scheduler = Scheduler(num_sample_iter=10)
        return [scheduler.mode(0, step % 20) for step in range(steps)]
    return [LayerMode(0, Mode[name])] * steps


def main(name, steps):
    rng = np.random.default_rng(0)
    network = build(Settings(**{**DIGITS, "hidden": (16,), "dropout": 0.1}), rng)
    optimizer, stat, guard = Adam(network.parameters()), LearningStat(), Guard("warn")
    x, labels = rng.random((8, 64), np.float32), rng.integers(0, 10, 8)
    for mode in (Mode.SAMPLE, Mode.FIT, Mode.ANN, Mode.SNN):
        train_step(network, optimizer, x, labels, LayerMode(0, mode), stat, guard)
    tracemalloc.start()
    for step, mode in enumerate(modes(name, steps), 1):
        train_step(network, optimizer, x, labels, mode, stat, guard)
        if step % (steps // POINTS) == 0:
            gc.collect()
            print(tracemalloc.get_traced_memory()[0], *(block.f.count for block in network.blocks))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
