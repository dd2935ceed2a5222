"""The kernels of a training, to be compiled before they are asked for: what the processes of
`preparing` do.

What two processes both compile, within others, has one signature: Numba's files of two, written at
once, can be mixed up.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

from numba import boolean, float32, float64, int8, int16, int32, int64, types, uint8

from refboot import waiting
from refboot.kernels import chain as rate_chain
from refboot.kernels import (
    coded,
    fit_tasks,
    loss,
    optim,
    places,
    rates,
    source,
    spiking_tasks,
    through,
    together,
    weight_tasks,
)
from refboot.waiting import NUMBERS


def compile_part(number: int, processes: int) -> None:
    """What one of the processes does: its kernels of a spiking step, to say so, and its kernels of
    a step in rates and of a test.

    Nothing where there is no folder to keep them. Python does not look for garbage meanwhile, which
    would take a fifth of the time.
    """
    gc.disable()
    kept = spiking_tasks.give.kernel.stats.cache_path is not None
    _compile(first()[number::processes] if kept else [])
    print("ready", flush=True)
    _compile(later()[number::processes] if kept else [])


def _compile(kernels: Sequence[tuple[Any, Any]]) -> None:
    for kernel, signature in kernels:
        kernel.compile(signature)


def first() -> list[tuple[Any, Any]]:
    """The kernels of a spiking step, each with the types of its arguments; in an order in which
    each second takes as long as the others.
    """
    f1, f2, f3, number, whole = (
        float32[::1],
        float32[:, ::1],
        float32[:, :, ::1],
        float32,
        int64[::1],
    )
    given = types.Array(float32, 1, "C", readonly=True)
    return [
        *works(
            spiking_tasks.spike, spiking_tasks.to_codes, spiking_tasks.code_sums, spiking_tasks.give
        ),
        *works(weight_tasks.quantise, spiking_tasks.learn_dense),
        (source.through_trains, (float64[:, :, ::1], f1, f1, f1) + (number,) * 5 + (f2,)),
        *works(spiking_tasks.learn, weight_tasks.along, together.go_through, weight_tasks.finish),
        (source.trains_of, (f1,) * 3 + (int32,) * 3 + (f2,) * 3 + (boolean[::1],)),
        *works(spiking_tasks.learn_pictures, optim._adam_part, weight_tasks.lengths),
        (loss._cross_entropy, (f2, whole, f2)),
        (rates._mean, (f3, f2)),
        (loss._cross_entropy_backward, (f2, whole, f2)),
        # Of pixels that may be written to, too, the same process compiles it, within the first of
        # the others.
        (coded._quantise, (given, uint8[::1], boolean[::1], whole)),
        (coded._number, (boolean[:, ::1], int64[:, ::1], uint8[::1], f1)),
        (coded._replace, (uint8[::1], uint8[::1])),
        (waiting.rest, (whole,) + (int64,) * 5),
        (waiting.ask, (whole, int64, whole)),
        (waiting.until, (whole, int64, int64)),
        (waiting.lead, (int64, whole)),
        (places._place, (f1,)),
    ]


def later() -> list[tuple[Any, Any]]:
    """The same of a fit, of a step in rates and of a test."""
    f2, f3, whole, state, flags = (
        float32[:, ::1],
        float32[:, :, ::1],
        int64[::1],
        int32[::1],
        boolean[::1],
    )
    rows, codes = int8[:, ::1], uint8[:, ::1]
    return [
        *works(*sum(rate_chain.FORWARD[rate_chain.LOOK :] + rate_chain.BACKWARD[:-1], ())),
        (
            through._through,
            (codes, int64, rows, int16[::1], f2, flags, whole, int8[::1], state, state, state, f3),
        ),
        *works(
            fit_tasks.count,
            fit_tasks.guess,
            fit_tasks.peak,
            fit_tasks.select,
            fit_tasks.sample,
            fit_tasks.keep,
        ),
    ]


def works(*some: together.Work) -> list[tuple[Any, Any]]:
    """The kernels of these works."""
    return [(work.kernel, NUMBERS) for work in some]
