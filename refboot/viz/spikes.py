"""What neurons do over time: rasters of layers, and one neuron's current, voltage and spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot import arrays
from refboot.reference.numbers import to_real
from refboot.viz import canvas

Array = NDArray[Any]


def raster(spikes: Array, ax: Any = None, title: str = "") -> Any:
    """A dot for every spike of one sample (C, ..., T): neurons upwards, steps to the right.

    Raises ShapeError.
    """
    spikes = arrays.floats("spikes", spikes)
    arrays.check_shape("spikes", spikes, ("C", *["space"] * (spikes.ndim - 2), "T"))
    ax = canvas.axes(ax)
    flat = spikes.reshape(-1, spikes.shape[-1])
    neurons, steps = np.nonzero(flat)
    few = len(flat) <= 64
    form = {"marker": "|", "linewidths": 1.2} if few else {"marker": ".", "linewidths": 0}
    size = float(np.clip(2000 / len(flat), 3, 30))
    ax.scatter(steps, neurons, s=size, color=canvas.BLUE, **form)
    ax.set(xlim=(-0.7, flat.shape[-1] - 0.3), ylim=(-0.7, len(flat) - 0.3))
    rate = f"{100 * np.count_nonzero(flat) / flat.size:.1f} % active"
    return canvas.style(ax, f"{title}, {rate}" if title else rate, "step", "neuron", grid=False)


def membrane(
    u: Array, v: Array, s: Array, threshold: float, ax: Any = None, title: str = ""
) -> Any:
    """One neuron's current `u` and voltage `v` before the reset, and its spikes `s`, each (T,).

    u and v are int64 in units of 1/4096, `threshold` is real. Raises ShapeError.
    """
    for name, array in (("u", u), ("v", v), ("s", s)):
        arrays.check_shape(name, array, (len(v),))
    ax, steps, fired = canvas.axes(ax, 6.5, 3.4), np.arange(len(v)), np.flatnonzero(s)
    current, voltage = to_real(u), to_real(v)
    text = f"threshold {threshold:g}"
    ax.axhline(threshold, color=canvas.GREY, linestyle="--", linewidth=1.2, label=text)
    ax.step(steps, current, where="mid", color=canvas.ORANGE, linewidth=1.6, label="current u")
    text = "voltage v before reset"
    ax.plot(steps, voltage, "o-", color=canvas.BLUE, linewidth=1.6, markersize=4, label=text)
    height = np.full(len(fired), 1.12 * max(voltage.max(), current.max(), threshold))
    text = f"spike ({len(fired)} in {len(v)} steps)"
    ax.plot(fired, height, "v", color=canvas.RED, markersize=7, label=text)
    ax.xaxis.get_major_locator().set_params(integer=True)
    return canvas.style(ax, title, "step", "current, voltage (real units)")
