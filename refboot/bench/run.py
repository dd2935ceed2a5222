"""The whole benchmark: every task by refboot and, in turn, by the programs it is compared with."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from refboot import threads
from refboot.arrays import extra
from refboot.bench import checkout, growth
from refboot.bench.measure import Timer, compare
from refboot.bench.others import PACKAGES, LavaTutorial, installed, lif_layer
from refboot.bench.tasks import Prepare, Tutorial, settled, tasks
from refboot.settings import Settings

Report = Callable[[str, Any], None]


def run(
    against: Sequence[str] = (),
    rounds: int = 30,
    root: str | None = None,
    growing: bool = False,
    count: int | None = None,
    report: Report = lambda task, result: None,
) -> dict[str, Any]:
    """Time every task `rounds` times, or fewer if it takes long; returns all results.

    `against` names programs ("lava-dl", "snntorch", "norse", "spikingjelly") and folders with
    other checkouts of refboot. `root` is MNIST's folder, `growing` adds how the cost grows, and
    `count` is the number of threads, PyTorch's included (checkouts are timed on 1 and 2). Calls
    `report(task, result)` after each task. Times are in ms; a ratio says how many times as long the
    other takes. Raises MissingExtraError, FormatError.
    """
    programs = [name for name in against if name in PACKAGES]
    if count is not None and programs:
        extra("torch", "bench").set_num_threads(count)
    found: dict[str, Any] = {}

    def add(task: str, result: Any) -> None:
        found[task] = result
        report(task, result)

    with threads.use(threads.count() if count is None else count):
        add("machine", machine())
        tutorial = Tutorial(Settings(), root)
        add("spike rates", tutorial.rates())
        sides = {"refboot": tasks(root)} | others(tutorial, programs)
        for task in sides["refboot"]:
            timers: dict[str, Timer] = {
                name: partial(once, known[task], task)
                for name, known in sides.items()
                if task in known
            }
            add(task, compare(timers, rounds, 60))
        if growing:
            rng = np.random.Generator(np.random.PCG64(1))
            add("growth", growth.growth(rng, max(3, rounds // 4)))
        add("start", checkout.start(checkout.OWN, threads.count(), 3))
    for folder in (name for name in against if name not in PACKAGES):
        for number in (1, 2):
            result = checkout.in_turn(folder, rounds, number, root)
            add(f"against {folder}, threads: {number}", result)
    return found


def once(prepare: Prepare, task: str) -> Any:
    """Prepare a task and time it once."""
    return settled(prepare(), once=task == "FIT step")


def others(tutorial: Tutorial, programs: Sequence[str]) -> dict[str, dict[str, Prepare]]:
    """The tasks of each program that is installed, by its name."""
    found: dict[str, dict[str, Prepare]] = {}
    rng = np.random.Generator(np.random.PCG64(2))
    for name in filter(installed, programs):
        found[name] = LavaTutorial(tutorial).tasks() if name == "lava-dl" else {}
        for steps in (16, 100, 1000):
            layer = lif_layer(name, rng, steps)
            found[name][f"LIF layer, T = {steps}"] = lambda layer=layer: layer  # type: ignore[misc]
    return found


def machine() -> dict[str, Any]:
    """Processor, cores, threads, load and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    installed_packages = {package.metadata["Name"] for package in metadata.distributions()}
    packages = sorted({"numpy", "numba", "torch", "lava-dl"} & installed_packages)
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads.count(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }
