"""Kernels compiled before they are asked for, by processes beside this one: the first step ever ends after 4 s, not 8, and this process
does not hold what the compiler leaves behind. Later there is nothing to do: Numba keeps what is compiled on disk.

The processes start before this one has loaded Numba, which takes a third of a second.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

NAME = "refboot-preparing"
PROCESSES = 2
MEMORY = 2e9  # bytes that the machine should have: each process takes 0.3e9
FIRST = "spiking_tasks.give-*.nbi"  # Numba's name for one of the kernels, whatever it is compiled for
CODE = "import sys; sys.path[:] = {path!r}; from refboot.kernels.ahead import compile_part; compile_part({number}, {processes})"


def begin() -> Callable[[], None]:
    """Start the processes, if nothing is compiled yet and the machine is no small board; returns a function that waits for what the first
    step needs."""
    if compiled() or memory() < MEMORY:
        return lambda: None
    events = []
    for process in filter(None, map(_started, range(PROCESSES))):
        events.append(threading.Event())
        threading.Thread(target=_watch, args=(process, events[-1]), name=NAME, daemon=True).start()

    def ready() -> None:
        for event in events:
            event.wait()

    return ready


def wait() -> None:
    """Until the processes, if there are any, have ended."""
    for thread in threading.enumerate():
        if thread.name == NAME:
            thread.join()


def compiled() -> bool:
    """Whether a kernel is found where Numba may have put it: in its own folder, if there is one, beside the package, or the user's."""
    own, home = os.environ.get("NUMBA_CACHE_DIR"), Path.home()
    users = os.environ.get("XDG_CACHE_HOME", home / ".cache"), home / "Library/Caches", os.environ.get("LOCALAPPDATA", home)
    folders = [Path(own)] if own else [Path(user, "numba") for user in users]
    beside = Path(__file__).parent / "kernels" / "__pycache__"
    return any(any(folder.glob(f"**/{FIRST}")) for folder in folders) or (not own and any(beside.glob(FIRST)))


def memory() -> float:
    """Bytes that the machine has, infinity where it does not tell."""
    known = hasattr(os, "sysconf") and {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys()
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if known else float("inf")


def _started(number: int) -> Any:
    """The process, or None where it cannot be started: then this one compiles all by itself, as it does where one fails."""
    import subprocess  # noqa: PLC0415 (needed once)

    code, silent = CODE.format(path=sys.path, number=number, processes=PROCESSES), subprocess.DEVNULL
    with suppress(OSError):
        return subprocess.Popen([sys.executable, "-c", code], stdin=silent, stdout=subprocess.PIPE, stderr=silent)
    return None


def _watch(process: Any, ready: threading.Event) -> None:
    """Until it says that it is ready, or ends without; then until it ends: what is not waited for stays on the system's list."""
    with process:
        process.stdout.readline()
        ready.set()
