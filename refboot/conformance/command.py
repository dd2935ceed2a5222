"""Backends that are programs: each case is written to a file, and the answer read from one, within
bounds of time and size.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from refboot import arrays
from refboot.conformance.backend import Answer
from refboot.conformance.case import Case
from refboot.conformance.container import case_bytes, parse_answer
from refboot.errors import FormatError, RangeError

LARGEST_ANSWER = 1 << 24
PAUSE = 0.02


class CommandBackend:
    """The program of a command line like `prog {input} {output}`, run once per case, for at most
    `timeout` seconds.
    """

    def __init__(self, command: str, timeout: float = 60) -> None:
        self.name = command
        self.words = shlex.split(command)
        self.timeout = arrays.number("timeout", timeout, 0, above=True)
        for place in ("{input}", "{output}"):
            if not any(place in word for word in self.words):
                raise RangeError(
                    "--command", repr(command), "a command line with {input} and {output}"
                )
        if shutil.which(self.words[0]) is None:
            raise RangeError(
                "the program of --command", repr(self.words[0]), "one that is there and may be run"
            )

    def answer(self, case: Case) -> Answer:
        """Run the program on `case`; a crash, no answer, a late or a damaged one is a crash."""
        with tempfile.TemporaryDirectory(prefix="refboot-") as folder:
            asked, answered = Path(folder, "case"), Path(folder, "answer")
            asked.write_bytes(case_bytes(case))
            words = [
                word.replace("{input}", str(asked)).replace("{output}", str(answered))
                for word in self.words
            ]
            trouble = self._run(words, answered, Path(folder, "stderr"))
            if trouble:
                return Answer("crash", detail=trouble)
            try:
                return parse_answer(answered.read_bytes())
            except (FormatError, OSError) as error:
                return Answer("crash", detail=str(error)[:500])

    def _run(self, words: list[str], answered: Path, errors: Path) -> str:
        with open(errors, "wb") as said:
            try:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    start_new_session=os.name == "posix",
                )
            except OSError as error:
                return f"could not be started: {error}"
            trouble = self._watch(process, answered, errors)
        if trouble or process.returncode:
            return trouble or f"exit code {process.returncode}: {_tail(errors)}"
        return "" if answered.is_file() else "wrote no answer"

    def _watch(self, process: subprocess.Popen[bytes], *written: Path) -> str:
        end = time.monotonic() + self.timeout
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(PAUSE)
            trouble = (
                f"an answer of more than {LARGEST_ANSWER} bytes"
                if any(_size(path) > LARGEST_ANSWER for path in written)
                else ""
            )
            if not trouble and process.poll() is None and time.monotonic() > end:
                trouble = f"no answer within {self.timeout:g} s"
            if trouble:
                _kill(process)
            if trouble or process.poll() is not None:
                return trouble


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process, and where there are process groups, what it started."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _tail(path: Path) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, _size(path) - 400))
        return file.read().decode("utf-8", "replace").strip()
