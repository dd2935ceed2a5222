"""The learning curves, drawn with matplotlib's Figure alone: no global pyplot state, no window."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from refboot.arrays import extra
from refboot.stats.learning_stat import Log

MOST_MARKED = 40  # epochs: longer curves are drawn without a marker at each point


class Curve(NamedTuple):
    """One line of a figure: its name, its colour, and an entry an epoch (None: not measured)."""

    name: str
    colour: str
    log: Log


def blank(figure: Any, figsize: tuple[float, float] | None) -> Any:
    """An empty Figure: `figure` itself, cleared, if it is one, else a new one labelled `figure`.
    figsize: inches.
    """
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
    figure: Any, name: str, unit: str, curves: list[Curve], best: Callable[[list[float]], float]
) -> None:
    """Draw the curves that have numbers over the epochs; `best` is min or max, and min asks for a
    log axis.

    The axis stays linear where a number is zero or below, which a log axis would leave out.
    """
    axes = figure.add_subplot()
    drawn = [curve for curve in curves if any(value is not None for value in curve.log)]
    for curve in drawn:
        _line(axes, curve, best)
    title = name[:1].upper() + name[1:]
    axes.set_xlabel("Epoch", fontsize=12)
    axes.set_ylabel(f"{title} ({unit.strip('()[] ')})" if unit else title, fontsize=12)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if (
        best is min
        and drawn
        and not any(value <= 0 for curve in drawn for value in curve.log if value is not None)
    ):
        _log_axis(axes)
    axes.grid(True, which="both", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=11)
    if drawn:
        axes.legend(frameon=False, fontsize=11)
    else:
        axes.text(
            0.5,
            0.5,
            f"no {name} logged yet",
            ha="center",
            va="center",
            transform=axes.transAxes,
            color="0.4",
        )


def png(figure: Any) -> bytes:
    """The figure as the bytes of a PNG file."""
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()


def _log_axis(axes: Any) -> None:
    """A log axis upwards, labelled 0.01, 0.02, 0.05 and so on."""
    ticker = extra("matplotlib.ticker", "viz")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())


def _line(axes: Any, curve: Curve, best: Callable[[list[float]], float]) -> None:
    """Join the measured epochs and ring the best of them."""
    points = [(epoch, value) for epoch, value in enumerate(curve.log) if value is not None]
    marker = "o" if len(points) <= MOST_MARKED else ""
    (line,) = axes.plot(
        *zip(*points, strict=True),
        color=curve.colour,
        label=curve.name,
        linewidth=1.8,
        marker=marker,
        markersize=4,
    )
    finite = [value for _, value in points if math.isfinite(value)]
    if finite:
        top = best(finite)
        line.set_label(f"{curve.name} (best {top:.4g})")
        axes.plot(
            curve.log.index(top),
            top,
            "o",
            markersize=9,
            markerfacecolor="none",
            markeredgecolor=curve.colour,
        )
