"""The UCI handwritten digits, which ship with the package (DIGITS.md names their authors)."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from refboot.arrays import flag
from refboot.data.dataset import Dataset
from refboot.errors import FormatError

FILE = Path(__file__).with_name("digits.npz")
COUNT = 1797
TRAINING = 1437


def load_digits(train: bool = True) -> Dataset:
    """The first 1,437 of the digits (training) or the other 360 (test): uint8 (N, 1, 8, 8) in [0,
    16].

    The labels are int64 (N,) in [0, 10); the record's scale is 16. Raises FormatError when the
    packed file is damaged.
    """
    train = flag("train", train)
    try:
        with FILE.open("rb") as stream, np.load(stream, allow_pickle=False) as packed:
            images, labels = packed["images"], packed["labels"]
    except (OSError, EOFError, ValueError, KeyError, zlib.error, zipfile.BadZipFile) as error:
        raise FormatError(
            str(FILE), f"unreadable ({error})", "the digits that ship with refboot"
        ) from error
    if images.shape != (COUNT, 8, 8) or labels.shape != (COUNT,):
        raise FormatError(
            str(FILE), f"of shapes {images.shape}, {labels.shape}", f"({COUNT}, 8, 8), ({COUNT},)"
        )
    part = slice(None, TRAINING) if train else slice(TRAINING, None)
    return Dataset(
        images[part, None],
        labels[part].astype(np.int64),
        f"digits {'training' if train else 'test'}",
        10,
        16.0,
    )
