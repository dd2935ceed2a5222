"""All pictures of a run folder: how it trained, what its best network does, how well its ANN and
SNN agree.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot import files
from refboot.arrays import Floats, Ints
from refboot.block import Block
from refboot.errors import FormatError
from refboot.io import state
from refboot.network import Network
from refboot.reference.modes import mean_rate_forward
from refboot.routine import LayerMode, Mode
from refboot.settings import Settings
from refboot.stats import LearningStats
from refboot.training import build, loaders
from refboot.viz import canvas, curves, spikes, training

Array = NDArray[Any]
Panel = Callable[[Any], Any]
SAMPLED, TESTED = 320, 500  # images


def plot_run(
    folder: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    download: bool = False,
    image: int = 0,
) -> list[Path]:
    """Draw every picture of the run in `folder` as PNG into its folder `pictures`; their paths.

    `root` and `download` say where MNIST is; `image` is the test image of the rasters. Raises
    FormatError if there is no run.
    """
    folder = files.as_path("folder", folder)
    _, notes = state.read(folder / "best.h5")
    settings = Settings.from_dict(notes.get("settings", {}))
    rng = np.random.Generator(np.random.PCG64(settings.seed))
    network = build(settings, rng)
    state.load(network, folder / "best.h5")
    network.eval()
    train, test = loaders(settings, rng, root, download)
    drawn = trained_pictures(folder, read_log(folder / "log.jsonl"))
    drawn |= network_pictures(network, first(train, SAMPLED)[0], *first(test, TESTED), image)
    target = folder / "pictures"
    target.mkdir(exist_ok=True)
    for name, figure in drawn.items():
        files.replace(target / f"{name}.png", canvas.png(figure))
    return [target / f"{name}.png" for name in drawn]


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of log.jsonl; raises FormatError unless they are epochs as JSON."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise FormatError(str(path), f"unreadable ({error})", "a line of JSON per epoch") from error
    keys = {"epoch", "grad_norms"}
    if not lines or not all(isinstance(line, dict) and keys <= line.keys() for line in lines):
        raise FormatError(str(path), f"of {len(lines)} lines", "epochs with their grad_norms")
    return lines


def trained_pictures(folder: Path, log: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Learning curves, gradients, and the rate curves over training if the log has them."""
    stats = LearningStats()
    stats.load(folder)
    loss, accuracy = stats.plot()
    figures = {"loss": loss, "accuracy": accuracy, "gradient_flow": training.gradient_flow(log)}
    fitted = [line for line in log if line.get("curves")]
    if fitted:
        draw = []
        for name in fitted[-1]["curves"]:
            fits = [(line["epoch"], np.array(line["curves"][name])) for line in fitted]
            draw.append(partial(curves.history, fits, title=name))
        figures["curves_over_training"] = panels(draw)
    return figures


def network_pictures(
    network: Network, trained: Floats, tested: Floats, labels: Ints, image: int = 0
) -> dict[str, Any]:
    """Points with curves, one image's spikes, one neuron and the confusion matrix of a network.

    If it is fitted, also its ANN beside its SNN.
    """
    output = mean_rate_forward(network.forward(tested, LayerMode(0, Mode.SNN)))[..., 0]
    predicted, classes = output.argmax(axis=1), output.shape[1]
    figures = {"confusion": training.confusion(labels, predicted, classes, title="SNN")}
    named = [(f"blocks.{i} ({type(b).__name__})", b) for i, b in enumerate(network.blocks)]
    for block in network.blocks:
        if isinstance(block, Block):
            block.f.clear()
    network.forward(trained, LayerMode(0, Mode.SAMPLE))
    x = network.over_time(tested[image : image + 1], LayerMode(0, Mode.SNN))
    samples, rasters, units = [], [], []
    for name, block in named:
        trace, x = block.trace(x), block.forward(x, Mode.SNN)
        spiking = isinstance(block, Block) and block.f.curve is not None
        units.append("spikes per step" if spiking else "real units")
        if isinstance(block, Block) and spiking:
            samples.append(partial(curves.samples, block.f, title=name))
            rasters.append(partial(spikes.raster, x[0], title=name))
            if trace is not None:
                threshold = block.neuron.threshold  # type: ignore[attr-defined]
                figures["neuron"] = busiest(trace, threshold, name)
    figures |= {"samples": panels(samples), "raster": panels(rasters, 4.4, 3.2)}
    if network.fitted:
        rates = zip(named, curves.layer_rates(network, tested), units, strict=True)
        draw = [partial(curves.alignment, r, title=name, unit=unit) for (name, _), r, unit in rates]
        figures["alignment"] = panels(draw, 4.1, 3.8)
    return figures


def busiest(trace: tuple[Array, Array, Array], threshold: float, title: str) -> Any:
    """Current and voltage of the neuron whose rate is nearest to 1/4, for one test image."""
    u, v, s = (array[0].reshape(-1, array.shape[-1]) for array in trace)
    chosen = int(np.abs(s.mean(axis=-1) - 0.25).argmin())
    title = f"{title}, neuron {chosen}, one test image"
    return spikes.membrane(u[chosen], v[chosen], s[chosen], threshold, title=title)


def panels(draw: Sequence[Panel], width: float = 4.6, height: float = 3.4) -> Any:
    """A figure with axes for each of `draw`, at most three in a row."""
    columns = min(3, len(draw))
    rows = -(-len(draw) // columns)
    figure = canvas.figure(width * columns, height * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, panel in zip(axes, draw, strict=False):
        panel(ax)
    for ax in axes[len(draw) :]:
        ax.remove()
    return figure


def first(batches: Any, count: int) -> tuple[Floats, Ints]:
    """The first `count` images of a loader (or all) and their labels."""
    images, labels = [], []
    for x, y in batches:
        images.append(x)
        labels.append(y)
        if sum(map(len, labels)) >= count:
            break
    return np.concatenate(images)[:count], np.concatenate(labels)[:count]
