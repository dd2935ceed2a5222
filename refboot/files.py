"""Files that are whole or not there, and the seal by which a damaged one is recognised."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from refboot.errors import FormatError, TypeMismatchError

SEAL, SEAL_BYTES = b"refboot sealed file 1\n", 512
# Never write through a link, never wait for a pipe; some systems lack these flags.
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def as_path(name: str, value: object) -> Path:
    """`value` as a path; raises TypeMismatchError unless it is a str or os.PathLike, FormatError
    for text that cannot be a path.
    """
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise TypeMismatchError(name, f"a {type(value).__name__}", "a path (str or os.PathLike)")
    try:
        possible = bool(text) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise FormatError(name, ascii(text), "a path")
    return Path(text)


def replace(path: str | os.PathLike[str], *parts: bytes | memoryview) -> None:
    """Write `parts` to a temporary file beside `path`, sync it, move it over `path`, and sync the
    folder.

    `path` then holds all of it or, if anything failed (a full disk, a read-only folder), what it
    held before. A link is replaced, not followed; permissions follow the umask. Raises FormatError.
    """
    target = as_path("path", path)
    temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}.tmp"
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise FormatError(
            str(target),
            f"not written ({error.strerror})",
            "a writable folder with room; what was there is unchanged",
        ) from error


def append(path: str | os.PathLike[str], line: bytes) -> None:
    """Add `line` to the file `path` and sync it; raises FormatError if that fails (part of the line
    may then be there), and for a link or a pipe.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_LINK, 0o666)
        with open(handle, "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FormatError(
            str(path), f"not written ({error.strerror})", "a writable file with room on its disk"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def seal(content: bytes | memoryview) -> bytes:
    """The 512 bytes that refboot puts before its own files: SHA-256 and length of `content`, as
    text. HDF5 skips them as a user block.
    """
    text = f"sha256 {hashlib.sha256(content).hexdigest()}\nbytes {len(content)}\n"
    return (SEAL + text.encode()).ljust(SEAL_BYTES, b"\0")


def check_seal(path: str | os.PathLike[str], content: bytes) -> None:
    """Raise FormatError unless `content`, the bytes of the file `path`, is a seal and exactly what
    was sealed. The seal shows that a file is whole, not who wrote it.
    """
    body = memoryview(content)[SEAL_BYTES:]
    if content[:SEAL_BYTES] != seal(body):
        raise FormatError(
            str(path),
            f"torn or changed: its {len(body)} bytes are not those that were sealed",
            "the file as refboot saved it",
        )
