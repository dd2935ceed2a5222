"""Spike events as a picture and as an animation: dots over time on a line, pixels in a plane."""

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
    """All events: over time if they lie on a line, counted per pixel if they lie in a plane."""
    ax = canvas.axes(ax, 6, 3)
    if event.y is None:
        _dots(ax, event)
    else:
        counts = np.zeros((int(event.y.max(initial=0)) + 1, int(event.x.max(initial=0)) + 1))
        np.add.at(counts, (event.y, event.x), 1)
        ax.figure.colorbar(ax.imshow(counts, cmap="cividis"), ax=ax, label="events")
        ax.set(xlabel="x (pixel)", ylabel="y (pixel)")
    return ax.figure


def animation(
    event: Events, figure: Any = None, frame_rate: float = 24, repeat: bool = True
) -> Any:
    """A matplotlib animation with `frame_rate` frames per second of event time.

    On a line, dots appear as a scan line passes. In a plane, each frame shows its own events:
    channel 0 blue, 1 red, 2 green, as in lava-dl. Raises RangeError for too many frames.
    """
    interval = 1e3 / arrays.number("frame_rate", frame_rate, 0, above=True)
    count = int(np.ceil(event.t.max(initial=0) / interval)) + 2
    if count > MOST_FRAMES:
        raise RangeError("frame_rate", frame_rate, f"at most {MOST_FRAMES} frames, not {count}")
    figure = canvas.figure(6, 2.6) if figure is None else figure
    frames = _line_frames if event.y is None else _plane_frames
    draw = frames(figure.subplots(), event, interval)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # computed once, not for every frame
    module = extra("matplotlib.animation", "viz")
    return module.FuncAnimation(figure, draw, frames=count, interval=interval, repeat=repeat)


def _dots(ax: Any, event: Events) -> tuple[Any, int]:
    """Draw events on a line, dots grow with the payload; returns the dots and how many neurons."""
    sizes = np.full(len(event.t), 14.0)
    if event.p is not None:
        low, high = min(0.0, float(event.p.min(initial=0))), float(event.p.max(initial=0))
        sizes = 1 + LARGEST * (event.p - low) / (high - low if high > low else 1)
    dots = ax.scatter(event.t, event.x, s=sizes, color=canvas.BLUE, alpha=0.8, linewidths=0)
    count = int(event.x.max(initial=0)) + 1
    last = float(event.t.max(initial=0)) or 1.0
    canvas.style(ax, xlabel="time (ms)", ylabel="neuron")
    ax.set(xlim=(-0.03 * last, 1.05 * last), ylim=(-0.7, count - 0.3))
    if count <= 12:
        ax.set_yticks(range(count))
    return dots, count


def _line_frames(ax: Any, event: Events, interval: float) -> Any:
    dots, top = _dots(ax, event)
    (scan,) = ax.plot([], [], color=canvas.ORANGE, linewidth=1.5)
    points, areas = np.column_stack([event.t, event.x]), dots.get_sizes()

    def draw(frame: int) -> None:
        now = frame * interval
        seen = event.t < now
        dots.set_offsets(points[seen])
        dots.set_sizes(areas[seen])
        scan.set_data([now, now], [-0.5, top - 0.5])

    return draw


def _plane_frames(ax: Any, event: Events, interval: float) -> Any:
    assert event.y is not None
    y, x = event.y, event.x
    shape = int(y.max(initial=0)) + 1, int(x.max(initial=0)) + 1, 3
    image = ax.imshow(np.zeros(shape))
    ax.set(xlabel="x (pixel)", ylabel="y (pixel)")

    def draw(frame: int) -> None:
        now = (event.t >= frame * interval) & (event.t < (frame + 1) * interval)
        pixels = np.zeros(shape)
        for channel, colour in ((0, 2), (1, 0), (2, 1)):
            chosen = now & (event.c == channel)
            pixels[y[chosen], x[chosen], colour] = 1
        image.set_data(pixels)

    return draw
