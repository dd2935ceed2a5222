"""Labelled images: the record that every loader of data returns, and the UCI handwritten digits,
which ship with the package (DIGITS.md names their authors).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Ints, check_finite, check_shape, flag, labels, number, whole
from refboot.errors import FormatError, RangeError, TypeMismatchError

DIGITS = Path(__file__).with_name("digits.npz")
COUNT, TRAINING = 1797, 1437


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images, which a DataLoader cuts into batches.

    `images` is uint8 in [0, scale] or float32, (N, C, H, W); `labels` int64 (N,) in [0, classes).
    `scale` is the largest value of a uint8 pixel (255 for MNIST, 16 for the digits); ToTensor
    divides by it. Raises TypeMismatchError, ShapeError or RangeError for anything else.
    """

    images: NDArray[Any]
    labels: Ints
    name: str
    classes: int
    scale: float = 255.0

    def __post_init__(self) -> None:
        name, scale = f"images of {self.name}", number("scale", self.scale, 0, above=True)
        check_images(name, self.images, (np.uint8, np.float32))
        if self.images.dtype == np.float32:
            check_finite(name, self.images)
        elif self.images.max() > scale:
            raise RangeError(name, f"as large as {self.images.max()}", f"in [0, {scale:g}]")
        classes = whole("classes", self.classes)
        checked = labels(f"labels of {self.name}", self.labels, len(self.images), classes)
        object.__setattr__(self, "labels", checked)

    def __len__(self) -> int:
        return len(self.images)


def check_images(name: str, images: object, dtypes: Sequence[type]) -> None:
    """Raise TypeMismatchError or ShapeError unless `images` is (N, C, H, W) of one of `dtypes`."""
    if not isinstance(images, np.ndarray) or images.dtype not in dtypes:
        wanted = " or ".join(dtype.__name__ for dtype in dtypes)
        hint = "" if np.uint8 in dtypes else " (ToTensor makes float32)"
        got = f"of type {getattr(images, 'dtype', type(images).__name__)}"
        raise TypeMismatchError(name, got, f"an array of {wanted}{hint}")
    check_shape(name, images, ("N", "C", "H", "W"))


def load_digits(train: bool = True) -> Dataset:
    """The first 1,437 digits (training) or the other 360 (test): uint8 (N, 1, 8, 8) in [0, 16].

    Labels are int64 (N,) in [0, 10). Raises FormatError if the packed file is damaged.
    """
    part = slice(None, TRAINING) if flag("train", train) else slice(TRAINING, None)
    try:
        with DIGITS.open("rb") as stream, np.load(stream, allow_pickle=False) as packed:
            images, labels = packed["images"], packed["labels"]
    except (OSError, EOFError, ValueError, KeyError, zlib.error, zipfile.BadZipFile) as error:
        raise FormatError(str(DIGITS), f"unreadable ({error})", "refboot's digits") from error
    if images.shape != (COUNT, 8, 8) or labels.shape != (COUNT,):
        raise FormatError(str(DIGITS), f"of shape {images.shape}", f"({COUNT}, 8, 8), with labels")
    name = f"digits {'training' if train else 'test'}"
    return Dataset(images[part, None], labels[part].astype(np.int64), name, 10, 16.0)
