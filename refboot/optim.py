"""Optimisers: they change a list of parameters by their gradients."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from refboot import arrays, ops
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
        """Change every parameter that has a gradient, in place; raises OrderError where none has. Spec: TRN-11."""
        _check_grads(self.parameters)
        for p, velocity in zip(self.parameters, self.velocity, strict=True):
            if p.grad is not None:
                ops.active().sgd_step(p.data, p.grad, velocity, self.lr, self.momentum)


class Adam:
    """Adam with step `lr`, decay rates `betas` of the moments, and `eps` in the denominator; moments m and v start at zero."""

    def __init__(
        self, parameters: Iterable[Parameter], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        self.parameters = _checked(parameters)
        self.lr = arrays.number("lr", lr, 0, LARGEST_LR, above=True)
        self.beta1, self.beta2 = (arrays.number("betas", beta, 0, 0.9999999) for beta in arrays.pair("betas", betas))
        self.eps = arrays.number("eps", eps, 0, above=True)
        self.m = [np.zeros_like(p.data) for p in self.parameters]
        self.v = [np.zeros_like(p.data) for p in self.parameters]
        self.steps = 0

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.parameters:
            p.zero_grad()

    def step(self) -> None:
        """Change every parameter that has a gradient, in place; raises OrderError where none has. Spec: TRN-11."""
        _check_grads(self.parameters)
        self.steps += 1
        for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
            if p.grad is not None:
                ops.active().adam_step(p.data, p.grad, m, v, self.steps, self.lr, self.beta1, self.beta2, self.eps)


def _checked(parameters: Iterable[Parameter]) -> list[Parameter]:
    """The parameters as a list; raises TypeMismatchError."""
    if not isinstance(parameters, Iterable) or isinstance(parameters, (str, bytes, np.ndarray)):
        raise TypeMismatchError("parameters", repr(parameters), "a sequence of Parameters")
    found = list(parameters)
    for parameter in found:
        arrays.instance("one of the parameters", parameter, Parameter, "a refboot.parameter.Parameter")
    return found


def _check_grads(parameters: list[Parameter]) -> None:
    if all(p.grad is None for p in parameters):
        raise OrderError("step", "called without a gradient", "a backward pass before it")
