"""HDF5 with a belt: files appear whole or not at all, and nothing in a foreign file is trusted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from refboot.errors import FormatError

MAX_ELEMENTS = 1 << 28


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """An HDF5 file that replaces `path` when the block ends, synced, and is removed if it fails. Raises FormatError for a bad folder."""
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    except OSError as error:
        raise FormatError(str(target.parent), f"no folder to write to ({error.strerror})", "a writable folder") from error
    os.close(handle)
    try:
        with h5py.File(name, "w") as file:
            yield file
        with open(name, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """The HDF5 file `path`; whatever HDF5 says against it becomes a FormatError that names it."""
    if not Path(path).is_file():
        raise FormatError(str(path), "not there", "an HDF5 file")
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError) as error:
        raise FormatError(str(path), f"unreadable ({error})", "an HDF5 file") from error
    with file:
        try:
            yield file
        except (OSError, RuntimeError, KeyError, TypeError, OverflowError) as error:
            raise FormatError(str(path), f"damaged ({error})", "a whole HDF5 file") from error


def read_floats(dataset: h5py.Dataset) -> np.ndarray:
    """A dataset of floats of any shape, refused before it is read if it is virtual, external or too large. Raises FormatError."""
    name = f"{dataset.file.filename}:{dataset.name}"
    if dataset.dtype.kind != "f" or dataset.shape is None or dataset.is_virtual or dataset.external:
        raise FormatError(name, f"of type {dataset.dtype}, shape {dataset.shape}", "a plain array of floats in the file itself")
    if dataset.size > MAX_ELEMENTS:
        raise FormatError(name, f"of {dataset.size} elements", f"at most {MAX_ELEMENTS}")
    return np.asarray(dataset[()])


def walk(group: h5py.Group, prefix: str = "") -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset below `group` with its dotted name; raises FormatError for links (soft, external) and what lies deeper than 8."""
    if prefix.count(".") > 8:
        raise FormatError(f"{group.file.filename}:{group.name}", "nested too deep", "at most 8 levels")
    for key in group:
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise FormatError(f"{group.file.filename}:{group.name}/{key}", "a link", "a group or dataset in the file itself")
        child: Any = group[key]
        if isinstance(child, h5py.Group):
            yield from walk(child, f"{prefix}{key}.")
        elif isinstance(child, h5py.Dataset):
            yield f"{prefix}{key}", child
        else:
            raise FormatError(f"{child.name}", f"a {type(child).__name__}", "a group or a dataset")
