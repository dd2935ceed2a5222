"""Kernels of refboot.reference.optim; equal to it in every bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from refboot.arrays import Floats
from refboot.kernels.jit import jit
from refboot.kernels.layout import SMALL, axes_of, flat
from refboot.kernels.places import between, doubles, numbers, places
from refboot.kernels.together import Work, plan_for, share

MOST = 8  # numbers that a part is told for all arrays, and for each set of them
TINY = np.finfo(np.float32).tiny

Arrays = tuple[Floats, ...]


def sgd_step(p: Floats, grad: Floats, velocity: Floats, lr: float, momentum: float) -> None:
    """See reference.sgd_step."""
    _in_place(_sgd, (p, grad, velocity), np.float32(lr), np.float32(momentum))


def adam_step(
    p: Floats,
    grad: Floats,
    m: Floats,
    v: Floats,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    """See reference.adam_step."""
    _in_place(_adam, (p, grad, m, v), *_adam_constants(step, lr, beta1, beta2, eps))


def sgd_steps(sets: Sequence[Arrays], lr: float, momentum: float) -> None:
    """`sgd_step` for each set (p, grad, velocity) of arrays."""
    _all_in_place(_sgd, _sgd_part, sets, np.float32(lr), np.float32(momentum))


def adam_steps(
    sets: Sequence[Arrays], step: int, lr: float, beta1: float, beta2: float, eps: float
) -> None:
    """`adam_step` for each set (p, grad, m, v) of arrays."""
    _all_in_place(_adam, _adam_part, sets, *_adam_constants(step, lr, beta1, beta2, eps))


@lru_cache(maxsize=1)  # of one step all parameters have the same
def _adam_constants(
    step: int, lr: float, beta1: float, beta2: float, eps: float
) -> tuple[np.float32, ...]:
    rates = np.float32(beta1), np.float32(1 - beta1), np.float32(beta2), np.float32(1 - beta2)
    return (
        *rates,
        np.float32(1 / math.sqrt(1 - beta2**step)),
        np.float32(lr / (1 - beta1**step)),
        np.float32(eps),
    )


def _all_in_place(
    kernel: Callable[..., None], part: Work, sets: Sequence[Arrays], *constants: np.float32
) -> None:
    """Do `part` of all sets whose arrays lie alike in memory, `kernel` on each other one, and where
    memory is shared with one.
    """
    alike: dict[int, Arrays] = {}
    for some in sets:
        memory = some[0] if some[0].base is None else some[0].base
        if not _lie_alike(some) or alike.setdefault(id(memory), some) is not some:
            _in_place(kernel, some, *constants)
    if alike:
        sizes = [some[0].size for some in alike.values()]
        given, table = np.zeros(MOST), np.zeros((len(sizes), MOST), np.int64)
        given[: len(constants)], table[:, : len(sets[0])] = constants, places([*alike.values()])
        share(
            ((part,),),
            plan_for(*sizes),
            given.view(np.int64),
            table.reshape(-1),
            alone=sum(sizes) < SMALL,
        )


def _lie_alike(arrays: Arrays) -> bool:
    """Whether element for element lies at the same place from the start, without gaps, and all but
    the second can be written to.
    """
    first, grad, *_ = arrays
    shape, strides = first.shape, first.strides
    if not first.size or not (first.flags.c_contiguous or first.flags.f_contiguous):
        return False
    for x in arrays:  # a loop in a generator takes twice the time
        if (
            x.strides != strides
            or x.shape != shape
            or x.dtype != np.float32
            or not (x is grad or x.flags.writeable)
        ):
            return False
    return True


def _in_place(kernel: Callable[..., None], arrays: Arrays, *constants: np.float32) -> None:
    """Run `kernel` on flat views of p, grad and moments in memory order; of an array that lies
    otherwise a copy is written back.
    """
    axes = axes_of(arrays[0])
    flats = [flat(x, axes) for x in arrays]
    kernel(*flats, *constants)
    for i, array in enumerate(arrays):
        turned = array.transpose(axes)
        if i != 1 and not turned.flags.c_contiguous:
            turned[...] = flats[i].reshape(turned.shape)


@jit
def _sgd(p, grad, velocity, lr, momentum):  # type: ignore[no-untyped-def]
    for i in range(p.size):
        now = velocity[i] * momentum + grad[i]
        velocity[i] = now  # what was just stored is not read again: that would take twice the time
        p[i] -= lr * now


@jit
def _adam(p, grad, m, v, keep1, new1, keep2, new2, root, rate, eps):  # type: ignore[no-untyped-def]
    for i in range(p.size):
        first = m[i] * keep1 + new1 * grad[i]
        second = v[i] * keep2 + new2 * grad[i] * grad[i]
        first = first if abs(first) >= TINY else np.float32(0)
        second = second if second >= TINY else np.float32(0)
        m[i], v[i] = first, second
        p[i] -= rate * first / (np.sqrt(second) * root + eps)


@Work
def _sgd_part(work, i, part, low, high):  # type: ignore[no-untyped-def]
    own, constants = numbers(work + 8 * (MOST + i * MOST), (MOST,)), doubles(work, (MOST,))
    lr, momentum = np.float32(constants[0]), np.float32(constants[1])
    _sgd(
        between(own[0], low, high),
        between(own[1], low, high),
        between(own[2], low, high),
        lr,
        momentum,
    )


@Work
def _adam_part(work, i, part, low, high):  # type: ignore[no-untyped-def]
    own, by = numbers(work + 8 * (MOST + i * MOST), (MOST,)), doubles(work, (MOST,))
    p, grad, m, v = (
        between(own[0], low, high),
        between(own[1], low, high),
        between(own[2], low, high),
        between(own[3], low, high),
    )
    keep1, new1, keep2, new2 = (
        np.float32(by[0]),
        np.float32(by[1]),
        np.float32(by[2]),
        np.float32(by[3]),
    )
    _adam(
        p,
        grad,
        m,
        v,
        keep1,
        new1,
        keep2,
        new2,
        np.float32(by[4]),
        np.float32(by[5]),
        np.float32(by[6]),
    )
