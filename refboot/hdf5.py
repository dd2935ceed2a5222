"""HDF5 files: written whole, read without trust.

refboot's own files carry a seal: every byte is checked before this process opens them. Any other
file is read by a child process of its own (`hdf5_child.py`), where a crash, an endless loop or a
hunger for memory of the HDF5 library harms nobody; this process sees only a copy.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import pkgutil
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from refboot import files
from refboot.errors import FormatError, RefbootError

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# What a foreign file may cost, for its size: bytes of content, of memory beside it, seconds.
ROOM, ROOM_A_BYTE, MEMORY, SECONDS, BYTES_A_SECOND = 1 << 26, 8, 1 << 27, 30, 1 << 20
PATIENCE = 20  # seconds of the clock for each second of the processor
LARGEST = 1 << 34
OTHERS = {
    b"version https://git-lfs": ("a Git LFS pointer", "the file itself: run `git lfs pull`"),
    b"PK\x03\x04": ("a zip archive, as PyTorch and NumPy write them", "an HDF5 file"),
    b"\x80": ("a pickle, as PyTorch writes them", "an HDF5 file"),
    b"\x1f\x8b": ("packed by gzip", "the HDF5 file in it: unpack it first"),
}
_numbers = itertools.count()
_name: ContextVar[str | None] = ContextVar("refboot_hdf5_file", default=None)


def _hold_at_fork(lock: Any) -> None:
    """Let a fork wait for `lock`: held by another thread, it would stay locked for ever."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )


_importing = threading.RLock()
_hold_at_fork(_importing)


@lru_cache(maxsize=1)
def library() -> Any:
    """The module h5py, imported late, because it is slow."""
    with _importing:
        import subprocess  # noqa: F401, PLC0415

        import h5py  # noqa: PLC0415

        _hold_at_fork(h5py._objects.phil)
        return h5py


@contextmanager
def writing(path: str | os.PathLike[str], sealed: bool = False) -> Iterator[h5py.File]:
    """An HDF5 file, built in memory, that replaces `path` when the block ends: synced, whole or not
    at all; with `sealed`, a seal comes before it.

    Raises FormatError where it cannot be written: no such folder, a full disk. Spec: NET-17.
    """
    files.as_path("path", path)
    with _in_memory() as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    files.replace(path, *([files.seal(image)] if sealed else []), image)


@contextmanager
def reading(path: str | os.PathLike[str], sealed: bool = False) -> Iterator[h5py.File]:
    """The content of the HDF5 file `path`. With `sealed` the file must carry refboot's seal.

    Raises FormatError, naming the file, for what is no HDF5, a file that is torn, changed, damaged,
    too large, or holds links, virtual or external data, and whatever h5py raises within the block;
    RefbootError if the process that reads foreign files cannot be started.
    """
    token = _name.set(os.fspath(files.as_path("path", path)))
    try:
        with ExitStack() as stack:
            source = stack.enter_context(_regular(path))
            head = source.read(files.SEAL_BYTES)
            source.seek(0)
            if head.startswith(files.SEAL):
                content = source.read()
                files.check_seal(path, content)
                image = library().h5f.open_file_image(content)
                file = stack.enter_context(library().File(image, "r"))
            else:
                library()  # before a fork can come between
                _check_head(path, head, sealed)
                entries = _foreign(path, source)
                file = stack.enter_context(_in_memory())
                _rebuild(path, io.BytesIO(entries), file)
            yield file
    except RefbootError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, MemoryError) as error:
        raise FormatError(str(path), f"damaged ({error})", "a whole HDF5 file") from error
    finally:
        _name.reset(token)


def read_floats(dataset: h5py.Dataset) -> np.ndarray:
    """A dataset of floats of any shape. Raises FormatError."""
    return read_array(dataset, "f", "floats")


def read_array(dataset: h5py.Dataset, kinds: str, what: str) -> np.ndarray:
    """A dataset whose dtype is of one of the NumPy `kinds` (called `what` in the error), of any
    shape. Raises FormatError.
    """
    if dataset.shape is None or dataset.dtype.kind not in kinds:
        got = "of another type" if dataset.shape is None else f"of type {dataset.dtype}"
        raise FormatError(where(dataset), got, f"a plain array of {what}")
    return np.asarray(dataset[()])


def where(item: h5py.Group | h5py.Dataset) -> str:
    """The file and the path in it, for messages: `net.h5:/layer/0`."""
    return f"{_name.get() or item.file.filename}:{item.name}"


def items(group: h5py.Group) -> list[tuple[str, h5py.Group | h5py.Dataset]]:
    """Every group and dataset below `group`, each once, with its path."""
    found: list[tuple[str, Any]] = []
    group.visititems(lambda name, item: found.append((name, item)))
    return found


def walk(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset below `group` with its dotted name."""
    return ((name.replace("/", "."), item) for name, item in items(group) if hasattr(item, "shape"))


def what(file: h5py.File) -> str:
    """What an open HDF5 file is, in words."""
    if "format" in file.attrs:
        return f"of format {file.attrs['format']}, version {file.attrs.get('version')}"
    known = {"layer": "an exchange file (.net)", "node": "a NIR graph (.nir)"}
    kinds = [text for group, text in known.items() if group in file]
    return kinds[0] if kinds else f"an HDF5 file of {sorted(file)[:5]}"


def _in_memory() -> h5py.File:
    """A new HDF5 file in memory; HDF5 wants different names for files that are open at once."""
    name = f"refboot {next(_numbers)}"
    return library().File(name, "w", driver="core", backing_store=False)


def _regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """The file `path`, open; raises FormatError unless it is a readable, regular file."""
    try:  # a pipe is not waited for
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except OSError as error:
        raise FormatError(str(path), f"unreadable ({error.strerror})", "an HDF5 file") from error
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_size <= LARGEST:
        return open(handle, "rb", buffering=0)
    os.close(handle)
    got = f"of {found.st_size} bytes" if stat.S_ISREG(found.st_mode) else "no regular file"
    raise FormatError(str(path), got, f"an HDF5 file of at most {LARGEST} bytes")


def _check_head(path: str | os.PathLike[str], head: bytes, sealed: bool) -> None:
    """Raise FormatError unless a file without a seal begins as HDF5, and none is asked for."""
    if not head.startswith(SIGNATURE):
        for start, (got, expected) in OTHERS.items():
            if head.startswith(start):
                raise FormatError(str(path), got, expected)
        raise FormatError(str(path), "no HDF5 file" if head else "empty", "an HDF5 file")
    if sealed:
        raise FormatError(str(path), "an HDF5 file without refboot's seal", "one refboot saved")


def _interpreter() -> str:
    """The Python to start; raises RefbootError. In an embedded Python `sys.executable` may be empty
    or another program.
    """
    named = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for place in (sys.executable, os.path.join(sys.base_prefix, "bin", named)):
        if place and "python" in os.path.basename(place).lower() and os.access(place, os.X_OK):
            return place
    raise _not_started(f"sys.executable is {sys.executable!r}")


def _not_started(reason: str) -> RefbootError:
    return RefbootError(
        "the process that reads foreign HDF5 files",
        f"not started ({reason})",
        "a Python that can import h5py",
    )


def _foreign(path: str | os.PathLike[str], source: IO[bytes]) -> bytes:
    """What the child process says of the open file `source`: its own process group, limits for the
    whole file, started afresh, ended whatever happens here.
    """
    import subprocess  # noqa: PLC0415 (only who reads a foreign file needs it)

    size = os.fstat(source.fileno()).st_size
    room, seconds = ROOM + ROOM_A_BYTE * size, SECONDS + size // BYTES_A_SECOND
    limits = json.dumps([room, MEMORY + 3 * room + 2 * size, seconds])
    script = (pkgutil.get_data("refboot", "hdf5_child.py") or b"").decode()
    places = [place for place in sys.path if isinstance(place, str)]
    command = [_interpreter(), "-S", "-c", script, limits, *places]
    try:
        done = subprocess.run(
            command,
            stdin=source,
            capture_output=True,
            timeout=PATIENCE * seconds,
            start_new_session=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        got = f"unreadable (HDF5 was not done within {error.timeout:.0f} s)"
        raise FormatError(str(path), got, "an HDF5 file") from error
    except (OSError, ValueError) as error:
        raise _not_started(str(error)) from error
    start, _, entries = done.stdout.partition(b"\n")
    if start != b"started":
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it ended at once"]
        raise _not_started(said[-1])
    if done.returncode:
        got = f"unreadable (HDF5 crashed, or took more than {seconds} s or too much memory)"
        raise FormatError(str(path), got, "an HDF5 file")
    return entries


def _rebuild(path: str | os.PathLike[str], entries: IO[bytes], file: h5py.File) -> None:
    """Put the entries of the child process into `file`; raises FormatError for what it refused."""
    h5py = library()
    for line in entries:
        place, attribute, kind, shape, size = json.loads(line)
        data = entries.read(size)
        if kind == "refused":
            inside, got, expected = shape
            raise FormatError(f"{path}:{inside}" if inside else str(path), got, expected)
        if kind == "end":
            return
        if kind == "group":
            if place:
                file.create_group(place)
            continue
        value, dtype = h5py.Empty("f4"), None
        if kind == "text":
            value, dtype = np.full(shape, data, object), h5py.string_dtype()
        elif kind != "unread":
            value = np.ndarray(shape, kind, data)
        if attribute is None:
            file.create_dataset(place, data=value, dtype=dtype)
        else:
            file[place or "/"].attrs.create(attribute, value, dtype=dtype)
    raise FormatError(str(path), "unreadable (the answer about it is torn)", "an HDF5 file")
