"""Ctrl-C that is never lost: Python drops a KeyboardInterrupt that comes up inside a destructor or
a weak reference's callback.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def at_the_next_step() -> Iterator[Callable[[], None]]:
    """Within the `with` block the first Ctrl-C is only remembered: what is yielded, called after
    each step, raises KeyboardInterrupt then.

    A second one interrupts at once.
    """
    asked = False

    def remember(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
