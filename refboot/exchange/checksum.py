"""The digest of what an exchange file says, however it is packed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from refboot.errors import FormatError
from refboot.hdf5 import items, library, read_array, where

if TYPE_CHECKING:
    import h5py

NAME = "sha256"


def digest(file: h5py.File, version: int) -> str:
    """SHA-256, in hex, over every group, dataset (type, shape, bytes) and attribute of `file` but
    the digest kept there. Raises FormatError for data that is neither numbers nor text.

    Version 1 left out the root, the groups without datasets, and the types of attributes.
    """
    found = {"": file, **dict(items(file))}
    if version == 1:
        data = [name.split("/") for name, item in found.items() if hasattr(item, "shape")]
        kept = {"/".join(parts[: n + 1]) for parts in data for n in range(len(parts))}
        kept = {name for name in kept if name.split("/")[0] in ("layer", "refboot")}
        found = {name: found[name] for name in kept | {"layer", "refboot"}}
    total = hashlib.sha256()
    for _, item in sorted(found.items()):
        attributes = {key: value for key, value in item.attrs.items() if key != NAME}
        told = sorted((key, _told(value, version)) for key, value in attributes.items())
        total.update(f"{item.name} {told}\n".encode())
        if hasattr(item, "shape"):
            kind = item.dtype.kind
            array = text(item) if kind == "O" else read_array(item, "biufS", "numbers or text")
            total.update(f"{array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    return total.hexdigest()


def _told(value: Any, version: int) -> str:
    """The value of an attribute as the digest takes it."""
    if version == 1 or isinstance(value, (str, library().Empty)):
        return str(value) if version == 1 else f"{type(value).__name__} {value}"
    array = np.asarray(value)
    return f"{array.dtype.str} {array.shape} {array.tobytes().hex()}"


def text(dataset: h5py.Dataset) -> np.ndarray:
    """The bytes of a single text, of fixed or variable length, as a 0-d array; raises FormatError
    for anything else.
    """
    is_text = library().check_string_dtype(dataset.dtype) is not None
    if not is_text or dataset.shape is None or dataset.size != 1:
        got = f"of type {dataset.dtype}, shape {dataset.shape}"
        raise FormatError(where(dataset), got, "one text")
    value = dataset[()]
    return np.array(value if isinstance(value, bytes) else value.reshape(-1)[0], "S")
