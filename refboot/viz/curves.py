"""The fitted rate curves: sampled points with the curve of a layer, and the curve as it moved over
training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot import ops
from refboot.ann_sampler import AnnSampler
from refboot.arrays import extra
from refboot.errors import RangeError
from refboot.viz import canvas

Array = NDArray[Any]
MOST_POINTS = 20_000


def samples(z: Array, a: Array, sampler: AnnSampler, ax: Any = None, title: str = "") -> Any:
    """Points (z, a), the curve of `sampler` and its centres, drawn like the tutorial's; returns the
    figure.

    Of more than 20,000 points every k-th is drawn, so that the picture stays light.
    """
    ax = canvas.axes(ax)
    every = -(-len(z) // MOST_POINTS)
    ax.plot(
        z[::every],
        a[::every],
        ".",
        color=canvas.SKY,
        alpha=0.15,
        markersize=4,
        markeredgewidth=0,
        rasterized=True,
    )
    ax.plot([], [], ".", color=canvas.SKY, label="sampled neurons")
    if sampler.curve is not None:
        knots = sampler.curve.knots
        margin = 0.35 * (knots[-1, 0] - knots[0, 0])
        line = np.linspace(knots[0, 0] - margin, knots[-1, 0] + margin, 1000, dtype=np.float32)
        rate = ops.active().pwl_forward(line, *sampler.curve)
        ax.plot(line, rate, color=canvas.RED, linewidth=2, label="fitted curve")
        ax.plot(knots[:, 0], knots[:, 1], "o", color="black", markersize=4.5, label="centres")
        ax.set_xlim(line[0] - margin, line[-1] + margin)
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    return canvas.style(ax, title, "mean weighted input z", "spike rate a (per step)")


def history(curves: Sequence[tuple[int, Array]], ax: Any = None, title: str = "") -> Any:
    """The curve of one layer after each fit: pairs of epoch and knots (K, 2), light to dark over
    the epochs; returns the figure.

    Raises RangeError where there is none.
    """
    if not curves:
        raise RangeError("curves", "none", "at least one fitted curve")
    ax = canvas.axes(ax)
    colours = extra("matplotlib", "viz").colormaps["viridis_r"]
    epochs = [epoch for epoch, _ in curves]
    for number, (_, knots) in enumerate(curves):
        colour = colours(0.1 + 0.9 * number / max(len(curves) - 1, 1))
        ax.plot(knots[:, 0], knots[:, 1], ".-", color=colour, linewidth=1.5, markersize=5)
    for number in (0, len(curves) - 1):
        ax.plot([], [], color=colours(0.1 if number == 0 else 1.0), label=f"epoch {epochs[number]}")
    ax.legend(
        frameon=False, fontsize=9, loc="upper left", title=f"{len(curves)} fits", title_fontsize=9
    )
    return canvas.style(ax, title, "mean weighted input z", "spike rate a (per step)")
