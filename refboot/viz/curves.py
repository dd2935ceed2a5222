"""Rates: sampled points with the curve fitted to them, curves over training, and the agreement of
ANN and SNN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from refboot import ops
from refboot.ann_sampler import AnnSampler
from refboot.arrays import Floats, extra
from refboot.errors import RangeError
from refboot.network import Network
from refboot.reference.modes import mean_rate_forward
from refboot.routine import LayerMode, Mode
from refboot.viz import canvas

Array = NDArray[Any]
MOST_POINTS = 20_000


class Rates(NamedTuple):
    """One layer's activations as an ANN and mean rates as an SNN for the same inputs (N, ...)."""

    ann: Floats
    snn: Floats


def samples(sampler: AnnSampler, ax: Any = None, title: str = "") -> Any:
    """The points of `sampler` (every k-th if there are more than 20,000), its curve and centres."""
    ax = canvas.axes(ax)
    z, a = sampler.points[:, :: -(-max(sampler.count, 1) // MOST_POINTS)]
    dots = {"color": canvas.SKY, "markersize": 4, "markeredgewidth": 0, "rasterized": True}
    ax.plot(z, a, ".", alpha=0.15, **dots)
    ax.plot([], [], ".", color=canvas.SKY, label="sampled neurons")
    if sampler.curve is not None:
        knots = sampler.curve.knots
        margin = 0.35 * (knots[-1, 0] - knots[0, 0])
        line = np.linspace(knots[0, 0] - margin, knots[-1, 0] + margin, 1000, dtype=np.float32)
        rates = ops.active().pwl_forward(line, *sampler.curve)
        ax.plot(line, rates, color=canvas.RED, linewidth=2, label="fitted curve")
        ax.plot(knots[:, 0], knots[:, 1], "o", color="black", markersize=4.5, label="centres")
        ax.set_xlim(line[0] - margin, line[-1] + margin)
    return canvas.style(ax, title, "mean weighted input z", "spike rate a (per step)")


def history(curves: Sequence[tuple[int, Array]], ax: Any = None, title: str = "") -> Any:
    """The curve of one layer after each fit, light to dark: pairs of epoch and knots (K, 2).

    Raises RangeError if there is none.
    """
    if not curves:
        raise RangeError("curves", "none", "at least one fitted curve")
    ax = canvas.axes(ax)
    colours = extra("matplotlib", "viz").colormaps["viridis_r"]
    for number, (epoch, knots) in enumerate(curves):
        colour = colours(0.1 + 0.9 * number / max(len(curves) - 1, 1))
        label = f"epoch {epoch}" if number in (0, len(curves) - 1) else None
        ax.plot(knots[:, 0], knots[:, 1], ".-", color=colour, linewidth=1.5, label=label)
    return canvas.style(ax, title, "mean weighted input z", "spike rate a (per step)")


def layer_rates(network: Network, x: Floats) -> list[Rates]:
    """The Rates of every block for inputs x; raises OrderError before a fit."""
    sides: list[list[Floats]] = []
    for mode in (Mode.ANN, Mode.SNN):
        y = network.over_time(x, LayerMode(0, mode))
        sides.append([])
        for block in network.blocks:
            y = block.forward(y, mode)
            sides[-1].append(mean_rate_forward(y)[..., 0])
    return [Rates(*pair) for pair in zip(*sides, strict=True)]


def alignment(rates: Rates, ax: Any = None, title: str = "", unit: str = "spikes per step") -> Any:
    """How often each pair (activation, rate) occurs, beside the line of equality.

    The title tells the mean distance in the same `unit`.
    """
    ax = canvas.axes(ax, 4.4, 4)
    low, high = float(np.min(rates)), float(np.max(rates))
    high += 1e-6 + 0.02 * (high - low)
    grid = {"gridsize": 36, "extent": (low, high, low, high), "mincnt": 1, "bins": "log"}
    cells = ax.hexbin(rates.ann.ravel(), rates.snn.ravel(), cmap="viridis_r", **grid)
    ax.figure.colorbar(cells, ax=ax, label="neurons x samples")
    ax.plot([low, high], [low, high], color=canvas.RED, linewidth=1.2, linestyle="--")
    error = f"mean |ANN - SNN| = {np.abs(rates.ann - rates.snn).mean(dtype=np.float64):.4f}"
    title = f"{title}\n{error}" if title else error
    return canvas.style(ax, title, f"ANN ({unit})", f"SNN, mean over time ({unit})")
