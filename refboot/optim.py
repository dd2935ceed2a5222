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
        """Change every parameter that has a gradient, in place; raises OrderError where none has.
        Spec: TRN-11.
        """
        _step("sgd_step", _sets(self.parameters, self.velocity), self.lr, self.momentum)


class Adam:
    """Adam with step `lr`, decay rates `betas` of the moments, and `eps` in the denominator;
    moments m and v start at zero.
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
        self.beta1, self.beta2 = (
            arrays.number("betas", beta, 0, 0.9999999) for beta in arrays.pair("betas", betas)
        )
        self.eps = arrays.number("eps", eps, 0, above=True)
        self.m = [np.zeros_like(p.data) for p in self.parameters]
        self.v = [np.zeros_like(p.data) for p in self.parameters]
        self.steps = 0

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.parameters:
            p.zero_grad()

    def step(self) -> None:
        """Change every parameter that has a gradient, in place; raises OrderError where none has.
        Spec: TRN-11.
        """
        sets = _sets(self.parameters, self.m, self.v)
        self.steps += 1
        _step("adam_step", sets, self.steps, self.lr, self.beta1, self.beta2, self.eps)


def _checked(parameters: Iterable[Parameter]) -> list[Parameter]:
    """The parameters as a list; raises TypeMismatchError."""
    if not isinstance(parameters, Iterable) or isinstance(parameters, (str, bytes, np.ndarray)):
        raise TypeMismatchError("parameters", repr(parameters), "a sequence of Parameters")
    found = list(parameters)
    for parameter in found:
        arrays.instance(
            "one of the parameters", parameter, Parameter, "a refboot.parameter.Parameter"
        )
    return found


def _sets(parameters: Sequence[Parameter], *moments: Sequence[Floats]) -> list[tuple[Floats, ...]]:
    """Data, gradient and moments of each parameter that has a gradient; raises OrderError where
    none has.
    """
    sets = [
        (p.data, p.grad, *own)
        for p, *own in zip(parameters, *moments, strict=True)
        if p.grad is not None
    ]
    if not sets:
        raise OrderError("step", "called without a gradient", "a backward pass before it")
    return sets


def _step(name: str, sets: Sequence[tuple[Floats, ...]], *constants: float) -> None:
    """Call the operation `name` for each set, or its shortcut for all of them."""
    ways = ops.shortcuts()
    if ways is not None:
        getattr(ways, f"{name}s")(sets, *constants)
    else:
        for own in sets:
            getattr(ops.active(), name)(*own, *constants)
