"""How the cost grows: the spiking training step against steps, batch, width, depth and spike rate,
one at a time; convolutions, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refboot.bench.measure import compare
from refboot.block import cuba
from refboot.network import Network
from refboot.optim import Adam
from refboot.routine import LayerMode, Mode
from refboot.stats import LearningStat
from refboot.training import train_step

NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
USUAL = {"steps": 16, "batch": 32, "width": 512, "depth": 2, "rate": 0.15}
AXES: dict[str, tuple[float, ...]] = {
    "steps": (4, 8, 16, 32, 64, 128),
    "batch": (4, 8, 16, 32, 64, 128),
    "width": (64, 128, 256, 512, 1024),
    "depth": (1, 2, 3, 4),
    "rate": (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0),
}


def growth(rng: np.random.Generator, rounds: int) -> dict[str, Any]:
    """Milliseconds of a spiking training step for each value on each axis, the other axes at
    `USUAL`; and of a convolution by steps.
    """
    found: dict[str, Any] = {}
    for axis, values in AXES.items():
        actions = {str(value): dense_step(rng, **(USUAL | {axis: value})) for value in values}
        found[axis] = compare(actions, rounds, 20)
    actions = {str(steps): conv_step(rng, steps) for steps in (4, 8, 16, 32)}
    return found | {"steps of a convolution": compare(actions, rounds, 20)}


def dense_step(
    rng: np.random.Generator, steps: float, batch: float, width: float, depth: float, rate: float
) -> Callable[[], Any]:
    """A step on moving spikes of the given rate, through dense layers of the same width."""
    steps, batch, width = int(steps), int(batch), int(width)
    blocks: list[Any] = [
        cuba.Dense(NEURON, width, width, weight_norm=True, weight_scale=2, rng=rng)
        for _ in range(int(depth))
    ]
    network = Network(
        [*blocks, cuba.Affine(NEURON, width, 10, weight_norm=True, weight_scale=2, rng=rng)],
        (width,),
        steps,
    )
    return stepper(network, (rng.random((batch, width, steps)) < rate).astype(np.float32), rng)


def conv_step(rng: np.random.Generator, steps: int) -> Callable[[], Any]:
    """A step on 16 moving pictures of 28 x 28 pixels through a convolution with 8 channels, pooling
    and a read-out.
    """
    blocks: list[Any] = [
        cuba.Conv(NEURON, 1, 8, 5, 1, 2, rng=rng),
        cuba.Pool(NEURON, 2, rng=rng),
        cuba.Flatten(),
    ]
    network = Network([*blocks, cuba.Affine(NEURON, 8 * 14 * 14, 10, rng=rng)], (1, 28, 28), steps)
    return stepper(network, (rng.random((16, 1, 28, 28, steps)) < 0.15).astype(np.float32), rng)


def stepper(network: Network, x: np.ndarray, rng: np.random.Generator) -> Callable[[], Any]:
    """A spiking training step of `network` on x."""
    labels, optimizer = rng.integers(0, 10, len(x)), Adam(network.parameters(), lr=1e-6)
    return lambda: train_step(network, optimizer, x, labels, LayerMode(0, Mode.SNN), LearningStat())


def plot(found: dict[str, Any], path: str) -> None:
    """Draw what `growth` gave, a panel an axis, into the picture `path`. Needs the extra viz."""
    from refboot.arrays import extra  # noqa: PLC0415

    figure = extra("matplotlib.figure", "viz").Figure(figsize=(12, 7), layout="constrained")
    for ax, (name, results) in zip(figure.subplots(2, 3).flat, found.items(), strict=True):
        values = [float(value) for value in results]
        ax.plot(
            values, [r["processor_ms"] for r in results.values()], "o-", label="processors, median"
        )
        ax.plot(values, [r["least_ms"] for r in results.values()], ":", label="clock, least")
        ax.set(xlabel=name, ylabel="ms a step", ylim=(0, None), xlim=(0, None))
        ax.legend()
    figure.savefig(path)
