"""The alignment that the method is about: each layer's activation as an ANN against its rate as an
SNN.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from refboot import arrays
from refboot.arrays import Floats
from refboot.network import Network
from refboot.reference.rates import mean_rate_forward
from refboot.routine import LayerMode, Mode
from refboot.viz import canvas

Array = NDArray[Any]


class Rates(NamedTuple):
    """Activations as an ANN and mean rates as an SNN of one layer for the same inputs, each (N, C,
    ...).
    """

    ann: Floats
    snn: Floats

    @property
    def error(self) -> float:
        """The mean distance between the two: for a layer that spikes, in spikes per step."""
        return float(np.abs(self.ann - self.snn).mean(dtype=np.float64))


def layer_rates(network: Network, x: Floats) -> list[Rates]:
    """What every block answers to x as an ANN and as an SNN, each fed by its own kind; raises
    OrderError before a fit.
    """
    sides = []
    for mode in (Mode.ANN, Mode.SNN):
        y, found = network.over_time(arrays.floats("x", x), LayerMode(0, mode)), []
        for block in network.blocks:
            y = block.forward(y, mode)
            found.append(mean_rate_forward(y)[..., 0])
        sides.append(found)
    return [Rates(*pair) for pair in zip(*sides, strict=True)]


def alignment(rates: Rates, ax: Any = None, title: str = "", unit: str = "spikes per step") -> Any:
    """How often a neuron answers (activation, rate), darker for more often, beside the line of
    equality; returns the figure.

    The title tells the mean distance, in the same `unit`.
    """
    ax = canvas.axes(ax, 4.4, 4)
    ann, snn = rates.ann.ravel(), rates.snn.ravel()
    low, high = float(min(ann.min(), snn.min())), float(max(ann.max(), snn.max()))
    high += 1e-6 + 0.02 * (high - low)
    cells = ax.hexbin(
        ann,
        snn,
        gridsize=36,
        bins="log",
        extent=(low, high, low, high),
        mincnt=1,
        cmap="viridis_r",
        linewidths=0.1,
    )
    ax.figure.colorbar(cells, ax=ax, label="neurons x samples")
    ax.plot(
        [low, high], [low, high], color=canvas.RED, linewidth=1.2, linestyle="--", label="equal"
    )
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    error = f"mean |ANN - SNN| = {rates.error:.4f}"
    return canvas.style(
        ax,
        f"{title}\n{error}" if title else error,
        f"ANN ({unit})",
        f"SNN, mean over time ({unit})",
    )
