"""Write the results page of an MNIST run: table beside the tutorial's, learning curves, fits.

Run: python examples/mnist_results.py RUN MNIST OUT
RUN is the folder of `refboot train mnist`, MNIST the folder of the data. OUT gets results.md,
loss.png, accuracy.png and fit.png.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from refboot.io import state
from refboot.routine import LayerMode, Mode
from refboot.settings import Settings
from refboot.stats import LearningStat, LearningStats
from refboot.training import build, evaluate, evaluation_loader
from refboot.viz import curves

# SNN test accuracy (%) by epoch, as printed in lava-dl's tutorial.
TUTORIAL = {
    0: 96.08,
    10: 98.46,
    20: 98.95,
    30: 98.87,
    40: 98.86,
    50: 98.50,
    60: 99.22,
    70: 99.19,
    80: 99.09,
    90: 99.15,
}
TUTORIAL_ANN = 99.15  # its ANN-mode test accuracy at epoch 99


def table(log):
    yield "| epoch | SNN test accuracy (%) | tutorial (%) |\n|---|---|---|"
    for line in log:
        if line["test_mode"] == "SNN":
            epoch, found = line["epoch"], 100 * line["test_accuracy"]
            yield f"| {epoch} | {found:.2f} | {TUTORIAL.get(epoch, float('nan')):.2f} |"
    last = log[-1]
    yield f"| {last['epoch']} (ANN mode) | {100 * last['test_accuracy']:.2f} | {TUTORIAL_ANN:.2f} |"


def best_network(run, root, name="best.h5"):
    """The network of best.h5 (or last.h5), its settings and epoch, and its accuracies by mode and
    number of steps.
    """
    notes = state.read(run / name)[1]
    settings = Settings.from_dict(notes["settings"])
    network = build(settings, np.random.default_rng(0))
    state.load(network, run / name)
    found = {}
    for mode, steps in ((Mode.ANN, 1), (Mode.SNN, 8), (Mode.SNN, 16), (Mode.SNN, 32)):
        stat, network.time_steps = LearningStat(), steps
        evaluate(network, evaluation_loader(settings, root), LayerMode(0, mode), stat)
        found[mode.name if mode is Mode.ANN else f"SNN, T = {steps}"] = stat.accuracy
    network.time_steps = settings.time_steps
    return network, settings, notes["epoch"], found


def fits(network, settings, root):
    """The curve of each layer over points sampled from the first test batch."""
    images, _ = next(iter(evaluation_loader(settings, root)))
    network.forward(images, LayerMode(0, Mode.SAMPLE))
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for i, (block, ax) in enumerate(
        zip(network.blocks, figure.subplots(1, len(network.blocks) - 1), strict=False)
    ):
        curves.samples(block.f, ax)
        ax.set_title(f"layer {i} ({type(block).__name__})")
    return figure


def main(run, root, out):
    run, out = Path(run), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    for name in ("log.jsonl", "settings.json"):
        shutil.copy(run / name, out / name)
    stats = LearningStats()
    stats.load(run)
    stats.plot(path=out, figsize=(7, 4))
    best, last = (best_network(run, root, name) for name in ("best.h5", "last.h5"))
    fits(last[0], last[1], root).savefig(out / "fit.png", dpi=110)
    lines = [
        f"Seed {last[1].seed}; settings in settings.json, every epoch in log.jsonl.",
        "",
        *table(log),
        "",
    ]
    heads = f"best scheduled SNN test (epoch {best[2]}) | last epoch ({last[2]})"
    lines.append(f"| test accuracy (%) | {heads} |\n|---|---|---|")
    lines += [
        f"| {name} | {100 * best[3][name]:.2f} | {100 * last[3][name]:.2f} |" for name in best[3]
    ]
    seconds = sum(line["seconds"] for line in log), sum(line["test_seconds"] for line in log)
    lines += [
        "",
        f"Seconds for {len(log)} epochs: training {seconds[0]:.0f}, evaluation {seconds[1]:.0f} "
        "(two cores, shared with other work).",
    ]
    lines += [
        "",
        "![accuracy](accuracy.png)",
        "",
        "![loss](loss.png)",
        "",
        "![samples of the last network and their curves](fit.png)",
    ]
    (out / "results.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
