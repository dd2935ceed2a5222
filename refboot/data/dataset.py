"""The record that every loader of data returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Ints, check_finite, check_shape, labels, number, whole
from refboot.errors import RangeError, TypeMismatchError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images: what a DataLoader cuts into batches.

    `images` is uint8 in [0, scale] or float32, (N, C, H, W); `labels` int64 (N,) in [0, classes);
    `scale` is the largest value a uint8 pixel can have (255 for MNIST, 16 for the digits), by which
    ToTensor divides. Raises TypeMismatchError, ShapeError or RangeError for anything else.
    """

    images: NDArray[Any]
    labels: Ints
    name: str
    classes: int
    scale: float = 255.0

    def __post_init__(self) -> None:
        _check_images(
            f"images of {self.name}", self.images, number("scale", self.scale, 0, above=True)
        )
        classes = whole("classes", self.classes)
        object.__setattr__(
            self, "labels", labels(f"labels of {self.name}", self.labels, len(self.images), classes)
        )

    def __len__(self) -> int:
        return len(self.images)


def _check_images(name: str, images: object, scale: float) -> None:
    if not isinstance(images, np.ndarray) or images.dtype not in (np.uint8, np.float32):
        got = (
            f"of dtype {images.dtype}"
            if isinstance(images, np.ndarray)
            else f"a {type(images).__name__}"
        )
        raise TypeMismatchError(name, got, "a uint8 or float32 array")
    check_shape(name, images, ("N", "C", "H", "W"))
    if images.dtype == np.float32:
        check_finite(name, images)
    elif images.max() > scale:
        raise RangeError(name, f"as large as {images.max()}", f"in [0, {scale:g}], the scale")
