"""MNIST from a folder or from its public mirrors, and its file format, IDX. No header can make the
reader use more memory than the file's length allows.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from refboot import files
from refboot.arrays import flag
from refboot.data.dataset import Dataset
from refboot.errors import FormatError, RefbootError, TypeMismatchError

PathName = str | os.PathLike[str]

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MAX_PACKED, MAX_UNPACKED = 32 << 20, 64 << 20
# SHA-256 of the unpacked files: mirrors pack them differently.
DIGESTS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_AXES = 32
MAX_INFLATION = 1032  # bytes that one byte of deflate can unpack to: 258 of them take two bits


def load_mnist(
    root: PathName | None = None,
    train: bool = True,
    download: bool = False,
    mirrors: Sequence[str] = MIRRORS,
) -> Dataset:
    """60,000 training or 10,000 test images: uint8 (N, 1, 28, 28); labels int64 (N,) in [0, 10).

    Looks for the IDX files, plain or .gz, in `root` and in `root`/MNIST/raw (as torchvision).
    Without `root`, the folder is REFBOOT_DATA from the environment, else ~/.cache/refboot/mnist.
    With `download`, a missing file is fetched into that folder from the first of `mirrors` whose
    copy has the right SHA-256. Raises FormatError if a file is missing, damaged or not MNIST's, or
    if no mirror has it.
    """
    part, download = "train" if flag("train", train) else "t10k", flag("download", download)
    if root is None:
        root = os.environ.get("REFBOOT_DATA") or Path.home() / ".cache" / "refboot" / "mnist"
    folder, arrays = files.as_path("root", root), []
    for kind, item in (("images-idx3", (28, 28)), ("labels-idx1", ())):
        path = _locate(folder, f"{part}-{kind}-ubyte", download, mirrors)
        array = read_idx(path)
        if array.dtype != np.uint8 or array.shape[1:] != item or not len(array):
            got = f"an IDX file of {array.dtype} {array.shape}"
            raise FormatError(str(path), got, f"uint8 ({', '.join(['N', *map(str, item)])})")
        arrays.append(array)
    name = f"MNIST {'training' if train else 'test'}"
    try:
        return Dataset(arrays[0][:, None], arrays[1].astype(np.int64), name, 10, 255.0)
    except RefbootError as error:
        raise FormatError(str(path), f"not MNIST's ({error})", "a label per image") from error


def _locate(folder: Path, name: str, download: bool, mirrors: Sequence[str]) -> Path:
    for place in (folder, folder / "MNIST" / "raw"):
        for path in (place / name, place / f"{name}.gz"):
            if path.is_file():
                return path
    if download:
        return fetch(f"{name}.gz", DIGESTS[name], folder, mirrors)
    got = f"neither in {folder} nor in its MNIST/raw"
    raise FormatError(f"{name}[.gz]", got, "the MNIST file, or download=True")


def fetch(name: str, sha256: str, folder: Path, mirrors: Sequence[str]) -> Path:
    """Download the gzip file `name` into `folder` from the first mirror that has it; its path.

    `sha256` is the hex digest of the unpacked contents, because mirrors pack them differently.
    The file appears complete and verified, or not at all. Raises TypeMismatchError unless
    `mirrors` is a sequence of addresses, and FormatError with what failed at each mirror.
    """
    import http.client  # noqa: PLC0415 (slow to import, seldom needed)
    import urllib.request  # noqa: PLC0415

    if isinstance(mirrors, str) or not all(isinstance(mirror, str) for mirror in mirrors):
        raise TypeMismatchError("mirrors", repr(mirrors), "a sequence of addresses (str)")
    tried = []
    for mirror in mirrors:
        address = f"{mirror.rstrip('/')}/{name}"
        try:
            with urllib.request.urlopen(address, timeout=30) as reply:
                data = reply.read(MAX_PACKED + 1)
            if len(data) > MAX_PACKED:
                raise ValueError(f"more than {MAX_PACKED} bytes")
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
                digest = hashlib.sha256(stream.read(MAX_UNPACKED + 1)).hexdigest()
            if digest != sha256:
                raise ValueError(f"contents have SHA-256 {digest}, expected {sha256}")
        except (OSError, EOFError, ValueError, zlib.error, http.client.HTTPException) as error:
            tried.append(f"{address}: {error}")
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FormatError(str(folder), f"not writable ({error})", "a folder") from error
        files.replace(folder / name, data)
        return folder / name
    got = f"not available from any mirror ({'; '.join(tried) or 'no mirror given'})"
    raise FormatError(name, got, "one mirror that has it")


def read_idx(path: PathName) -> NDArray[Any]:
    """The array in an IDX file, plain or gzip (its first bytes tell), in the machine's byte order.

    uint8, int8, int16, int32, float32 or float64, of 1 to 32 axes, exact. Raises FormatError,
    before memory is used for the values, if the file is missing, foreign, truncated or damaged,
    has bytes left over, or announces more than it can hold. Unpacks at most one byte too many.
    """
    path = files.as_path("path", path)
    try:
        if not path.is_file():
            raise FormatError(str(path), "missing or no regular file", "an IDX file, plain or gzip")
        with path.open("rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            return _read_stream(str(path), stream, size * (MAX_INFLATION if packed else 1))
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(str(path), f"unreadable ({error})", "an IDX file") from error


def _read_stream(name: str, stream: IO[bytes] | gzip.GzipFile, limit: int) -> NDArray[Any]:
    magic = stream.read(4)
    known = len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in DTYPES
    if not known or not 1 <= magic[3] <= MAX_AXES:
        expected = "an IDX magic number: 0, 0, a type code, 1 to 32 axes"
        raise FormatError(name, f"a file that starts with {magic!r}", expected)
    axes = stream.read(4 * magic[3])
    if len(axes) < 4 * magic[3]:
        raise FormatError(name, "truncated in its header", f"{magic[3]} axes")
    dtype, shape = np.dtype(DTYPES[magic[2]]), tuple(np.frombuffer(axes, ">u4").tolist())
    size = math.prod(shape) * dtype.itemsize
    # The product of the axes of an empty array may be larger than NumPy can hold.
    if size > limit or math.prod(max(axis, 1) for axis in shape) > 2**48:
        expected = f"at most the {limit} bytes that the file can hold"
        raise FormatError(name, f"of shape {shape}, {size} bytes", expected)
    data = stream.read(size + 1)
    if len(data) < size:
        raise FormatError(name, f"truncated: {len(data)} bytes of values", f"{size} bytes")
    if len(data) > size:
        raise FormatError(name, f"longer than its {size} bytes of values", "nothing after them")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))
