"""Bootstrap every neuron and reset on the digits: accuracies and curves.

Run: python examples/neurons.py [folder] [epochs]
The folder (default examples/results/neurons) gets results.md, results.json with every setting, and
curves.png.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from refboot.io import state
from refboot.routine import LayerMode, Mode
from refboot.settings import DIGITS, Settings
from refboot.training import Run

# Without a reset, a neuron with little leak fires for ever once it fires. That one leaks more.
KINDS = {
    "CUBA-LIF, reset to zero": {},
    "CUBA-LIF, reset by subtraction": {"reset": "subtract"},
    "CUBA-LIF, no reset": {"reset": "none", "voltage_decay": 0.5},
    "CUBA-LIF, slow current": {"current_decay": 0.5, "voltage_decay": 0.1},
    "CUBA-LIF, mean-only batch norm": {"norm": "mean"},
    "CUBA-LIF, weight-scale batch norm": {"norm": "scale"},
    "integrate-and-fire, by subtraction": {"neuron": "if", "reset": "subtract"},
    "integrate-and-fire, to zero": {"neuron": "if"},
    "adaptive threshold": {"neuron": "alif"},
}
NOTE = """Dots: neurons of the first hidden layer, 100 test images. Lines: the fitted curves. Only
the neuron differs between the panels: sampling and the fit find each curve from spikes alone. If a
spike subtracts the threshold, the rate is nearly linear in the input. With reset to zero, what is
above the threshold is lost; this makes the stairs. Without a reset, a neuron is almost always
silent or always on, and its rate says little."""
LAYERS = ("input", "hidden 1", "hidden 2")


def bootstrap(kind, epochs):
    """The trained network of best.h5, with its results."""
    settings = Settings(**DIGITS | KINDS[kind] | {"epochs": epochs})
    with tempfile.TemporaryDirectory() as folder:
        run, begun = Run(settings, folder), time.perf_counter()
        found = run.run(report=lambda line: None)
        state.load(run.network, Path(folder) / "best.h5")
    knots = {
        name: block.f.centers.tolist()
        for name, block in zip(LAYERS, run.network.blocks, strict=False)
    }
    seconds = round(time.perf_counter() - begun, 1)
    return run, {
        "settings": settings.to_dict(),
        "accuracy": found,
        "knots": knots,
        "seconds": seconds,
    }


def samples(run):
    """Mean weighted input and rate of the neurons of the first hidden layer, for 100 test
    images.
    """
    images, _ = next(iter(run.testing))
    sampler = run.network.blocks[1].f
    sampler.clear()
    run.network.eval()
    run.network.forward(images[:100], LayerMode(0, Mode.SAMPLE))
    keep = np.random.default_rng(run.settings.seed).permutation(sampler.count)[:4000]
    return sampler.z[keep], sampler.a[keep]


def draw(ax, kind, result, points):
    """Samples and curve of the first hidden layer, and the curves of the others."""
    ax.plot(*points, ".", markersize=3, alpha=0.12, color="tab:blue", rasterized=True)
    for name, colour in zip(LAYERS, ("tab:green", "tab:orange", "tab:red"), strict=True):
        z, a = np.array(result["knots"][name]).T
        ax.plot(
            [z[0] - 9, *z, z[-1] + 9],
            [0, *a, a[-1]],
            color=colour,
            linewidth=2 if name == "hidden 1" else 1,
            label=name,
        )
    z = np.array(result["knots"]["hidden 1"])[:, 0]
    ax.set(title=kind, xlim=(min(-1, z[0] - 0.5), max(2.2, z[-1] + 0.5)), ylim=(-0.05, 1.05))
    ax.set(xlabel="mean weighted input z", ylabel="spikes per step")
    ax.grid(alpha=0.3)


def table(results):
    curve = "fitted curve of hidden 1: (z, spikes per step)"
    yield f"| neuron | SNN accuracy (%) | ANN accuracy (%) | ANN - SNN | {curve} |"
    yield "|---|---|---|---|---|"
    for kind, result in results.items():
        snn, ann = (100 * result["accuracy"][mode] for mode in ("SNN", "ANN"))
        knots = " ".join(f"({z:.2f}, {a:.2f})" for z, a in result["knots"]["hidden 1"])
        yield f"| {kind} | {snn:.2f} | {ann:.2f} | {ann - snn:+.2f} | {knots} |"


def page(results, tested):
    first = next(iter(results.values()))["settings"]
    sizes = "-".join(map(str, (64, *first["hidden"], 10)))
    about = f"{tested} digits tested, {sizes}, T = {first['time_steps']}, "
    about += f"{first['epochs']} epochs, seed {first['seed']}"
    made = "Made by `python examples/neurons.py`; all settings in results.json."
    head = f"# Every neuron and reset on the digits\n\n{about}.\n{made}\n\n"
    return head + "\n".join(table(results)) + f"\n\n![curves](curves.png)\n\n{NOTE}\n"


def main(out="examples/results/neurons", epochs=51):
    folder, epochs = Path(out), int(epochs)
    folder.mkdir(parents=True, exist_ok=True)
    rows = -(-len(KINDS) // 3)
    figure = Figure(figsize=(13, 3.7 * rows), layout="constrained")
    results = {}
    for kind, ax in zip(KINDS, figure.subplots(rows, 3, squeeze=False).ravel(), strict=False):
        run, results[kind] = bootstrap(kind, epochs)
        draw(ax, kind, results[kind], samples(run))
        print(list(table(results))[-1], flush=True)
    figure.axes[0].legend(loc="upper left")
    (folder / "results.md").write_text(page(results, len(run.testing.dataset)))
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    figure.savefig(folder / "curves.png", dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
