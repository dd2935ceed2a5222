"""Reads IDX files (the format of MNIST), plain or gzip, believing nothing that the file's length
does not bear out.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from refboot.errors import FormatError, TypeMismatchError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
MAX_AXES = 32
MAX_INFLATION = 1032  # bytes that one byte of deflate can unpack to: 258 of them take two bits
CHUNK = 1 << 20

PathName = str | os.PathLike[str]


def read_idx(path: PathName) -> NDArray[Any]:
    """The array in an IDX file, in the machine's byte order; gzip is recognised by its first bytes,
    not by its name.

    uint8, int8, int16, int32, float32 or float64, of 1 to 32 axes, exact. Raises FormatError,
    before memory is taken for the values, when the file is missing, foreign, truncated or damaged,
    has bytes left over, or announces more than it can hold. A packed file is unpacked to at most
    one byte more than it announces.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeMismatchError("path", repr(path), "a str or os.PathLike")
    name = os.fspath(path)
    try:
        if not Path(path).is_file():
            raise FormatError(name, "missing or no regular file", "an IDX file, plain or gzip")
        return _read_file(name)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(name, f"unreadable ({error})", "an IDX file, plain or gzip") from error


def _read_file(name: str) -> NDArray[Any]:
    with open(name, "rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        packed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if not packed:
            return _read_stream(name, raw, size)
        with gzip.GzipFile(fileobj=raw) as stream:
            return _read_stream(name, stream, size * MAX_INFLATION)


def _read_stream(name: str, stream: IO[bytes] | gzip.GzipFile, limit: int) -> NDArray[Any]:
    dtype, shape = _header(name, stream)
    size = math.prod(shape) * dtype.itemsize
    # An empty array may still have axes whose product NumPy cannot hold.
    if size > limit or math.prod(max(axis, 1) for axis in shape) > 2**48:
        raise FormatError(
            name,
            f"of shape {shape}, {size} bytes",
            f"at most the {limit} bytes it can hold: truncated or absurd",
        )
    data = _take(stream, size + 1)
    if len(data) < size:
        raise FormatError(
            name, f"truncated: {len(data)} bytes of values", f"{size} bytes for shape {shape}"
        )
    if len(data) > size:
        raise FormatError(name, f"longer than its {size} bytes of values", "nothing after them")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _header(name: str, stream: IO[bytes] | gzip.GzipFile) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    valid = (
        len(magic) == 4
        and magic[:2] == b"\0\0"
        and magic[2] in DTYPES
        and 1 <= magic[3] <= MAX_AXES
    )
    if not valid:
        raise FormatError(
            name,
            f"a file that starts with {magic!r}",
            "an IDX magic number: 0, 0, a type code, 1 to 32 axes",
        )
    axes = stream.read(4 * magic[3])
    if len(axes) < 4 * magic[3]:
        raise FormatError(
            name, f"truncated in its header: {len(axes)} bytes of axes", f"{4 * magic[3]} bytes"
        )
    return np.dtype(DTYPES[magic[2]]), tuple(int(axis) for axis in np.frombuffer(axes, ">u4"))


def _take(stream: IO[bytes] | gzip.GzipFile, count: int) -> bytearray:
    """The next `count` bytes or what there is; memory grows with what was read, not with what was
    asked for.
    """
    data = bytearray()
    while len(data) < count:
        chunk = stream.read(min(CHUNK, count - len(data)))
        if not chunk:
            break
        data += chunk
    return data
