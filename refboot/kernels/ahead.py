"""The kernels of a training compiled by two processes at once: this one, as it needs them, and another, beginning with the last.

So the first step ever ends after 4 s, not 7. Numba keeps what is compiled on disk: later there is nothing to do. Kernels that are
compiled for more than one signature are left to this process: Numba's files of two signatures, written at once, can be mixed up.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba import boolean, float32, float64, int8, int16, int32, int64, uint8

from refboot import threads
from refboot.kernels import chain as rate_chain
from refboot.kernels import coded_rates, loss, optim, passes, pwl, source, spiking_chain, spiking_tasks, through, together, weight_tasks
from refboot.waiting import NUMBERS

NAME = "refboot-ahead"
MEMORY = 2e9  # bytes that the machine should have: the other process takes 0.2e9
CHILD = "import sys; sys.path[:] = {path!r}; from refboot.kernels.ahead import compile_all; compile_all()"


def compile_ahead() -> None:
    """Start the other process, if nothing is compiled yet, two threads may work and the machine is no small board."""
    if threads.count() > 1 and not compiled(spiking_tasks.give.kernel) and memory() >= MEMORY:
        command = [sys.executable, "-c", CHILD.format(path=sys.path)]
        threading.Thread(target=_run, args=(command,), name=NAME, daemon=True).start()


def wait() -> None:
    """Until the other process, if there is one, is done."""
    for thread in threading.enumerate():
        if thread.name == NAME:
            thread.join()


def compile_all() -> None:
    """Compile the kernels of a spiking step, most of them from the last on, then those of a step in rates and of a test."""
    for kernel, signature in kernels():
        kernel.compile(signature)


def compiled(kernel: Any) -> bool:
    """Whether a kernel, for any signature, is on disk, or cannot be put there."""
    folder, module = kernel.stats.cache_path, kernel.__module__.rpartition(".")[2]
    return folder is None or any(Path(folder).glob(f"{module}.{kernel.__name__}-*.nbi"))


def memory() -> float:
    """Bytes that the machine has, infinity where it does not tell."""
    known = hasattr(os, "sysconf") and {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys()
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if known else float("inf")


def kernels() -> list[tuple[Any, Any]]:
    """Each with the types of its arguments."""
    f1, f2, f3, number = float32[::1], float32[:, ::1], float32[:, :, ::1], float32
    rows, codes, state = int8[:, ::1], uint8[:, ::1], int32[::1]
    return [
        *works(spiking_chain.BACKWARD[0]),  # the longest, which this process comes to when half is done
        *works((optim._adam_part,)),
        (optim._adam, (f1,) * 4 + (number,) * 7),
        (source.through_trains, (float64[:, :, ::1], f1, f1, f1) + (number,) * 5 + (f2,)),
        *works((together.go_through,), *passes.WEIGHTS, *spiking_chain.FORWARD, (weight_tasks.along,), *spiking_chain.LEARNING),
        (loss._cross_entropy_backward, (f2, int64[::1], f2)),
        (loss._cross_entropy, (f2, int64[::1], f2)),
        (through._through, (codes, int64, rows, int16[::1], f2, boolean[::1], int64[::1], int8[::1], state, state, state, f3)),
        (source.through_rates, (f1,) * 4),
        (coded_rates.gathered, (float64[:, :, ::1], int64)),
        (pwl._pwl_backward, (f1,) * 5 + (number,) * 2),
        *works(*rate_chain.FORWARD, *rate_chain.BACKWARD, *rate_chain.LEARNING),
        (source.rates_of, (f1,) * 6),
        (pwl._pwl, (f1,) * 5),
    ]


def works(*kinds: tuple[together.Work, ...]) -> list[tuple[Any, Any]]:
    """The works of a pass, from the last on, each once."""
    return [(work.kernel, NUMBERS) for work in dict.fromkeys(reversed([work for kind in kinds for work in kind]))]


def _run(command: list[str]) -> None:
    """Wait for it: what is not waited for stays on the system's list. If it fails, this process compiles all by itself."""
    import subprocess  # noqa: PLC0415 (needed once)

    silent = subprocess.DEVNULL
    with suppress(OSError):
        subprocess.run(command, stdin=silent, stdout=silent, stderr=silent, check=False)
