"""Makes vectors.h5 from the shared file: `python tests/lava/pack_vectors.py
SHARED/lava_vectors/vectors.h5`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import h5py

SMALL = 64


def pack(source: Path, target: Path) -> None:
    """Copy groups, attributes and datasets of `source` to `target`; those above 64 bytes as one
    chunk, shuffled, packed by gzip 9.
    """
    partial = target.with_suffix(".partial")
    # The file format of HDF5 1.10: half the overhead per group of the oldest one, and any h5py we
    # support reads it.
    with h5py.File(source, "r") as old, h5py.File(partial, "w", libver=("v110", "v110")) as new:
        copy_group(old, new)
    os.replace(partial, target)


def copy_group(old: h5py.Group, new: h5py.Group) -> None:
    """Copy what is in the group `old` into the empty group `new`."""
    copy_attributes(old, new)
    for name, item in old.items():
        if isinstance(item, h5py.Group):
            copy_group(item, new.create_group(name))
        else:
            packing = {
                "chunks": item.shape,
                "compression": "gzip",
                "compression_opts": 9,
                "shuffle": True,
            }
            copy_attributes(
                item,
                new.create_dataset(name, data=item[()], **packing if item.nbytes > SMALL else {}),
            )


def copy_attributes(old: h5py.Group | h5py.Dataset, new: h5py.Group | h5py.Dataset) -> None:
    """Copy the attributes of `old` to `new`."""
    for name, value in old.attrs.items():
        new.attrs[name] = value


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(__file__).with_name("vectors.h5"))
