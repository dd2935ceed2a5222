"""Kernels of refboot.reference.optim; equal to it in every bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from refboot.arrays import Floats
from refboot.kernels.jit import COMPILED, jit
from refboot.kernels.layout import SMALL, axes_of, flat
from refboot.kernels.together import next_task, plan_for, share

TINY = np.finfo(np.float32).tiny


def sgd_step(p: Floats, grad: Floats, velocity: Floats, lr: float, momentum: float) -> None:
    """See reference.sgd_step."""
    _in_place(_sgd, _sgd_parts, (p, velocity), grad, np.float32(lr), np.float32(momentum))


def adam_step(p: Floats, grad: Floats, m: Floats, v: Floats, step: int, lr: float, beta1: float, beta2: float, eps: float) -> None:
    """See reference.adam_step."""
    _in_place(_adam, _adam_parts, (p, m, v), grad, *_adam_constants(step, lr, beta1, beta2, eps))


@lru_cache(maxsize=1)  # of one step all parameters have the same
def _adam_constants(step: int, lr: float, beta1: float, beta2: float, eps: float) -> tuple[np.float32, ...]:
    rates = np.float32(beta1), np.float32(1 - beta1), np.float32(beta2), np.float32(1 - beta2)
    return *rates, np.float32(1 / np.sqrt(1 - beta2**step)), np.float32(lr / (1 - beta1**step)), np.float32(eps)


def _in_place(
    kernel: Callable[..., None], parts: Callable[..., None], changed: tuple[Floats, ...], grad: Floats, *constants: np.float32
) -> None:
    """Run `kernel`, or `parts`, on flat views in memory order; of an array that lies otherwise a copy is written back."""
    alike = all(x.strides == grad.strides for x in changed) and (grad.flags.c_contiguous or grad.flags.f_contiguous)
    axes = axes_of(changed[0])
    grads, p, *moments = flats = [x.ravel(order="K") if alike else flat(x, axes) for x in (grad, *changed)]
    if p.size < SMALL or not COMPILED:
        kernel(p, grads, *moments, *constants)
    else:
        share(parts, plan_for(p.size), (p, grads, *moments, *constants))
    for array, result in () if alike else zip(changed, flats[1:], strict=True):
        turned = array.transpose(axes)
        if not turned.flags.c_contiguous:
            turned[...] = result.reshape(turned.shape)


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


@jit
def _sgd_parts(tasks, sizes, cells, p, grad, velocity, lr, momentum):  # type: ignore[no-untyped-def]
    k = next_task(tasks, sizes, cells)
    while k < len(tasks):
        low, high = tasks[k, 3], tasks[k, 4]
        _sgd(p[low:high], grad[low:high], velocity[low:high], lr, momentum)
        k = next_task(tasks, sizes, cells)


@jit
def _adam_parts(tasks, sizes, cells, p, grad, m, v, keep1, new1, keep2, new2, root, rate, eps):  # type: ignore[no-untyped-def]
    k = next_task(tasks, sizes, cells)
    while k < len(tasks):
        low, high = tasks[k, 3], tasks[k, 4]
        _adam(p[low:high], grad[low:high], m[low:high], v[low:high], keep1, new1, keep2, new2, root, rate, eps)
        k = next_task(tasks, sizes, cells)
