"""Starting up: a new process that trains one step, with kernels that are compiled already and with
none; and its peak of memory.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from refboot import threads

STEP = """
import json, sys, time
from refboot.bench.start import first_step, peak_mb
first_step()
print(json.dumps({"ended": time.time(), "modules": len(sys.modules), "peak_mb": peak_mb()}))
from refboot import preparing
preparing.wait()  # what it compiles would disturb the next
"""


def first_step() -> None:
    """Build the tutorial's network and train it for one step in SAMPLE mode, on the digits."""
    from refboot import ops  # noqa: PLC0415 (what is timed is this, too)
    from refboot.bench.tutorial import Tutorial, images  # noqa: PLC0415
    from refboot.routine import Mode  # noqa: PLC0415
    from refboot.settings import Settings  # noqa: PLC0415

    ready, training = ops.prepare(), Tutorial(Settings(), images(os.devnull))
    ready()
    training.step(Mode.SAMPLE)


def peak_mb() -> float | None:
    """The most memory that this process has had, in millions of bytes; None where the system does
    not tell. (What getrusage tells
    may be the memory of the process that started this one.)"""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    sizes = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return sizes[0] * 1024 / 1e6 if sizes else None


def starts(rounds: int) -> dict[str, Any]:
    """Seconds from the start of a process, with as many threads as here, to the end of its first
    step: cold once, warm `rounds` times.
    """
    with tempfile.TemporaryDirectory() as folder:
        cold = timed(folder)
        warm = sorted((timed(folder) for _ in range(rounds)), key=lambda found: found["seconds"])
    return {"cold": cold, "warm": warm[len(warm) // 2], "warm_least": warm[0]}


def timed(cache: str) -> dict[str, Any]:
    """One process: seconds by the clock to the end of its step, those of the processor to its own
    end, and what it reports.
    """
    import subprocess  # noqa: PLC0415 (the process that is timed does not need it)

    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "REFBOOT_THREADS": str(threads.count())}
    used, begun = processor_seconds(), time.time()
    result = subprocess.run(
        [sys.executable, "-c", STEP], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(result.stdout)
    return {
        "seconds": found.pop("ended") - begun,
        "processor_seconds": processor_seconds() - used,
    } | found


def processor_seconds() -> float:
    """What the processes that this one started and waited for have used."""
    times = os.times()
    return times.children_user + times.children_system
