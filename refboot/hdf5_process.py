"""Foreign HDF5 files are parsed in a process of its own, where a crash or an endless loop of the
HDF5 library harms nobody.
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from refboot.errors import FormatError

if TYPE_CHECKING:
    import subprocess

SCRIPT = Path(__file__).parent / "hdf5_child" / "copier.py"
SECONDS, BYTES_A_SECOND = 30.0, 1 << 20
LARGEST_COPY = 1 << 33


class Parser:
    """The process, started at the first file and used for all; one that crashed or did not answer
    is ended and started anew.
    """

    def __init__(self) -> None:
        self.seconds = SECONDS
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def copy(self, path: str | os.PathLike[str], limits: dict[str, int]) -> bytes:
        """The bytes of an HDF5 file with what could be read of the file `path`, within `limits`;
        raises FormatError that names it.
        """
        request = {"path": os.path.abspath(path), "limits": limits}
        seconds = self.seconds + os.path.getsize(path) / BYTES_A_SECOND
        with self._lock:
            process = self._running()
            late = threading.Timer(seconds, process.kill)
            late.daemon = True
            late.start()
            try:
                status, content = _ask(process, request)
            except (OSError, EOFError, struct.error) as error:
                self.end()
                got = f"unreadable (HDF5 crashed, or was not done within {seconds:.0f} s)"
                raise FormatError(str(path), got, "an HDF5 file") from error
            finally:
                late.cancel()
        if status != b"+":
            raise FormatError(
                str(path), f"unreadable ({content.decode('utf-8', 'replace')})", "an HDF5 file"
            )
        return content

    def end(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                _close(pipe)

    def _running(self) -> subprocess.Popen[bytes]:
        """The process; a forked one starts its own."""
        import subprocess  # noqa: PLC0415 (only who reads a file needs it)

        if self._process is None or self._owner != os.getpid():
            command = [sys.executable, str(SCRIPT)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._owner = os.getpid()
        return self._process


def _ask(process: subprocess.Popen[bytes], request: Mapping[str, object]) -> tuple[bytes, bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    status, (size,) = process.stdout.read(1), struct.unpack("<Q", process.stdout.read(8))
    content = process.stdout.read(size) if size <= LARGEST_COPY else b""
    if len(content) < size:
        raise EOFError
    return status, content


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:  # what was still to be written has no reader
        return


parser = Parser()
atexit.register(parser.end)
