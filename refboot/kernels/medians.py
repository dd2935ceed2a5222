"""Where layers saturate, and the medians of their points in bands of their rates; and the points
that stay: by all threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Floats
from refboot.kernels import fit_tasks as tasks
from refboot.kernels import memory
from refboot.kernels.places import places
from refboot.kernels.together import Going, Kinds, Task, plan_of
from refboot.threads import PARTS

Doubles = NDArray[np.float64]
Points = tuple[Floats, Floats]  # z and a (n,), float32, contiguous
Bands = tuple[int, float, float]  # so many between two shares of the saturation
Move = tuple[Floats, NDArray[np.bool_], Floats]
KINDS: Kinds = (tasks.sample,), (tasks.peak,), (tasks.guess,), (tasks.count,), (tasks.select,)
KEEP: Kinds = ((tasks.keep,),)


class Found(NamedTuple):
    """Of a layer the rate at which it saturates, NaN where levels were given; the levels (B + 1,);
    and the medians of its bands, (B, 2) as
    (z, a), NaN of an empty one."""

    top: float
    levels: Doubles
    medians: Doubles


class Medians(Going):
    """The medians of layers' points, finite ones: counted from now on, by other threads while
    within the `with` block this one does
    something else; `found` afterwards. Each layer's levels may be given, rising from 0 or more, in
    the place of two shares that are NaN."""

    def __init__(
        self, points: Sequence[Points], bands: Sequence[Bands], levels: Sequence[Doubles] = ()
    ) -> None:
        self.points, self.bands = points, [count for count, _, _ in bands]
        pieces = [-(-z.size // tasks.PIECE) for z, _ in points]
        places_of = [_places(*sizes) for sizes in zip(self.bands, pieces, strict=True)]
        starts = [0, *accumulate(last for *_, last in places_of)]
        self.first = [
            [start + at for at in own] for start, own in zip(starts, places_of, strict=False)
        ]
        sizes = [2 * tasks.MOST + tasks.STRIDE * count for count in pieces]
        self.room, self.near = np.zeros(starts[-1]), memory.empty((sum(sizes),))
        for (at, *_), (_, low, high) in zip(self.first, bands, strict=True):
            self.room[at : at + 2] = low, high
        for (_, _, at, *_), given in zip(self.first, levels, strict=False):
            self.room[at : at + len(given)] = given
        begin, near, rows = self.room.ctypes.data, self.near.ctypes.data, []
        for i, (z, a) in enumerate(places(points).tolist()):
            own = [begin + 8 * at for at in self.first[i]]
            rows += [points[i][0].size, self.bands[i], z, a, *own[:-1], near, near + 8 * tasks.MOST]
            near += 4 * sizes[i]
        super().__init__(
            KINDS, _plan(tuple(self.bands), not levels), np.array(rows, np.int64), patience=0
        )

    def found(self) -> list[Found]:
        """What was found of each layer."""
        return [self._found(count, own) for count, own in zip(self.bands, self.first, strict=True)]

    def _found(self, bands: int, own: list[int]) -> Found:
        results = self.room[own[-2] : own[-1]].reshape(bands, tasks.RESULTS).tolist()
        medians = [
            ((z + next_z) / 2, (a + next_a) / 2) if inside else (np.nan, np.nan)
            for z, next_z, a, next_a, inside in results
        ]
        return Found(
            float(self.room[own[0] + tasks.TOP]),
            self.room[own[2] : own[2] + bands + 1],
            np.array(medians),
        )


@cache
def _places(bands: int, pieces: int) -> list[int]:
    """Where each of a layer's arrays begins, of so many numbers of 64 bits, and where the last
    ends.
    """
    levels = [
        bands + 1,
        bands + 1,
        2 * bands,
        tasks.COUNTED * pieces * bands,
        tasks.RESULTS * bands,
    ]
    return [0, *accumulate([tasks.RANGES, tasks.PEAKED * PARTS, *levels])]


@cache
def _plan(bands: tuple[int, ...], saturating: bool) -> np.ndarray:
    """Tasks by their stages; of each stage those of all layers in turn, so that each half has as
    much of each. The last points, which the
    thread that asks has just written, are its own; those in front a helper has moved there
    (Keeping)."""
    layers = range(len(bands))
    whole, parts = (
        [(layer, 0) for layer in layers],
        [(layer, part) for part in reversed(range(PARTS)) for layer in layers],
    )
    each = [
        (layer, band)
        for band in range(max(bands, default=0))
        for layer in layers
        if band < bands[layer]
    ]
    stages = [whole, parts if saturating else [], whole, parts, each]
    kinds = [kind for kind, stage in enumerate(stages) if stage]
    return plan_of(
        [
            Task(kind, 0, *own, 0, kind, after)
            for after, kind in pairwise([-1, *kinds])
            for own in stages[kind]
        ]
    )


class Keeping(Going):
    """Of points (2, n or more), contiguous, those that stay, bool (n,), move to the start of
    others, (2, n or more), in order, which may be
    the same: z and a of a sampler together, whatever interrupts this. How many stay is told in
    `counts` afterwards."""

    def __init__(self, moves: Sequence[Move]) -> None:
        self.moves = [(points, np.ascontiguousarray(stay), kept) for points, stay, kept in moves]
        self.counts = np.zeros(len(moves), np.int64)
        rows = [
            (
                len(stay),
                stay.ctypes.data,
                self.counts.ctypes.data + 8 * i,
                *(x.ctypes.data for x in (*points, *kept)),
            )
            for i, (points, stay, kept) in enumerate(self.moves)
        ]
        rows.sort()  # a helper begins at the end, while this thread does something else
        super().__init__(KEEP, _keeping(len(rows)), np.array(rows, np.int64).ravel(), patience=0)


@cache
def _keeping(count: int) -> np.ndarray:
    return plan_of([Task(0, 0, i, 0, 0, 0, -1) for i in range(count)])
