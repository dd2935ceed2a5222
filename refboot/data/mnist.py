"""MNIST, from a folder or from its public mirrors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import flag
from refboot.data.dataset import Dataset
from refboot.data.idx import PathName, read_idx
from refboot.errors import FormatError, TypeMismatchError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# SHA-256 of the unpacked files: copies in circulation are packed differently, their contents are
# the same.
DIGESTS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def load_mnist(
    root: PathName | None = None,
    train: bool = True,
    download: bool = False,
    mirrors: Sequence[str] = MIRRORS,
) -> Dataset:
    """MNIST's 60,000 training or 10,000 test images: uint8 (N, 1, 28, 28) in [0, 255], labels int64
    (N,) in [0, 10).

    The IDX files, plain or .gz, are looked for in `root` and in `root`/MNIST/raw (where torchvision
    puts them). Without `root` it is the folder named by REFBOOT_DATA, else ~/.cache/refboot/mnist.
    With `download` a file that is not there is fetched into `root` from the first of `mirrors`
    whose copy has the right SHA-256. Raises FormatError for a file that is missing, damaged or not
    MNIST's, or that no mirror has.
    """
    if root is not None and not isinstance(root, (str, os.PathLike)):
        raise TypeMismatchError("root", repr(root), "a folder (str or os.PathLike) or None")
    train, download = flag("train", train), flag("download", download)
    folder = _default_folder() if root is None else Path(root)
    prefix = "train" if train else "t10k"
    image_file = _locate(folder, f"{prefix}-images-idx3-ubyte", download, mirrors)
    label_file = _locate(folder, f"{prefix}-labels-idx1-ubyte", download, mirrors)
    images = _read(image_file, (28, 28))
    labels = _read(label_file, ())
    if len(images) != len(labels):
        raise FormatError(
            str(label_file),
            f"a file of {len(labels)} labels",
            f"one for each of the {len(images)} images",
        )
    if labels.max() > 9:
        raise FormatError(
            str(label_file), f"a file with a label {labels.max()}", "labels in [0, 9]"
        )
    return Dataset(
        images[:, None],
        labels.astype(np.int64),
        f"MNIST {'training' if train else 'test'}",
        10,
        255.0,
    )


def _default_folder() -> Path:
    return Path(os.environ.get("REFBOOT_DATA") or Path.home() / ".cache" / "refboot" / "mnist")


def _locate(folder: Path, name: str, download: bool, mirrors: Sequence[str]) -> Path:
    for place in (folder, folder / "MNIST" / "raw"):
        for path in (place / name, place / f"{name}.gz"):
            if path.is_file():
                return path
    if download:
        from refboot.data.download import fetch  # noqa: PLC0415 (slow, and seldom needed)

        return fetch(f"{name}.gz", DIGESTS[name], folder, mirrors)
    raise FormatError(
        f"{name}[.gz]",
        f"neither in {folder} nor in its MNIST/raw",
        "the MNIST file, or download=True",
    )


def _read(path: Path, item: tuple[int, ...]) -> NDArray[Any]:
    """The uint8 array in `path`, of shape (N, *item) with N >= 1; raises FormatError for any
    other.
    """
    array = read_idx(path)
    if (
        array.dtype != np.uint8
        or array.ndim != 1 + len(item)
        or array.shape[1:] != item
        or not len(array)
    ):
        wanted = ", ".join(["N", *map(str, item)])
        raise FormatError(
            str(path), f"an IDX file of {array.dtype} {array.shape}", f"uint8 ({wanted})"
        )
    return array
