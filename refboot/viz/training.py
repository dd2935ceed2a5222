"""How training went: the gradients of the blocks over the epochs, and which class was taken for
which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot import arrays
from refboot.errors import RangeError
from refboot.viz import canvas

Array = NDArray[Any]


def gradient_flow(
    log: Sequence[Mapping[str, Any]],
    ax: Any = None,
    title: str = "Gradient flow, last step of each epoch",
) -> Any:
    """The length of each block's gradient over the epochs, from lines with `epoch` and
    `grad_norms`; returns the figure.

    The axis is logarithmic; a gradient of zero is left out. Raises RangeError for an empty log.
    """
    names = sorted(
        {name for line in log for name in line["grad_norms"]},
        key=lambda name: int(name.rsplit(".", 1)[1]),
    )
    if not names:
        raise RangeError("log", "without grad_norms", "at least one epoch with gradients")
    ax = canvas.axes(ax, 6, 3.6)
    for number, name in enumerate(names):
        points = [
            (line["epoch"], line["grad_norms"][name])
            for line in log
            if line["grad_norms"].get(name, 0) > 0
        ]
        ax.plot(
            *np.array(points).reshape(-1, 2).T,
            color=canvas.CYCLE[number % len(canvas.CYCLE)],
            linewidth=1.3,
            label=name,
        )
    ax.set_yscale("log")
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return canvas.style(ax, title, "epoch", "length of the gradient")


def confusion(
    labels: Array, predictions: Array, classes: int, ax: Any = None, title: str = ""
) -> Any:
    """How often each class (rows) was taken for each (columns), as counts on shares of the row;
    returns the figure.

    Raises TypeMismatchError, ShapeError, RangeError for what are not class numbers.
    """
    labels = arrays.labels("labels", labels, len(labels), classes)
    predictions = arrays.labels("predictions", predictions, len(labels), classes)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predictions), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax = canvas.axes(ax, 5.6, 4.6)
    image = ax.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
    ax.figure.colorbar(image, ax=ax, label="% of the true class")
    if classes <= 20:
        for row, column in np.argwhere(counts):
            colour = "white" if share[row, column] > 0.5 else "black"
            ax.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                fontsize=8,
                color=colour,
            )
    ax.set(xticks=range(0, classes, -(-classes // 20)), yticks=range(0, classes, -(-classes // 20)))
    accuracy = f"{100 * float(np.mean(labels == predictions)):.2f} % of {len(labels)} right"
    return canvas.style(
        ax,
        f"{title}: {accuracy}" if title else accuracy,
        "predicted class",
        "true class",
        grid=False,
    )
