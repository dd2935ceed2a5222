"""The learning curves, drawn with matplotlib's Figure alone: no global pyplot state, no window."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from typing import Any

from refboot.arrays import extra
from refboot.stats.learning_stat import Log

COLOURS = {"training": "#0072B2", "validation": "#E69F00", "testing": "#CC3311"}
MOST_MARKED = 40  # epochs: longer curves have no markers


def blank(figure: Any, figsize: tuple[float, float] | None) -> Any:
    """`figure`, cleared, if it is a Figure; else a new one with that label. figsize: inches."""
    module = extra("matplotlib.figure", "viz")
    if not isinstance(figure, module.Figure):
        result = module.Figure(figsize=figsize or (7.2, 4.2), dpi=120, layout="constrained")
        result.set_label(str(figure))
        return result
    figure.clear()
    if figsize is not None:
        figure.set_size_inches(figsize)
    return figure


def draw(
    figure: Any, name: str, unit: str, logs: Mapping[str, Log], best: Callable[..., float]
) -> None:
    """Draw the measured epochs of each log and ring the best; `best` is min or max.

    min asks for a log axis, which is used if all numbers are above zero.
    """
    axes, values = figure.add_subplot(), []
    for key, log in logs.items():
        points = [(epoch, value) for epoch, value in enumerate(log) if value is not None]
        if not points:
            continue
        values += [value for _, value in points]
        colour, marker = COLOURS[key], "o" if len(points) <= MOST_MARKED else ""
        style = {"color": colour, "linewidth": 1.8, "marker": marker, "markersize": 4}
        (line,) = axes.plot(*zip(*points, strict=True), label=key.capitalize(), **style)
        finite = [value for _, value in points if math.isfinite(value)]
        if finite:
            top = best(finite)
            line.set_label(f"{key.capitalize()} (best {top:.4g})")
            ring = {"markersize": 9, "markerfacecolor": "none", "markeredgecolor": colour}
            axes.plot(log.index(top), top, "o", **ring)
    title = name[:1].upper() + name[1:]
    axes.set_xlabel("Epoch", fontsize=12)
    axes.set_ylabel(f"{title} ({unit.strip('()[] ')})" if unit else title, fontsize=12)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if best is min and values and not any(value <= 0 for value in values):
        ticker = extra("matplotlib.ticker", "viz")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    axes.grid(True, which="both", color="0.9", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    if values:
        axes.legend(frameon=False, fontsize=11)
    else:
        axes.set_title(f"no {name} logged yet")


def png(figure: Any) -> bytes:
    """The figure as the bytes of a PNG file."""
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()
