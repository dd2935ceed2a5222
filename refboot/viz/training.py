"""How training went: the gradients of the blocks over the epochs, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot import arrays
from refboot.errors import RangeError
from refboot.viz import canvas

Array = NDArray[Any]


def gradient_flow(log: Sequence[Mapping[str, Any]], ax: Any = None, title: str = "") -> Any:
    """The L2 norm of each block's gradient, from lines with `epoch` and `grad_norms`.

    The axis is logarithmic, so gradients of zero are left out. Raises RangeError for an empty log.
    """
    names = {name for line in log for name in line["grad_norms"]}
    if not names:
        raise RangeError("log", "without grad_norms", "at least one epoch with gradients")
    ax = canvas.axes(ax, 6, 3.6)
    for number, name in enumerate(sorted(names, key=lambda name: int(name.rsplit(".", 1)[1]))):
        lines = [line for line in log if line["grad_norms"].get(name, 0) > 0]
        epochs, norms = [n["epoch"] for n in lines], [n["grad_norms"][name] for n in lines]
        colour = canvas.CYCLE[number % len(canvas.CYCLE)]
        ax.plot(epochs, norms, color=colour, linewidth=1.3, label=name)
    ax.set_yscale("log")
    title = title or "Gradients, last step of each epoch"
    return canvas.style(ax, title, "epoch", "L2 norm of the gradient")


def confusion(
    labels: Array, predictions: Array, classes: int, ax: Any = None, title: str = ""
) -> Any:
    """How often each class (rows) was predicted as each (columns): counts, coloured by row share.

    Raises TypeMismatchError, ShapeError or RangeError unless both are class numbers.
    """
    labels = arrays.labels("labels", labels, len(labels), classes)
    predictions = arrays.labels("predictions", predictions, len(labels), classes)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predictions), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax = canvas.axes(ax, 5.6, 4.6)
    image = ax.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
    ax.figure.colorbar(image, ax=ax, label="% of the true class")
    for row, column in np.argwhere(counts) if classes <= 20 else ():
        colour, text = "white" if share[row, column] > 0.5 else "black", str(counts[row, column])
        ax.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    ticks = range(0, classes, -(-classes // 20))
    ax.set(xticks=ticks, yticks=ticks)
    right = 100 * np.count_nonzero(labels == predictions) / len(labels)
    accuracy = f"{right:.2f} % of {len(labels)} right"
    title = f"{title}: {accuracy}" if title else accuracy
    return canvas.style(ax, title, "predicted class", "true class", grid=False)
