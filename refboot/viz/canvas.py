"""Figures without pyplot's global state, in colours that the colour-blind can tell apart."""

from __future__ import annotations

import io
from typing import Any

from refboot.arrays import extra

# The colours of Okabe and Ito.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY = "#CC79A7", "#56B4E9", "0.45"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY)


def figure(width: float, height: float) -> Any:
    """A new empty Figure of that size in inches, with a canvas to render on."""
    module = extra("matplotlib.figure", "viz")
    made = module.Figure(figsize=(width, height), dpi=120, layout="constrained")
    extra("matplotlib.backends.backend_agg", "viz").FigureCanvasAgg(made)
    return made


def axes(ax: Any, width: float = 5.5, height: float = 3.6) -> Any:
    """`ax`, or the axes of a new figure."""
    return figure(width, height).subplots() if ax is None else ax


def style(ax: Any, title: str = "", xlabel: str = "", ylabel: str = "", grid: bool = True) -> Any:
    """Label the axes and remove what is not needed; returns their figure."""
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if title:
        ax.set_title(title, fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    if grid:
        ax.grid(True, color="0.9", linewidth=0.8)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax.figure


def png(drawn: Any) -> bytes:
    """A figure as the bytes of a PNG file."""
    target = io.BytesIO()
    drawn.savefig(target, format="png")
    return target.getvalue()
