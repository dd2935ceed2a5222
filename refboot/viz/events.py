"""Spike events as a picture and as an animation: dots over time on a line, frames of coloured
pixels in a plane.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from refboot import arrays
from refboot.arrays import extra
from refboot.errors import RangeError
from refboot.viz import canvas

Array = NDArray[Any]
MOST_FRAMES = 10_000
LARGEST = 60.0  # area of the largest dot, points^2


class Events(Protocol):
    """What is drawn of events: places, channels, times in ms, payloads."""

    x: Array
    y: Array | None
    c: Array
    t: Array
    p: Array | None


def still(event: Events, ax: Any = None) -> Any:
    """All events on the axes `ax` (or a new figure's): over time on a line, counted per pixel in a
    plane. Returns the figure.
    """
    ax = canvas.axes(ax, 6, 3)
    if event.y is None:
        ax.scatter(event.t, event.x, **dots(event, np.ones(len(event.t), bool)))
        frame_line(ax, event)
    else:
        counts = np.zeros((int(event.y.max(initial=0)) + 1, int(event.x.max(initial=0)) + 1))
        np.add.at(counts, (event.y, event.x), 1)
        ax.figure.colorbar(ax.imshow(counts, cmap="cividis"), ax=ax, label="events")
        ax.set(xlabel="x (pixel)", ylabel="y (pixel)")
    return ax.figure


def animation(
    event: Events, figure: Any = None, frame_rate: float = 24, repeat: bool = True
) -> Any:
    """A matplotlib animation with `frame_rate` frames per second of event time on `figure` (or a
    new one).

    On a line dots appear as a scan line passes; in a plane each frame shows its own events. Raises
    RangeError for too many frames.
    """
    interval = 1e3 / arrays.number("frame_rate", frame_rate, 0, above=True)
    figure = canvas.figure(6, 2.6) if figure is None else figure
    ax = figure.subplots()
    count = int(np.ceil(event.t.max(initial=0) / interval)) + 2
    if count > MOST_FRAMES:
        raise RangeError(
            "frame_rate", frame_rate, f"one that makes at most {MOST_FRAMES} frames, not {count}"
        )
    draw = (
        line_frames(ax, event, interval) if event.y is None else plane_frames(ax, event, interval)
    )
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not for every frame
    module = extra("matplotlib.animation", "viz")
    return module.FuncAnimation(figure, draw, frames=count, interval=interval, repeat=repeat)


def line_frames(ax: Any, event: Events, interval: float) -> Any:
    """What draws frame i of events on a line."""
    scatter = ax.scatter(event.t, event.x, **dots(event, np.ones(len(event.t), bool)))
    (scan,) = ax.plot([], [], color=canvas.ORANGE, linewidth=1.5)
    top = frame_line(ax, event)
    points, areas = (
        np.column_stack([event.t, event.x]),
        np.broadcast_to(scatter.get_sizes(), len(event.t)),
    )

    def draw(frame: int) -> None:
        now = frame * interval
        seen = event.t < now
        scatter.set_offsets(points[seen])
        scatter.set_sizes(areas[seen])
        scan.set_data([now, now], [-0.5, top - 0.5])

    return draw


def plane_frames(ax: Any, event: Events, interval: float) -> Any:
    """What draws frame i of events in a plane: channel 0 blue, 1 red, 2 green, as lava-dl does."""
    assert event.y is not None
    y, x = event.y, event.x
    image = ax.imshow(np.zeros((int(y.max(initial=0)) + 1, int(x.max(initial=0)) + 1, 3)))
    ax.set(xlabel="x (pixel)", ylabel="y (pixel)")

    def draw(frame: int) -> None:
        now = (event.t >= frame * interval) & (event.t < (frame + 1) * interval)
        pixels = np.zeros((*image.get_array().shape[:2], 3))
        for channel, colour in ((0, 2), (1, 0), (2, 1)):
            chosen = now & (event.c == channel)
            pixels[y[chosen], x[chosen], colour] = 1
        image.set_data(pixels)

    return draw


def dots(event: Events, chosen: Array) -> dict[str, Any]:
    """Sizes and colour of dots: of one size, or by payload, from the lowest (or none) to the
    highest.
    """
    if event.p is None:
        return {"s": 14.0, "color": canvas.BLUE, "linewidths": 0}
    low, high = min(0.0, float(event.p.min(initial=0))), float(event.p.max(initial=0))
    share = (event.p[chosen] - low) / (high - low if high > low else 1)
    return {"s": 1 + LARGEST * share, "color": canvas.BLUE, "alpha": 0.8, "linewidths": 0}


def frame_line(ax: Any, event: Events) -> int:
    """Axes for events on a line: whole neurons upwards, time in ms; returns how many neurons."""
    count = int(event.x.max(initial=0)) + 1
    last = float(event.t.max(initial=0)) or 1.0
    canvas.style(ax, xlabel="time (ms)", ylabel="neuron")
    ax.set(xlim=(-0.03 * last, 1.05 * last), ylim=(-0.7, count - 0.3))
    if count <= 12:
        ax.set_yticks(range(count))
    return count
