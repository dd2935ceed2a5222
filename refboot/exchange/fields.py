"""Single entries of an exchange file, each checked for type and range; every error names the path
in the file.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from refboot.arrays import Ints
from refboot.errors import FormatError
from refboot.exchange.check import check_weight, warn
from refboot.exchange.checksum import text
from refboot.exchange.spec import Shape
from refboot.hdf5 import read_array, where

if TYPE_CHECKING:
    import h5py

BIGGEST = 1 << 31


def dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """The dataset `name` of `group`; raises FormatError."""
    found = group.get(name)
    if not hasattr(found, "dtype"):
        got = "missing" if found is None else "a group"
        raise FormatError(f"{where(group)}/{name}", got, "a dataset")
    return found


def subgroup(group: h5py.Group, name: str) -> h5py.Group:
    """The group `name` of `group`; raises FormatError."""
    found = group.get(name)
    if found is None or hasattr(found, "dtype"):
        got = "missing" if found is None else "a dataset"
        raise FormatError(f"{where(group)}/{name}", got, "a group")
    return found


def known(group: h5py.Group, names: Collection[str], strict: bool) -> None:
    """Raise FormatError, or unless `strict` warn, for an entry of `group` not among `names`."""
    for name in sorted(set(group) - set(names)):
        if strict:
            expected = f"entries among {sorted(names)}"
            raise FormatError(f"{where(group)}/{name}", "unknown", expected)
        warn(f"{where(group)}/{name} is unknown and ignored")


def word(group: h5py.Group, name: str) -> str:
    """A text of one word, of any string type."""
    found = bytes(text(dataset(group, name))[()])
    if not found.isascii():
        raise FormatError(f"{where(group)}/{name}", repr(found), "ASCII text")
    return found.decode("ascii")


def integers(item: h5py.Dataset) -> Ints:
    """Integers of any shape, stored as integers or as whole floats; int64."""
    found = read_array(item, "biuf", "numbers")
    good = (found > -BIGGEST) & (found < BIGGEST) & (found == np.rint(found))
    if not good.all():
        got = f"{found[~good].flat[0]} somewhere"
        raise FormatError(where(item), got, "whole numbers below 2^31")
    return found.astype(np.int64)


def few(group: h5py.Group, name: str, low: int, high: int = BIGGEST, most: int = 1) -> Shape:
    """One to `most` integers in [low, high], 0-d or on one axis."""
    item = dataset(group, name)
    if item.shape is None or len(item.shape) > 1 or not 1 <= item.size <= most:
        raise FormatError(where(item), f"of shape {item.shape}", f"1 to {most} numbers")
    found: list[int] = integers(item).reshape(-1).tolist()
    if not all(low <= value <= high for value in found):
        raise FormatError(where(item), found, f"in [{low}, {high}]")
    return tuple(found)


def one(group: h5py.Group, name: str, low: int, high: int = BIGGEST) -> int:
    """One integer in [low, high]."""
    return few(group, name, low, high)[0]


def pair(group: h5py.Group, name: str, low: int) -> tuple[int, int]:
    """Two integers of at least `low`, or one for both."""
    found = few(group, name, low, most=2)
    return found[0], found[-1]


def weight(group: h5py.Group, shape: Shape | None) -> Ints:
    """The even mantissas of `weight` in `shape` (None: any), refused unread if their own shape is
    another. They may be flat, or have more axes of size 1. Spec: NET-18.
    """
    item = dataset(group, "weight")
    own: Shape = item.shape or ()
    while shape is not None and len(own) > len(shape) and own[-1] == 1:
        own = own[:-1]
    flat = () if shape is None or len(shape) > 2 else (math.prod(shape),)
    if shape is not None and own not in (shape, flat):
        raise FormatError(where(item), f"of shape {item.shape}", f"{shape}")
    found = integers(item)
    check_weight(where(item), found)
    return found if shape is None else found.reshape(shape)


def bias(group: h5py.Group, outputs: int) -> Ints | None:
    """`bias`, (outputs,), or one number for all; None if there is none."""
    if "bias" not in group:
        return None
    item = dataset(group, "bias")
    if item.size not in (1, outputs):
        raise FormatError(where(item), f"of shape {item.shape}", f"({outputs},) or one number")
    return np.broadcast_to(integers(item).reshape(-1), (outputs,)).copy()
