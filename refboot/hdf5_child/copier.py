"""The process that parses foreign HDF5 files, of which the HDF5 library may crash on or never be
done with: a script, not imported.

It knows nothing of refboot. Each request is a line of JSON, {"path": ...}; the answer a byte (`+`
or `-`), eight bytes of length, and a copy of the file, made anew of what could be read, or the
reason why not. What is no plain data (links, virtual, external, oversized or odd datasets) is
copied as what it is, but empty: the reader refuses it by name.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import IO, Any

import h5py
import numpy as np

DEEPEST = 12


class Copier:
    """Copies one file; `limits` has most_elements, most_items, small and most_compressed."""

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits
        self.items = 0

    def copy(self, path: str) -> bytes:
        """The bytes of a file with the content of the file `path`."""
        with (
            h5py.File(path, "r") as source,
            h5py.File("copy", "w", driver="core", backing_store=False) as target,
        ):
            self.group(source, target, 0)
            target.flush()
            return bytes(target.id.get_file_image())

    def group(self, source: Any, target: Any, depth: int) -> None:
        """Copy a group with all that is in it."""
        if depth > DEEPEST:
            raise ValueError("groups nested too deep")
        self.attributes(source, target)
        for key in source:
            self.items += 1
            if self.items > self.limits["most_items"]:
                raise ValueError(f"more than {self.limits['most_items']} items")
            link = source.get(key, getlink=True)
            if isinstance(link, h5py.HardLink):
                self.item(source, target, key, depth)
            else:
                target[key] = link

    def item(self, source: Any, target: Any, key: str, depth: int) -> None:
        """Copy a group, dataset or type."""
        child = source[key]
        if isinstance(child, h5py.Group):
            self.group(child, target.create_group(key), depth + 1)
        elif isinstance(child, h5py.Dataset):
            self.dataset(child, target, key)
        else:
            target[key] = child.dtype

    def dataset(self, source: Any, target: Any, key: str) -> None:
        """Copy a dataset: its data where there are any and they are plain, else its kind, type and
        shape alone.
        """
        shape, dtype = source.shape, source.dtype
        if shape is None:
            target[key] = h5py.Empty(dtype)
        elif source.is_virtual:
            target.create_virtual_dataset(key, h5py.VirtualLayout(shape, dtype))
        elif source.external:
            target.create_dataset(key, shape, dtype, external=source.external)
        elif self.plain(source):
            target.create_dataset(key, data=source[()], dtype=dtype)
        else:
            target.create_dataset(key, shape, dtype, chunks=(1,) * len(shape) if shape else None)
        self.attributes(source, target[key])

    def plain(self, source: Any) -> bool:
        """Whether the data are numbers or text, not too many, and in the file as many bytes as they
        say.
        """
        most = self.limits["small"] + self.limits["most_compressed"] * source.id.get_storage_size()
        text = h5py.check_string_dtype(source.dtype) is not None
        return (
            (text or source.dtype.kind in "biuf")
            and source.size <= self.limits["most_elements"]
            and source.nbytes <= most
        )

    def attributes(self, source: Any, target: Any) -> None:
        """Copy all attributes."""
        for name in source.attrs:
            self.items += 1
            if self.items > self.limits["most_items"]:
                raise ValueError(f"more than {self.limits['most_items']} items")
            target.attrs[name] = source.attrs[name]


def answer(request: dict[str, Any]) -> tuple[bytes, bytes]:
    """What is said to a request."""
    try:
        return b"+", Copier(request["limits"]).copy(request["path"])
    except Exception as error:  # whatever h5py raises is a reason
        return b"-", (str(error) or type(error).__name__).encode("utf-8", "replace")


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    np.seterr(all="ignore")
    for line in requests:
        status, content = answer(json.loads(line))
        answers.write(status + struct.pack("<Q", len(content)))
        answers.write(content)
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
