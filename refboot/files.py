"""Files that appear whole or not at all, and a seal by which a damaged one is told from a whole one
before it is parsed.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import IO

from refboot.errors import FormatError, TypeMismatchError

SEAL = b"refboot sealed file 1\n"
SEAL_BYTES = 512
CHUNK = 1 << 20


def as_path(name: str, value: object) -> Path:
    """`value` as a path; raises TypeMismatchError for what is none, FormatError for text that no
    path can be.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise TypeMismatchError(name, f"a {type(value).__name__}", "a path (str or os.PathLike)")
    if "\0" in str(value) or not str(value):
        raise FormatError(name, repr(value), "a path")
    return Path(value)


def replace(path: str | os.PathLike[str], *parts: bytes | memoryview) -> None:
    """Write `parts` to a temporary file beside `path`, sync it, move it into its place, and sync
    the folder.

    `path` then holds the whole of it, or, where anything went wrong (the disk is full, the folder
    read-only), what it held before. Raises FormatError.
    """
    target = as_path("path", path)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=".tmp", dir=target.parent
        )
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
        temporary = None
        sync_folder(target.parent)
    except OSError as error:
        raise FormatError(
            str(target),
            f"not written ({error.strerror})",
            "a writable folder with room; what was there is unchanged",
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def append(path: str | os.PathLike[str], line: bytes) -> None:
    """Add `line` to the file `path` and sync it; raises FormatError where that fails, and then part
    of it may be there.
    """
    try:
        with open(path, "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FormatError(
            str(path), f"not written ({error.strerror})", "a writable file with room on its disk"
        ) from error


def sync_folder(folder: Path) -> None:
    """Have the folder's entries on the disk, where the system can say so."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def seal(content: bytes | memoryview) -> bytes:
    """The 512 bytes put before `content`: its SHA-256 and its length, as text; HDF5 skips them as a
    user block.
    """
    text, _ = _digest(io.BytesIO(content))
    return (SEAL + text.encode()).ljust(SEAL_BYTES, b"\0")


def check_seal(path: str | os.PathLike[str], unsealed: bytes | None = None) -> None:
    """Raise FormatError unless the file starts with the seal of all that follows: it is whole, and
    no bit of it has changed.

    A file without a seal passes only if it starts with the bytes `unsealed`.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(SEAL_BYTES)
            if unsealed is not None and head.startswith(unsealed):
                return
            text, size = _digest(file)
    except OSError as error:
        raise FormatError(
            str(path), f"unreadable ({error.strerror})", "a file sealed by refboot"
        ) from error
    if not head.startswith(SEAL):
        raise FormatError(str(path), "without refboot's seal", "a file that refboot saved")
    if head != (SEAL + text.encode()).ljust(SEAL_BYTES, b"\0"):
        raise FormatError(
            str(path),
            f"torn or changed: its {size} bytes are not those that were sealed",
            "the file as refboot saved it",
        )


def _digest(file: IO[bytes]) -> tuple[str, int]:
    """What a seal says of the rest of `file`, and how many bytes that is."""
    total, size = hashlib.sha256(), 0
    while chunk := file.read(CHUNK):
        total.update(chunk)
        size += len(chunk)
    return f"sha256 {total.hexdigest()}\nbytes {size}\n", size
