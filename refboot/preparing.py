"""Kernels compiled before they are asked for, by processes beside this one: the first step ever
ends after 4 s, not 8, and this process does not hold what the compiler leaves behind. Later there
is nothing to do: Numba keeps what is compiled on disk.

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
LONGEST = 120.0  # seconds that a process is waited for
LAST = "fit_tasks.sample", "fit_tasks.keep"  # the kernels that the processes come to last
INSIDE = "REFBOOT_PREPARING"  # set in the processes
# Without SciPy, which Numba loads for products of its own, of which kernels have none.
CODE = (
    "import sys; sys.path[:], sys.modules['scipy'] = {path!r}, None; "
    "from refboot.kernels.ahead import compile_part; compile_part({number}, {processes})"
)


def begin() -> Callable[[], None]:
    """Start the processes, if not all is compiled yet, it can be kept, and the machine is no small
    board; returns a function that waits for
    what the first step needs."""
    events: list[threading.Event] = []
    if _may() and memory() >= MEMORY and not compiled() and _kept():
        for process in filter(None, map(_started, range(PROCESSES))):
            events.append(threading.Event())
            threading.Thread(
                target=_watch, args=(process, events[-1]), name=NAME, daemon=True
            ).start()
    own = os.getpid()

    def ready() -> None:
        for event in (
            events if os.getpid() == own else []
        ):  # the threads that watch are not in a forked process
            event.wait(LONGEST)

    return ready


def wait() -> None:
    """Until the processes, if there are any, have ended."""
    for thread in threading.enumerate():
        if thread.name == NAME:
            thread.join()


def compiled() -> bool:
    """Whether the last kernels are found where Numba may have put them."""
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    return all(
        any(any(folder.glob(f"**/{name}-*.{version}*.nbi")) for folder in _folders())
        for name in LAST
    )


def _folders() -> list[Path]:
    """Where Numba puts what it compiles: into a folder it is told of, else beside the package or
    into the user's.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(os.environ["NUMBA_CACHE_DIR"])]
    home = Path(os.path.expanduser("~"))
    users = (
        os.environ.get("XDG_CACHE_HOME", home / ".cache"),
        home / "Library/Caches",
        os.environ.get("LOCALAPPDATA", home),
    )
    return [
        Path(__file__).parent / "kernels" / "__pycache__",
        *(Path(user, "numba") for user in users),
    ]


def _kept() -> bool:
    """Whether there is such a folder that can be written to, or the nearest that there is above
    it.
    """
    above = (
        next(folder for folder in (own, *own.parents) if folder.exists()) for own in _folders()
    )
    return any(os.access(folder, os.W_OK) for folder in above)


def memory() -> float:
    """Bytes that the machine has, infinity where it does not tell."""
    known = hasattr(os, "sysconf") and {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys()
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if known else float("inf")


def _may() -> bool:
    """Whether Python can start itself, and is not one of the processes; and whether Numba
    compiles.
    """
    itself = bool(sys.executable) and not getattr(sys, "frozen", False) and INSIDE not in os.environ
    return itself and os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"


def _started(number: int) -> Any:
    """The process, or None where it cannot be started: then this one compiles all by itself, as it
    does where one fails.
    """
    import subprocess  # noqa: PLC0415 (needed once)

    code, silent = (
        CODE.format(path=sys.path, number=number, processes=PROCESSES),
        subprocess.DEVNULL,
    )
    environment = os.environ | {INSIDE: "1"}
    with suppress(OSError, ValueError):
        return subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=silent,
            stdout=subprocess.PIPE,
            stderr=silent,
            env=environment,
        )
    return None


def _watch(process: Any, ready: threading.Event) -> None:
    """Until it says that it is ready, or ends without; then until it ends: what is not waited for
    stays on the system's list.
    """
    with process:
        try:
            process.stdout.readline()
        finally:
            ready.set()
