"""What neurons do over time: rasters of layers, and one neuron's current, voltage, threshold and
spikes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot import arrays
from refboot.reference.fixed_point import to_real
from refboot.viz import canvas

Array = NDArray[Any]


def raster(spikes: Array, ax: Any = None, title: str = "") -> Any:
    """A dot for every spike of one sample, (C, ..., T), neurons upwards, steps to the right;
    returns the figure. Raises ShapeError.
    """
    spikes = arrays.floats("spikes", spikes)
    arrays.check_shape("spikes", spikes, ("C", *["space"] * (spikes.ndim - 2), "T"))
    ax = canvas.axes(ax)
    flat = spikes.reshape(-1, spikes.shape[-1])
    neurons, steps = np.nonzero(flat)
    size = float(np.clip(2000 / len(flat), 3, 30))
    ax.scatter(
        steps,
        neurons,
        s=size,
        marker="|" if len(flat) <= 64 else ".",
        color=canvas.BLUE,
        linewidths=1.2 if len(flat) <= 64 else 0,
    )
    ax.set(xlim=(-0.7, flat.shape[-1] - 0.3), ylim=(-0.7, len(flat) - 0.3))
    rate = f"{100 * float(np.mean(flat != 0)):.1f} % active"
    return canvas.style(ax, f"{title}, {rate}" if title else rate, "step", "neuron", grid=False)


def membrane(
    u: Array, v: Array, s: Array, threshold: float, ax: Any = None, title: str = ""
) -> Any:
    """One neuron's current `u` and voltage `v` before reset (T,), int64 in units of 1/4096, its
    spikes `s` (T,) and its real threshold.

    Returns the figure; raises ShapeError for arrays of unlike lengths.
    """
    ax = canvas.axes(ax, 6.5, 3.4)
    for name, array in (("u", u), ("v", v), ("s", s)):
        arrays.check_shape(name, array, (len(v),))
    steps = np.arange(len(v))
    ax.axhline(
        threshold,
        color=canvas.GREY,
        linestyle="--",
        linewidth=1.2,
        label=f"threshold {threshold:g}",
    )
    ax.step(steps, to_real(u), where="mid", color=canvas.ORANGE, linewidth=1.6, label="current u")
    ax.plot(
        steps,
        to_real(v),
        "o-",
        color=canvas.BLUE,
        linewidth=1.6,
        markersize=4,
        label="voltage v before reset",
    )
    fired = np.flatnonzero(s)
    top = max(float(to_real(v).max()), threshold, float(to_real(u).max()))
    ax.plot(
        fired,
        np.full(len(fired), 1.12 * top),
        "v",
        color=canvas.RED,
        markersize=7,
        label=f"spike ({len(fired)} in {len(v)} steps)",
    )
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.xaxis.get_major_locator().set_params(integer=True)
    return canvas.style(ax, title, "step", "current, voltage (real units)")
