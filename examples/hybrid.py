"""Hybrid training of a network with four hidden layers and only T = 4 steps, on the digits.

Run: python examples/hybrid.py [seeds]
Both runs of a seed are the same up to epoch 40. Then one continues in ANN mode. In the other, every
five epochs one more layer, from the input on, becomes spiking for good, until all layers spike. The
table shows the mean of the last three SNN test accuracies.
"""

import sys
import tempfile

import numpy as np

from refboot.settings import DIGITS, Settings
from refboot.training import Run

COMMON = {**DIGITS, "hidden": (128, 128, 128, 128), "time_steps": 4, "epochs": 80, "tau_grad": 0.01}
CROSSOVER = (41, 46, 51, 56, 61)


def final_accuracy(seed, crossover_epochs):
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Settings(**COMMON, seed=seed, crossover_epochs=crossover_epochs), folder)
        run.run(report=lambda line: None)
    return 100 * float(np.mean(run.scheduler.snn_stat.accuracy_log[-3:]))


def main(seeds=5):
    print("seed   pure ANN   hybrid   (SNN test accuracy, %)")
    found = []
    for seed in range(seeds):
        found.append((final_accuracy(seed, ()), final_accuracy(seed, CROSSOVER)))
        print(f"{seed:4d} {found[-1][0]:10.2f} {found[-1][1]:8.2f}", flush=True)
    pure, hybrid = np.mean(found, axis=0)
    print(f"mean {pure:10.2f} {hybrid:8.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
