"""How the cost of a spiking training step grows with steps, batch, width, depth and spike rate."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from refboot.arrays import extra
from refboot.bench.measure import Timer, compare
from refboot.bench.tasks import conv_step, moving_step, settled

AXES: dict[str, tuple[Any, ...]] = {
    "steps": (4, 8, 16, 32, 64, 128),
    "batch": (4, 8, 16, 32, 64, 128),
    "width": (64, 128, 256, 512, 1024),
    "depth": (1, 2, 3, 4),
    "rate": (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0),
}


def growth(rng: np.random.Generator, rounds: int) -> dict[str, Any]:
    """Times for each value on each axis, the others as in `moving_step`, and for a convolution."""
    found: dict[str, Any] = {}
    for axis, values in AXES.items():
        actions = {str(v): moving_step(rng, **{axis: v}) for v in values}
        timers: dict[str, Timer] = {name: partial(settled, a) for name, a in actions.items()}
        found[axis] = compare(timers, rounds, 20)
    timers = {str(steps): partial(settled, conv_step(rng, steps)) for steps in (4, 8, 16, 32)}
    return found | {"steps of a convolution": compare(timers, rounds, 20)}


def plot(found: dict[str, Any], path: str) -> None:
    """Draw the results of `growth` into the picture `path`. Needs the extra viz."""
    figure = extra("matplotlib.figure", "viz").Figure(figsize=(12, 7), layout="constrained")
    for ax, (name, results) in zip(figure.subplots(2, 3).flat, found.items(), strict=True):
        values = [float(value) for value in results]
        processor = [result["processor_ms"] for result in results.values()]
        ax.plot(values, processor, "o-", label="processor time, median")
        ax.plot(values, [r["least_ms"] for r in results.values()], ":", label="clock, least")
        ax.set(xlabel=name, ylabel="ms per training step", ylim=(0, None), xlim=(0, None))
        ax.legend()
    figure.savefig(path)
