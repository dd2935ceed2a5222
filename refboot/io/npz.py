"""Reading .npz files without trusting them: no pickle, and no length that is not backed by bytes in
the file.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot.errors import FormatError, RefbootError
from refboot.files import as_path
from refboot.hdf5 import MOST_COMPRESSED, SMALL

MOST_BYTES = 1 << 30
# What zipfile raises at damaged archives.
DAMAGE = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
)
MOST_HEADER = 10_000


def read_npz(
    path: str | os.PathLike[str], required: Set[str], optional: Set[str] = frozenset()
) -> dict[str, NDArray[Any]]:
    """The arrays in `path` by name: all of `required`, none but those and `optional`; real numbers
    in as many bytes as they say.

    Raises FormatError, before memory is taken, for anything else.
    """
    as_path("path", path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if not required <= set(names) <= required | optional or len(names) != len(
                archive.infolist()
            ):
                raise FormatError(
                    str(path),
                    f"a file of {sorted(names)}",
                    f"{sorted(required)}, and perhaps {sorted(optional)}",
                )
            size = os.path.getsize(path)
            return {
                name: _array(f"{path}:{name}", archive, info, size) for name, info in names.items()
            }
    except RefbootError:
        raise
    except DAMAGE as error:
        raise FormatError(str(path), f"unreadable ({error})", "an .npz file") from error


def _array(name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> NDArray[Any]:
    if info.compress_size > size or info.file_size > min(
        MOST_BYTES, SMALL + MOST_COMPRESSED * info.compress_size
    ):
        raise FormatError(
            name,
            f"of {info.file_size} bytes, {info.compress_size} packed",
            f"at most {MOST_BYTES}, and in the file",
        )
    content = archive.read(info)
    shape, dtype, start = _header(name, content)
    if (
        dtype.kind not in "biuf"
        or len(shape) != 1
        or math.prod(shape) * dtype.itemsize != len(content) - start
    ):
        raise FormatError(
            name,
            f"{dtype} of shape {shape} in {len(content) - start} bytes",
            "one axis of real numbers, as long as its bytes",
        )
    return np.frombuffer(content, dtype, offset=start).copy()


def _header(name: str, content: bytes) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(stream, max_header_size=MOST_HEADER)
    except (ValueError, SyntaxError, TypeError) as error:
        raise FormatError(
            name, f"without a header of NumPy ({error})", "an array that numpy.save wrote"
        ) from error
    return shape, dtype, stream.tell()
