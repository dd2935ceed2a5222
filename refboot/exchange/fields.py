"""Single entries of an exchange file, each held to its type and range; every error names the path
in the file.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, cast

import numpy as np

from refboot import arrays
from refboot.arrays import Ints
from refboot.errors import FormatError
from refboot.exchange.checksum import text
from refboot.hdf5 import is_link, read_array, where

if TYPE_CHECKING:
    import h5py

BIGGEST = 1 << 31
_strict: ContextVar[bool] = ContextVar("refboot_exchange_strict", default=True)


class ExchangeWarning(UserWarning):
    """A file is written or read, but something in it will be changed or passed over by the one who
    reads it.
    """


@contextmanager
def strictness(strict: bool) -> Iterator[None]:
    """Within the `with` block an unknown entry is an error (`strict`) or a warning; raises
    TypeMismatchError.
    """
    token = _strict.set(arrays.flag("strict", strict))
    try:
        yield
    finally:
        _strict.reset(token)


def dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """The dataset `name` of `group`; raises FormatError where it is missing, a link, or no
    dataset.
    """
    return _own(group, name, "Dataset", "a dataset")


def subgroup(group: h5py.Group, name: str) -> h5py.Group:
    """The group `name` of `group`; raises FormatError where it is missing, a link, or no group."""
    return _own(group, name, "Group", "a group")


def known(group: h5py.Group, names: Collection[str]) -> None:
    """Raise FormatError for an entry of `group` that is not among `names`, or, where reading is not
    strict, warn of it.
    """
    unknown = sorted(set(group) - set(names))
    if unknown and not _strict.get():
        warnings.warn(
            f"{where(group)}/{unknown[0]} is unknown and passed over", ExchangeWarning, stacklevel=2
        )
    elif unknown:
        raise FormatError(
            f"{where(group)}/{unknown[0]}", "unknown", f"entries among {sorted(names)}"
        )


def word(group: h5py.Group, name: str) -> str:
    """A text of one word, of whatever string type."""
    found = text(dataset(group, name))
    try:
        return bytes(found[()]).decode("ascii")
    except UnicodeDecodeError as error:
        raise FormatError(f"{where(group)}/{name}", repr(found[()]), "ASCII text") from error


def integers(group: h5py.Group, name: str) -> Ints:
    """Integers of any shape, stored as integers or as whole floats; int64."""
    item = dataset(group, name)
    found = read_array(item, "iuf", "numbers")
    good = (found > -BIGGEST) & (found < BIGGEST)
    if found.dtype.kind == "f":
        good &= found == np.rint(found)
    if not good.all():
        raise FormatError(
            where(item), f"{found[~good].flat[0]} somewhere", "whole numbers below 2^31"
        )
    return found.astype(np.int64)


def integer(group: h5py.Group, name: str, low: int, high: int) -> int:
    """One integer in [low, high], 0-d or of shape (1,)."""
    item = dataset(group, name)
    few(item, 1)
    value = int(integers(group, name).reshape(-1)[0])
    if not low <= value <= high:
        raise FormatError(where(item), value, f"in [{low}, {high}]")
    return value


def flag(group: h5py.Group, name: str) -> bool:
    """One truth value; False where there is none."""
    if name not in group:
        return False
    item = dataset(group, name)
    few(item, 1)
    return bool(read_array(item, "biu", "truth values").reshape(-1)[0])


def pair(group: h5py.Group, name: str, low: int) -> tuple[int, int]:
    """Two integers of at least `low`, or one for both."""
    item = dataset(group, name)
    few(item, 1, 2)
    found = integers(group, name).reshape(-1)
    if found.min() < low:
        raise FormatError(where(item), found.tolist(), f"at least {low}")
    return int(found[0]), int(found[-1])


def shape(group: h5py.Group, name: str = "shape") -> tuple[int, ...]:
    """One to three sizes of at least 1."""
    item = dataset(group, name)
    few(item, 1, 2, 3)
    found = integers(group, name).reshape(-1)
    if found.min() < 1:
        raise FormatError(where(item), found.tolist(), "sizes of at least 1")
    return tuple(found.tolist())


def few(item: h5py.Dataset, *sizes: int) -> None:
    """Raise FormatError, before anything is read, unless the dataset has one of these numbers of
    elements, on one axis at most.
    """
    if item.shape is None or len(item.shape) > 1 or item.size not in sizes:
        raise FormatError(
            where(item), f"of shape {item.shape}", f"{' or '.join(map(str, sizes))} numbers"
        )


def _own(group: h5py.Group, name: str, kind: str, what: str) -> h5py.Group | h5py.Dataset:
    if name not in group:
        raise FormatError(f"{where(group)}/{name}", "missing", what)
    if is_link(group, name):
        raise FormatError(f"{where(group)}/{name}", "a link", f"{what} in the file itself")
    found = group.get(name, getclass=True).__name__
    if found != kind:
        raise FormatError(f"{where(group)}/{name}", f"a {found}", what)
    return cast("h5py.Group | h5py.Dataset", group[name])
