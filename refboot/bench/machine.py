"""The machine's own limits, measured: how fast it multiplies matrices and moves memory; and what
machine it is.
"""

from __future__ import annotations

import os
import platform
import statistics
import threading
import time
from importlib import metadata
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from refboot import threads
from refboot.bench.measure import in_turn

PRODUCTS = {
    "32x784 784x512": (32, 784, 512),
    "512x512 512x512": (512, 512, 512),
    "8000x784 784x512": (8000, 784, 512),
}
COPIES = {"2.7 MB": 2.7e6, "200 MB": 2e8}


def machine() -> dict[str, Any]:
    """Processor, cores, load, versions."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads.count(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("numpy", "numba")},
        "blas": os.environ.get("OPENBLAS_CORETYPE", "as it chooses"),
    }


def processor() -> str:
    """The processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def roofline(rng: np.random.Generator, rounds: int) -> dict[str, Any]:
    """Billions of operations a second of sgemm on one BLAS thread, billions of bytes a second of
    copying (read and
    written), and what waking a thread takes."""
    found: dict[str, Any] = {}
    with threads.blas(1):
        for name, (m, k, n) in PRODUCTS.items():
            a, b = rng.random((m, k), np.float32), rng.random((k, n), np.float32)
            out = np.empty((m, n), np.float32)
            found[f"sgemm {name}, GFLOP/s"] = (
                2e-9 * m * k * n / best(lambda a=a, b=b, out=out: np.matmul(a, b, out=out), rounds)
            )
    for name, size in COPIES.items():
        source = rng.random(int(size / 4), np.float32)
        target = np.empty_like(source)
        found[f"copy {name}, GB/s"] = (
            2e-9 * source.nbytes / best(lambda s=source, t=target: np.copyto(t, s), rounds)
        )
    return found | {"waking a thread and waiting for it, us": 1e6 * waking(rounds)}


def waking(rounds: int) -> float:
    """Seconds that it takes to hand work of no length to a thread that sleeps, the median: what
    helpers that wait awake save.
    """
    ready, there = SimpleQueue[None](), SimpleQueue[None]()

    def answer() -> None:
        for _ in range(rounds):
            there.put(ready.get())

    threading.Thread(target=answer, daemon=True).start()
    times = []
    for _ in range(rounds):
        time.sleep(0.002)
        begun = time.perf_counter()
        ready.put(None)
        there.get()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def best(action: Any, rounds: int) -> float:
    """The median of the faster half of the times: a limit is what the machine can do when it is
    left alone.
    """
    times = sorted(took.clock for took in in_turn({"": action}, rounds, 5)[""])
    return statistics.median(times[: max(1, len(times) // 2)])
