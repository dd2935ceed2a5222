"""Memory order: neighbours in memory are worked on together, so what is summed or stepped through
lies on the outside.

Arrays (N, C, T) lie as (N, T, C), weights (O, I) as (I, O). Kernels get contiguous arrays of the
second kind; the public shape is a view.
"""

from __future__ import annotations

import math

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels import memory

SMALL = 1 << 17  # elements below which another thread is not worth asking
FEW = 4  # parts of what takes little time: between two of them a thread waits for Python's lock


def time_major(x: Floats) -> Floats:
    """x (N, C, T) as (N, T, C), contiguous, float32: a view where it lies so already, else a
    copy.
    """
    return np.ascontiguousarray(x.transpose(0, 2, 1), np.float32)


def empty(shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """A new array (N, C, T) and its contiguous view (N, T, C), float32."""
    samples, channels, steps = shape
    buffer = memory.empty((samples, steps, channels))
    return buffer.transpose(0, 2, 1), buffer


def axes_of(x: np.ndarray) -> tuple[int, ...]:
    """The order of axes (its own inverse) in which x is contiguous: its own, the two above, or, if
    none of these is, its own.
    """
    own = tuple(range(x.ndim))
    swapped = (*own[:-2], *own[:-3:-1])
    return (
        swapped
        if x.ndim in (2, 3) and not x.flags.c_contiguous and x.transpose(swapped).flags.c_contiguous
        else own
    )


def flat(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The elements of x with its axes in the order `axes`, contiguous: a view where x lies so, else
    a copy.
    """
    return np.ascontiguousarray(x.transpose(axes)).reshape(-1)


def empty_like(x: np.ndarray, axes: tuple[int, ...]) -> tuple[Floats, Floats]:
    """A new float32 array of the shape of x and its flat view, its axes in memory in the order
    `axes`.
    """
    buffer = memory.empty([x.shape[i] for i in axes])
    return buffer.transpose(axes), buffer.reshape(-1)


def over_samples(shape: tuple[int, ...], work: threads.Work) -> None:
    """Call `work(part)` for the parts of the samples N of an array of `shape`, on one thread if it
    is small.
    """
    threads.over(shape[0], work, alone=math.prod(shape) < SMALL, count=FEW)


def over_rows(columns: np.ndarray, work: threads.Work, fixed: bool = False) -> None:
    """Call `work(part)` for the parts of the rows of a weight that lies as (inputs, O), on one
    thread if it is small.
    """
    small = columns.size < SMALL
    threads.over(len(columns), work, alone=small, fixed=fixed, count=1 if small else FEW)


def over_elements(size: int, work: threads.Work) -> None:
    """Call `work(part)` for the parts of `size` elements, on one thread if they are few."""
    threads.over(size, work, unit=16, alone=size < SMALL, count=FEW)
