"""Another checkout of refboot, timed in turn with this one, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from refboot.bench import tasks
from refboot.bench.measure import compare
from refboot.bench.tasks import Time
from refboot.errors import FormatError

OWN = Path(__file__).resolve().parents[2]
START = """
import sys
from refboot.cli import main
main(sys.argv[1:])
for line in open("/proc/self/status") if sys.platform == "linux" else ():
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) * 1024 // 1000000)
"""
FIRST = ["train", "digits", "--epochs", "1", "--hidden", "512", "512", "--run"]


class Worker:
    """A process that does the tasks with the refboot in `folder`, on `threads` threads."""

    def __init__(self, folder: Path, threads: int, root: str | None) -> None:
        source = Path(tasks.__file__).read_text(encoding="utf-8")
        absolute = None if root is None else os.path.abspath(root)
        self.process = subprocess.Popen(
            [sys.executable, "-c", source, json.dumps(absolute)],
            env=environment(folder, threads),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def time(self, task: str) -> Time:
        """Time a task once; raises FormatError if the process has died."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(task + "\n")
            self.process.stdin.flush()
            return Time(*json.loads(self.process.stdout.readline()))
        except (OSError, ValueError) as error:
            got = f"not able to do the task {task}"
            raise FormatError(str(self.process.args), got, "a checkout of refboot") from error

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def in_turn(folder: str, rounds: int, threads: int, root: str | None) -> dict[str, Any]:
    """Each task by this checkout and by the one in `folder`, in turn; also the start."""
    other = Path(folder).resolve()
    if not (other / "refboot" / "__init__.py").is_file():
        raise FormatError(folder, "without the folder refboot", "a checkout of refboot")
    sides = {"refboot": OWN, folder: other}
    workers = {name: Worker(place, threads, root) for name, place in sides.items()}
    found: dict[str, Any] = {}
    for task in tasks.tasks(None):
        timers = {name: partial(worker.time, task) for name, worker in workers.items()}
        found[task] = compare(timers, rounds, 60)
    for worker in workers.values():
        worker.close()
    starts = {name: start(place, threads, 3) for name, place in sides.items()}
    return found | {"start": starts}


def start(folder: Path, threads: int, rounds: int) -> dict[str, Any]:
    """Seconds of a new process that trains one epoch of the digits, cold once and warm the least.

    Cold means that no kernel is compiled yet. "processor" counts all threads and processes;
    "peak_mb" is the largest memory on Linux.
    """
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as cache:
        variables = environment(folder, threads) | {"NUMBA_CACHE_DIR": cache}
        for number in range(1 + rounds):
            used, begun = _children(), time.perf_counter()
            command = [sys.executable, "-c", START, *FIRST, os.path.join(cache, f"run{number}")]
            options: dict[str, Any] = {"env": variables, "cwd": folder, "text": True}
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, **options)
            took = {"seconds": time.perf_counter() - begun, "processor": _children() - used}
            last = done.stdout.split()[-1]
            took["peak_mb"] = float(last) if sys.platform == "linux" else float("nan")
            name = "warm" if number else "cold"
            if name not in found or took["seconds"] < found[name]["seconds"]:
                found[name] = took
    return found


def environment(folder: Path, threads: int) -> dict[str, str]:
    """The variables of a process with the refboot in `folder`; BLAS has one thread."""
    return os.environ | {
        "PYTHONPATH": str(folder),
        "REFBOOT_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
    }


def _children() -> float:
    """Processor seconds of the processes that this one started and waited for."""
    times = os.times()
    return times.children_user + times.children_system
