"""HDF5 with a belt: files appear whole or not at all, and nothing in a foreign file is trusted."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from refboot import files
from refboot.errors import FormatError, RefbootError
from refboot.hdf5_process import parser

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_ELEMENTS, MOST_ITEMS = 1 << 28, 10_000
# An array may be declared that is not stored: what is small may be empty, what is larger can be
# packed by deflate to a 1030th at most.
SMALL, MOST_COMPRESSED = 1 << 16, 1030
LIMITS = {
    "most_elements": MAX_ELEMENTS,
    "most_items": MOST_ITEMS,
    "small": SMALL,
    "most_compressed": MOST_COMPRESSED,
}
_name: ContextVar[str | None] = ContextVar(
    "refboot_hdf5_file", default=None
)  # of the file that is read: its copy has none


@contextmanager
def writing(path: str | os.PathLike[str], sealed: bool = False) -> Iterator[h5py.File]:
    """An HDF5 file, built in memory, that replaces `path` when the block ends: synced, whole or not
    at all; `sealed` as `files.seal`.

    Raises FormatError where it cannot be written: no such folder, a full disk. Spec: NET-17.
    """
    import h5py  # noqa: PLC0415 (slow, and training can begin without)

    files.as_path("path", path)
    with h5py.File(os.fspath(path), "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    files.replace(path, *([files.seal(image)] if sealed else []), image)


@contextmanager
def reading(path: str | os.PathLike[str], sealed: bool = False) -> Iterator[h5py.File]:
    """What is in the HDF5 file `path`, copied by a process of its own; whatever HDF5 says against
    it is a FormatError that names it.

    A seal is checked before HDF5 sees the file, which is refused when it was torn or changed; with
    `sealed` it must have one.
    """
    import h5py  # noqa: PLC0415 (slow, and training can begin without)

    place = files.as_path("path", path)
    if not place.is_file():
        raise FormatError(str(path), "a folder" if place.is_dir() else "not there", "an HDF5 file")
    files.check_seal(path, None if sealed else SIGNATURE)
    image = parser.copy(path, LIMITS)
    token = _name.set(os.fspath(path))
    try:
        with h5py.File(h5py.h5f.open_file_image(image), "r") as file:
            yield file
    except RefbootError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(str(path), f"damaged ({error})", "a whole HDF5 file") from error
    finally:
        _name.reset(token)


def read_floats(dataset: h5py.Dataset) -> np.ndarray:
    """A dataset of floats of any shape, refused before it is read as `read_array` does. Raises
    FormatError.
    """
    return read_array(dataset, "f", "floats")


def read_array(dataset: h5py.Dataset, kinds: str, what: str) -> np.ndarray:
    """A dataset whose dtype is of one of the NumPy `kinds` (called `what` in the error), of any
    shape.

    Raises FormatError, before anything is read, for what is virtual, external, too large, or larger
    than its bytes in the file can hold.
    """
    name = where(dataset)
    if (
        dataset.dtype.kind not in kinds
        or dataset.shape is None
        or dataset.is_virtual
        or dataset.external
    ):
        raise FormatError(
            name,
            f"of type {dataset.dtype}, shape {dataset.shape}",
            f"a plain array of {what} in the file itself",
        )
    if dataset.size > MAX_ELEMENTS:
        raise FormatError(name, f"of {dataset.size} elements", f"at most {MAX_ELEMENTS}")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > SMALL + MOST_COMPRESSED * stored:
        raise FormatError(
            name,
            f"of {dataset.nbytes} bytes, {stored} of them stored",
            "an array that is in the file",
        )
    return np.asarray(dataset[()])


def where(item: h5py.Group | h5py.Dataset) -> str:
    """The file and the path in it, for messages: `net.h5:/layer/0`."""
    return f"{_name.get() or item.file.filename}:{item.name}"


def walk(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset below `group` with its dotted name.

    Raises FormatError for links (soft, external), and for what lies deeper than 8 levels or has
    more than 10,000 items: few bytes can hold groups that contain each other.
    """
    yield from _walk(group, "", itertools.count(1))


def is_link(group: h5py.Group, key: str) -> bool:
    """Whether what `group` calls `key` is a soft or external link, not something in the group
    itself.
    """
    import h5py  # noqa: PLC0415 (slow, and training can begin without)

    return not isinstance(group.get(key, getlink=True), h5py.HardLink)


def _walk(
    group: h5py.Group, prefix: str, items: Iterator[int]
) -> Iterator[tuple[str, h5py.Dataset]]:
    import h5py  # noqa: PLC0415 (slow, and training can begin without)

    if prefix.count(".") > 8:
        raise FormatError(where(group), "nested too deep", "at most 8 levels")
    for key in group:
        if next(items) > MOST_ITEMS:
            raise FormatError(where(group), "one of too many groups", f"at most {MOST_ITEMS} items")
        if is_link(group, key):
            raise FormatError(
                f"{where(group)}/{key}", "a link", "a group or dataset in the file itself"
            )
        child: Any = group[key]
        if isinstance(child, h5py.Group):
            yield from _walk(child, f"{prefix}{key}.", items)
        elif isinstance(child, h5py.Dataset):
            yield f"{prefix}{key}", child
        else:
            raise FormatError(
                f"{where(group)}/{key}", f"a {type(child).__name__}", "a group or a dataset"
            )
