"""A digest of what an exchange file says, whatever the order and packing it is stored in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from refboot.errors import FormatError
from refboot.hdf5 import read_array, walk, where

if TYPE_CHECKING:
    import h5py

NAME = "sha256"


def digest(*groups: h5py.Group) -> str:
    """SHA-256, in hex, over every dataset (path, type, shape, bytes) and every attribute below
    `groups`, but for a digest kept there.

    Raises FormatError for links, and as read_array does.
    """
    result = hashlib.sha256()
    for group in groups:
        for path in sorted(_items(group)):
            _add(result, group[path] if path else group)
    return result.hexdigest()


def _items(group: h5py.Group) -> set[str]:
    """The paths of every dataset below `group` and of the groups on the way to it, that of `group`
    itself ("") included.
    """
    paths = {""}
    for name, _ in walk(group):
        parts = name.split(".")
        paths |= {"/".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return paths


def _add(result: hashlib._Hash, item: h5py.Group | h5py.Dataset) -> None:
    import h5py  # noqa: PLC0415 (slow, and training can begin without)

    attributes = sorted((key, str(value)) for key, value in item.attrs.items() if key != NAME)
    result.update(f"{item.name} {attributes}\n".encode())
    if isinstance(item, h5py.Dataset):
        array = (
            text(item) if item.dtype.kind == "O" else read_array(item, "biufS", "numbers or text")
        )
        result.update(f"{array.dtype.str} {array.shape}\n".encode())
        result.update(np.ascontiguousarray(array).tobytes())


def text(dataset: h5py.Dataset) -> np.ndarray:
    """The bytes of a single text, of fixed or variable length, as a 0-d array; raises FormatError
    for anything else.
    """
    import h5py  # noqa: PLC0415 (slow, and training can begin without)

    if h5py.check_string_dtype(dataset.dtype) is None or dataset.shape is None or dataset.size != 1:
        raise FormatError(
            where(dataset), f"of type {dataset.dtype}, shape {dataset.shape}", "one text"
        )
    value = dataset[()]
    return np.array(value if isinstance(value, bytes) else value.reshape(-1)[0], "S")
