"""New arrays without new memory: a large buffer is given out again once nobody holds an array in
it.

The system clears each page of new memory when it is first touched, which takes longer than many a
kernel. Arrays begin in a line of the cache: each vector that lies in two takes twice as long.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from typing import Any

import numpy as np

LARGE = 1 << 17  # bytes, below which the C library keeps memory by itself
MOST = 1 << 27  # bytes kept; beyond it those that nobody holds are let go
LINE = 64  # bytes of a line of the cache
# sizes of buffers from one power of two to the next: what differs a little from batch to batch
# shares them
CLASSES = 8


class Memory:
    """Buffers by their size. The count of references tells whether any array, or view of a view,
    still lies in one.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: dict[int, list[np.ndarray]] = {}
        self.firsts: dict[int, list[int]] = {}  # of the same, the first byte that begins a line
        self.size = 0
        self.unheld = holders([np.empty(1)], 0)

    def take(self, size: int) -> np.ndarray:
        """An array of `size` bytes, at the beginning of a line, in a buffer of a little more."""
        buffer, first = self._take(size + LINE)
        return buffer[first : first + size]

    def _take(self, size: int) -> tuple[np.ndarray, int]:
        unit = (1 << size.bit_length() - 1) // CLASSES
        size = -(-size // unit) * unit
        with self.lock:
            same, firsts = self.kept.setdefault(size, []), self.firsts.setdefault(size, [])
            for i in range(len(same)):
                if holders(same, i) <= self.unheld:
                    return same[i], firsts[i]
            if self.size + size > MOST:
                self.forget()
            buffer = np.empty(size, np.uint8)
            first = -buffer.ctypes.data % LINE
            self.kept.setdefault(size, []).append(buffer)
            self.firsts.setdefault(size, []).append(first)
            self.size += size
            return buffer, first

    def forget(self) -> None:
        """Let go what nobody holds; what somebody holds is theirs from now on."""
        self.kept, self.firsts, self.size = {}, {}, 0


def holders(buffers: list[np.ndarray], i: int) -> int:
    """How many references there are to buffers[i], this function's own included."""
    return sys.getrefcount(buffers[i])


def empty(shape: tuple[int, ...] | list[int], dtype: Any = np.float32) -> np.ndarray:
    """np.empty, of memory that may have been used before."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    return np.empty(shape, dtype) if size < LARGE else _memory.take(size).view(kind).reshape(shape)


def _unlock() -> None:
    """In a forked process: a lock that a thread held stays held there, where that thread is not."""
    _memory.lock = threading.Lock()


_memory = Memory()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)
