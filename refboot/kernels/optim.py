"""Kernels of refboot.reference.optim; equal to it in every bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refboot.arrays import Floats
from refboot.kernels.jit import jit
from refboot.kernels.layout import axes_of, flat, over_elements

TINY = np.finfo(np.float32).tiny


def sgd_step(p: Floats, grad: Floats, velocity: Floats, lr: float, momentum: float) -> None:
    """See reference.sgd_step."""
    _in_place(_sgd, (p, velocity), grad, np.float32(lr), np.float32(momentum))


def adam_step(p: Floats, grad: Floats, m: Floats, v: Floats, step: int, lr: float, beta1: float, beta2: float, eps: float) -> None:
    """See reference.adam_step."""
    rates = np.float32(beta1), np.float32(1 - beta1), np.float32(beta2), np.float32(1 - beta2)
    root, rate = np.float32(1 / np.sqrt(1 - beta2**step)), np.float32(lr / (1 - beta1**step))
    _in_place(_adam, (p, m, v), grad, *rates, root, rate, np.float32(eps))


def _in_place(kernel: Callable[..., None], changed: tuple[Floats, ...], grad: Floats, *constants: np.float32) -> None:
    """Run `kernel` on flat views in the memory order of the parameter; of an array that lies otherwise a copy is written back."""
    alike = all(x.strides == grad.strides for x in changed) and (grad.flags.c_contiguous or grad.flags.f_contiguous)
    axes = axes_of(changed[0])
    grads, p, *moments = flats = [x.ravel(order="K") if alike else flat(x, axes) for x in (grad, *changed)]
    over_elements(p.size, lambda part: kernel(p[part], grads[part], *(m[part] for m in moments), *constants))
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
