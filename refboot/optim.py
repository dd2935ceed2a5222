"""Optimisers: they change a list of parameters by their gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.errors import OrderError, TypeMismatchError
from refboot.parameter import Parameter

LARGEST_LR = 1e30  # Adam's first steps enlarge it, in float32


class SGD:
    """Gradient descent with step `lr` and `momentum` in [0, 1)."""

    def __init__(self, parameters: Iterable[Parameter], lr: float, momentum: float = 0) -> None:
        self.parameters = _checked(parameters)
        self.lr = arrays.number("lr", lr, 0, LARGEST_LR, above=True)
        self.momentum = arrays.number("momentum", momentum, 0, 0.9999999)
        self.velocity = [np.zeros_like(p.data) for p in self.parameters]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.parameters:
            p.zero_grad()

    def step(self) -> None:
        """Change every parameter that has a gradient, in place; raises OrderError if none has.

        Spec: TRN-11.
        """
        for arrays_of in _with_gradients(self.parameters, self.velocity):
            ops.active().sgd_step(*arrays_of, self.lr, self.momentum)


class Adam:
    """Adam with step `lr`, the moments' decay rates `betas`, and `eps` in the denominator.

    The moments m and v start at zero.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self.parameters = _checked(parameters)
        self.lr = arrays.number("lr", lr, 0, LARGEST_LR, above=True)
        both = arrays.pair("betas", betas)
        self.beta1, self.beta2 = (arrays.number("betas", beta, 0, 0.9999999) for beta in both)
        self.eps = arrays.number("eps", eps, 0, above=True)
        self.m = [np.zeros_like(p.data) for p in self.parameters]
        self.v = [np.zeros_like(p.data) for p in self.parameters]
        self.steps = 0

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.parameters:
            p.zero_grad()

    def step(self) -> None:
        """Change every parameter that has a gradient, in place; raises OrderError if none has.

        Spec: TRN-11.
        """
        changed = _with_gradients(self.parameters, self.m, self.v)
        self.steps += 1
        for arrays_of in changed:
            constants = self.steps, self.lr, self.beta1, self.beta2, self.eps
            ops.active().adam_step(*arrays_of, *constants)


def _checked(parameters: Iterable[Parameter]) -> list[Parameter]:
    """The parameters as a list; raises TypeMismatchError."""
    if not isinstance(parameters, Iterable) or isinstance(parameters, (str, bytes, np.ndarray)):
        raise TypeMismatchError("parameters", repr(parameters), "a sequence of Parameters")
    what = "a refboot.parameter.Parameter"
    return [arrays.instance("one of the parameters", p, Parameter, what) for p in parameters]


def _with_gradients(
    parameters: Sequence[Parameter], *moments: Sequence[Floats]
) -> list[tuple[Floats, ...]]:
    """Data, gradient and moments of each parameter that has a gradient; raises OrderError."""
    every = zip(parameters, *moments, strict=True)
    found = [(p.data, p.grad, *own) for p, *own in every if p.grad is not None]
    if not found:
        raise OrderError("step", "called without a gradient", "a backward pass before it")
    return found
