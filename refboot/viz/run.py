"""All pictures of a run folder: how it trained, what its best network does, and how well its two
halves agree.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from refboot import files
from refboot.arrays import Floats, Ints
from refboot.block import Block
from refboot.errors import FormatError
from refboot.io import state
from refboot.network import Network
from refboot.reference.rates import mean_rate_forward
from refboot.routine import LayerMode, Mode
from refboot.settings import Settings
from refboot.stats import LearningStats
from refboot.training import build, loaders
from refboot.viz import alignment, canvas, curves, spikes, training

Array = NDArray[Any]
Panel = Callable[[Any], Any]
SAMPLED, TESTED = 320, 500


class Subject(NamedTuple):
    """The best network of a run, images it was trained on, and test images with their labels."""

    settings: Settings
    network: Network
    trained: Floats
    tested: Floats
    labels: Ints


def plot_run(
    folder: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    download: bool = False,
    image: int = 0,
) -> list[Path]:
    """Draw every picture of the run in `folder` into its folder `pictures`, as PNG; returns their
    paths.

    `root` and `download` say where MNIST is, `image` which test image the rasters show. Raises
    FormatError where there is no run.
    """
    subject, log = read_subject(Path(folder), root, download), read_log(Path(folder) / "log.jsonl")
    drawn = {**trained_pictures(Path(folder), log), **network_pictures(subject, image)}
    target = Path(folder) / "pictures"
    target.mkdir(exist_ok=True)
    for name, figure in drawn.items():
        files.replace(target / f"{name}.png", canvas.png(figure))
    return [target / f"{name}.png" for name in drawn]


def read_subject(folder: Path, root: str | os.PathLike[str] | None, download: bool) -> Subject:
    """The best network of the run with its settings and data."""
    _, notes = state.read(folder / "best.h5")
    settings = Settings.from_dict(notes.get("settings", {}))
    rng = np.random.default_rng(settings.seed)
    network = build(settings, rng)
    state.load(network, folder / "best.h5")
    network.eval()
    training, testing = loaders(settings, rng, root, download)
    return Subject(settings, network, first(training, SAMPLED)[0], *first(testing, TESTED))


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of log.jsonl; raises FormatError for anything but epochs as JSON."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise FormatError(str(path), f"unreadable ({error})", "a line of JSON an epoch") from error
    if not lines or not all(
        isinstance(line, dict) and {"epoch", "grad_norms"} <= line.keys() for line in lines
    ):
        raise FormatError(str(path), f"of {len(lines)} lines", "epochs with their grad_norms")
    return lines


def trained_pictures(folder: Path, log: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How the run went: learning curves, gradients, and the rate curves over training where the log
    has them.
    """
    stats = LearningStats()
    stats.load(folder)
    loss, accuracy = stats.plot()
    figures = {"loss": loss, "accuracy": accuracy, "gradient_flow": training.gradient_flow(log)}
    fitted = [line for line in log if line.get("curves")]
    if fitted:
        named = {
            name: [(line["epoch"], np.array(line["curves"][name])) for line in fitted]
            for name in fitted[-1]["curves"]
        }
        figures["curves_over_training"] = panels(
            [_history(name, fits) for name, fits in named.items()]
        )
    return figures


def network_pictures(subject: Subject, image: int = 0) -> dict[str, Any]:
    """What the best network does: samples with curves, one image's spikes, a neuron, the classes,
    and, if fitted, ANN beside SNN.
    """
    output = mean_rate_forward(subject.network.forward(subject.tested, LayerMode(0, Mode.SNN)))[..., 0]
    blocks = [
        (i, b)
        for i, b in enumerate(subject.network.blocks)
        if isinstance(b, Block) and b.f.curve is not None
    ]
    names = [f"blocks.{i} ({type(b).__name__})" for i, b in enumerate(subject.network.blocks)]
    rates = alignment.layer_rates(subject.network, subject.tested) if subject.network.fitted else []
    beside = (
        panels(
            [_alignment(*each) for each in zip(names, rates, subject.network.blocks, strict=True)],
            4.1,
            3.8,
        )
        if rates
        else None
    )
    return {
        "samples": panels(
            [_samples(names[i], block, z, a) for i, block, z, a in sampled(subject, blocks)]
        ),
        "confusion": training.confusion(
            subject.labels, output.argmax(axis=1), output.shape[1], title="SNN"
        ),
        "raster": panels([_raster(names[i], s) for i, s in spiking(subject, image)], 4.4, 3.2),
        "neuron": busiest(subject, image),
    } | ({} if beside is None else {"alignment": beside})


def sampled(
    subject: Subject, blocks: list[tuple[int, Block]]
) -> Iterator[tuple[int, Block, Array, Array]]:
    """Mean weighted input (normed, where the neuron has a norm) and rate of every block with a
    curve, on training images.
    """
    x = subject.network.over_time(subject.trained, LayerMode(0, Mode.SNN))
    chosen = dict(blocks)
    for number, block in enumerate(subject.network.blocks):
        if number in chosen:
            z, neuron = chosen[number].synapse.forward(x), chosen[number].neuron
            mean = z.mean(axis=-1, keepdims=True)
            mean = mean if neuron.norm is None else neuron.norm.forward(mean, training=False)
            yield number, chosen[number], mean.ravel(), neuron.forward(z).mean(axis=-1).ravel()
        x = block.forward(x, Mode.SNN)


def spiking(subject: Subject, image: int) -> Iterator[tuple[int, Array]]:
    """The spikes (C, ..., T) of every block that fires, for one test image."""
    x = subject.network.over_time(subject.tested[image : image + 1], LayerMode(0, Mode.SNN))
    for number, block in enumerate(subject.network.blocks):
        x = block.forward(x, Mode.SNN)
        if isinstance(block, Block) and block.f.curve is not None:
            yield number, x[0]


def busiest(subject: Subject, image: int) -> Any:
    """Current and voltage of a neuron of the last block that fires: the one nearest to a rate of
    one in four.
    """
    network = subject.network
    x = network.over_time(subject.tested[image : image + 1], LayerMode(0, Mode.SNN))
    traces = {}
    for number, block in enumerate(network.blocks):
        if isinstance(block, Block) and block.f.curve is not None:
            traces[number] = block.neuron.trace(block.synapse.forward(x))  # type: ignore[attr-defined]
        x = block.forward(x, Mode.SNN)
    number, trace = max(traces.items())
    u, v, s = (array[0].reshape(-1, array.shape[-1]) for array in trace)
    chosen = int(np.abs(s.mean(axis=-1) - 0.25).argmin())
    threshold = network.blocks[number].neuron.threshold  # type: ignore[attr-defined]
    return spikes.membrane(
        u[chosen],
        v[chosen],
        s[chosen],
        threshold,
        title=f"blocks.{number}, neuron {chosen}, one test image",
    )


def panels(draw: Sequence[Panel], width: float = 4.6, height: float = 3.4) -> Any:
    """A figure with an axes for each of `draw`, in one row up to three, then in two or more of at
    most three.
    """
    columns = len(draw) if len(draw) <= 3 else min(3, -(-len(draw) // 2))
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
    images, labels, seen = [], [], 0
    for x, y in batches:
        images.append(x)
        labels.append(y)
        seen += len(y)
        if seen >= count:
            break
    return np.concatenate(images)[:count], np.concatenate(labels)[:count]


def _samples(name: str, block: Block, z: Array, a: Array) -> Panel:
    return lambda ax: curves.samples(z, a, block.f, ax, name)


def _history(name: str, fits: Sequence[tuple[int, Array]]) -> Panel:
    return lambda ax: curves.history(fits, ax, name)


def _alignment(name: str, rates: alignment.Rates, block: object) -> Panel:
    spikes_out = isinstance(block, Block) and block.f.curve is not None
    return lambda ax: alignment.alignment(
        rates, ax, name, "spikes per step" if spikes_out else "real units"
    )


def _raster(name: str, s: Array) -> Panel:
    return lambda ax: spikes.raster(s, ax, name)
