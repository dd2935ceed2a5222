"""Ctrl-C that is never lost: Python drops a KeyboardInterrupt raised inside a destructor."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def at_the_next_step() -> Iterator[Callable[[], None]]:
    """Inside the block the first Ctrl-C is only noted; a second one interrupts at once.

    Yields a function to call after each step: it raises KeyboardInterrupt if Ctrl-C was noted.
    """
    asked = False

    def note(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
