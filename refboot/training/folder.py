"""The folder of a run: held by one process at a time, with a log that can be cut back to what a
checkpoint knows.
"""

from __future__ import annotations

import importlib
import json
import os
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

from refboot import files
from refboot.errors import FormatError, OrderError
from refboot.training.checkpoint import CURRENT, PREVIOUS

SETTINGS, LOG, BEST, LAST, LOCK = "settings.json", "log.jsonl", "best.h5", "last.h5", ".lock"
OWN = (CURRENT, PREVIOUS, LOG, BEST, LAST, "loss.txt", "accuracy.txt")


class RunFolder:
    """The folder `path`, made where `create` says so, and locked until `release`, or until the
    process ends, however it does.

    Raises FormatError for a folder that is missing or cannot be made or written to, OrderError
    while another run holds it.
    """

    def __init__(self, path: str | os.PathLike[str], create: bool = True) -> None:
        self.path = files.as_path("folder", path)
        if not create and not self.path.is_dir():
            raise FormatError(
                str(path), "not there", "the folder of a run (without --resume a new one begins)"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FormatError(
                str(path), f"not to be made ({error.strerror})", "a folder, or a place for one"
            ) from error
        self._lock: weakref.finalize[..., Any] | None = None
        self.hold()
        self.sweep()

    def hold(self) -> None:
        """Lock the folder, if this object does not hold it yet."""
        if self._lock is None:
            self._lock = weakref.finalize(self, os.close, _locked(self.path / LOCK))

    def release(self) -> None:
        """Let others have the folder."""
        if self._lock is not None:
            self._lock()
            self._lock = None

    def sweep(self) -> None:
        """Remove what a killed process left half written."""
        for pattern in (".*.tmp", f".{CURRENT}.new", ".loss.txt.*", ".accuracy.txt.*"):
            for path in self.path.glob(pattern):
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the files of an earlier run."""
        for name in OWN:
            (self.path / name).unlink(missing_ok=True)

    def networks(self) -> list[str]:
        """Which files with a trained network there are."""
        return [name for name in (BEST, LAST) if (self.path / name).exists()]

    def write_settings(self, settings: dict[str, Any]) -> None:
        """Write settings.json."""
        files.replace(self.path / SETTINGS, (json.dumps(settings, indent=1) + "\n").encode())

    def log(self, line: dict[str, Any]) -> None:
        """Add a line to log.jsonl."""
        files.append(self.path / LOG, (json.dumps(line) + "\n").encode())

    def cut_log(self, epochs: int) -> None:
        """Keep the whole lines of the first `epochs` epochs, each once, and drop all else: torn
        lines, and epochs to be done again.
        """
        path = self.path / LOG
        kept: dict[int, bytes] = {}
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
            epoch = _epoch(line)
            if epoch is not None and epoch < epochs and line.endswith(b"\n"):
                kept.setdefault(epoch, line)
        files.replace(path, b"".join(kept[epoch] for epoch in sorted(kept)))


def _epoch(line: bytes) -> int | None:
    """The epoch of a line of the log, None for one that is torn or none."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    epoch = found.get("epoch") if isinstance(found, dict) else None
    return epoch if isinstance(epoch, int) and epoch >= 0 else None


def _locked(path: Path) -> int:
    """The handle of the file `path`, locked; the system unlocks it when it is closed. The file
    names the process that holds it.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise FormatError(
            str(path.parent), f"not writable ({error.strerror})", "a folder to write to"
        ) from error
    try:
        _lock(handle)
    except BlockingIOError as error:
        holder = os.read(handle, 20).decode("ascii", "replace").strip()
        os.close(handle)
        raise OrderError(
            str(path.parent),
            f"in use by another training (process {holder})",
            "one training in a folder at a time",
        ) from error
    except OSError as error:
        os.close(handle)
        raise FormatError(
            str(path),
            f"not to be locked ({error.strerror})",
            "a folder on a file system with locks",
        ) from error
    with suppress(OSError):  # a full disk is told where it matters
        os.truncate(path, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def _lock(handle: int) -> None:
    """Lock an open file or raise BlockingIOError."""
    if os.name == "posix":
        fcntl: Any = importlib.import_module("fcntl")
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    msvcrt: Any = importlib.import_module("msvcrt")
    os.lseek(
        handle, 1 << 30, os.SEEK_SET
    )  # a place beyond the text: a locked byte cannot be read by others
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        raise BlockingIOError from error
    finally:
        os.lseek(handle, 0, os.SEEK_SET)
