"""The folder of a run: locked by one process at a time, with a log that can be shortened."""

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
HALF_WRITTEN = (".*.tmp", f".{CURRENT}.new", ".loss.txt.*", ".accuracy.txt.*")


class RunFolder:
    """The folder `path`, created if `create`, and locked until `release` or the process ends.

    Removes what a killed process left half written. Raises FormatError for a folder that is
    missing or cannot be created or written to, OrderError while another run holds it.
    """

    def __init__(self, path: str | os.PathLike[str], create: bool = True) -> None:
        self.path = files.as_path("folder", path)
        if not create and not self.path.is_dir():
            expected = "the folder of a run (leave out --resume to begin a new run)"
            raise FormatError(str(path), "not there", expected)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            got = f"not created ({error.strerror})"
            raise FormatError(str(path), got, "a folder, or a path where one can be") from error
        self._lock: weakref.finalize[..., Any] | None = None
        self.hold()
        for pattern in HALF_WRITTEN:
            for file in self.path.glob(pattern):
                file.unlink(missing_ok=True)

    def hold(self) -> None:
        """Lock the folder, unless this object holds it already."""
        if self._lock is None:
            self._lock = weakref.finalize(self, os.close, _locked(self.path / LOCK))

    def release(self) -> None:
        """Unlock the folder."""
        if self._lock is not None:
            self._lock()
            self._lock = None

    def clear(self) -> None:
        """Remove the files of an earlier run."""
        for name in OWN:
            (self.path / name).unlink(missing_ok=True)

    def write_settings(self, settings: dict[str, Any]) -> None:
        """Write settings.json."""
        files.replace(self.path / SETTINGS, (json.dumps(settings, indent=1) + "\n").encode())

    def log(self, line: dict[str, Any]) -> None:
        """Add a line to log.jsonl."""
        files.append(self.path / LOG, (json.dumps(line) + "\n").encode())

    def cut_log(self, epochs: int) -> None:
        """Keep the complete lines of the first `epochs` epochs, each once, and drop all others."""
        path = self.path / LOG
        kept: dict[int, bytes] = {}
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
            with suppress(ValueError, TypeError, KeyError):  # not a line of this log
                epoch = json.loads(line)["epoch"]
                if isinstance(epoch, int) and 0 <= epoch < epochs and line.endswith(b"\n"):
                    kept.setdefault(epoch, line)
        files.replace(path, b"".join(kept[epoch] for epoch in sorted(kept)))


def _locked(path: Path) -> int:
    """A handle of the locked file `path`; closing it unlocks. The file names this process."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        got = f"not writable ({error.strerror})"
        raise FormatError(str(path.parent), got, "a folder that can be written to") from error
    try:
        if os.name == "posix":
            fcntl: Any = importlib.import_module("fcntl")
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt: Any = importlib.import_module("msvcrt")
            os.lseek(handle, 1 << 30, os.SEEK_SET)  # nobody can read a locked byte: not the text
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
    except OSError as error:
        os.lseek(handle, 0, os.SEEK_SET)
        holder = os.read(handle, 20).decode("ascii", "replace").strip()
        os.close(handle)
        if not isinstance(error, (BlockingIOError, PermissionError)):
            got = f"not lockable ({error.strerror})"
            raise FormatError(str(path), got, "a folder on a file system with locks") from error
        got = f"in use by another training (process {holder})"
        raise OrderError(str(path.parent), got, "one training in a folder at a time") from error
    with suppress(OSError):  # a full disk is reported when it matters
        os.truncate(path, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
    return handle
