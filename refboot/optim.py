"""Parameters, and the optimisers that change them by their gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.errors import OrderError, TypeMismatchError

LARGEST_LR = 1e30  # Adam's first steps enlarge it, in float32


class Parameter:
    """An array that is saved and, if `trainable`, learned.

    The optimiser changes `data` (float32) in place. `grad` is None before a backward pass.
    """

    __slots__ = ("data", "grad", "trainable")

    def __init__(self, data: Floats, trainable: bool = True) -> None:
        self.data = data
        self.grad: Floats | None = None
        self.trainable = trainable

    def add_grad(self, grad: Floats) -> None:
        """Add `grad` (of data's shape) to the gradient since the last `zero_grad`. Spec: GRD-17."""
        self.grad = grad if self.grad is None else self.grad + grad

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None


class Optimizer:
    """What the optimisers share: a list of parameters; raises TypeMismatchError."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        if not isinstance(parameters, Iterable) or isinstance(parameters, (str, bytes, np.ndarray)):
            raise TypeMismatchError("parameters", repr(parameters), "a sequence of Parameters")
        self.parameters = list(parameters)
        for p in self.parameters:
            arrays.instance("one of the parameters", p, Parameter, "a refboot.optim.Parameter")

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.parameters:
            p.grad = None

    def with_gradients(self, *moments: Sequence[Floats]) -> list[tuple[Floats, ...]]:
        """Data, gradient and moments of each parameter that has a gradient.

        Raises OrderError if none has.
        """
        found = []
        for p, *own in zip(self.parameters, *moments, strict=True):
            if p.grad is not None:
                found.append((p.data, p.grad, *own))
        if not found:
            raise OrderError("step", "called without a gradient", "a backward pass before it")
        return found


class SGD(Optimizer):
    """Gradient descent with step `lr` and `momentum` in [0, 1)."""

    def __init__(self, parameters: Iterable[Parameter], lr: float, momentum: float = 0) -> None:
        super().__init__(parameters)
        self.lr = arrays.number("lr", lr, 0, LARGEST_LR, above=True)
        self.momentum = arrays.number("momentum", momentum, 0, 0.9999999)
        self.velocity = [np.zeros_like(p.data) for p in self.parameters]

    def step(self) -> None:
        """Change every parameter with a gradient, in place; OrderError if none. Spec: TRN-11."""
        for given in self.with_gradients(self.velocity):
            ops.active().sgd_step(*given, self.lr, self.momentum)


class Adam(Optimizer):
    """Adam with step `lr`, decay rates `betas` of the moments m and v, and `eps` in the divisor."""

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(parameters)
        self.lr = arrays.number("lr", lr, 0, LARGEST_LR, above=True)
        both = arrays.pair("betas", betas)
        self.beta1, self.beta2 = (arrays.number("betas", beta, 0, 0.9999999) for beta in both)
        self.eps = arrays.number("eps", eps, 0, above=True)
        self.m = [np.zeros_like(p.data) for p in self.parameters]
        self.v = [np.zeros_like(p.data) for p in self.parameters]
        self.steps = 0

    def step(self) -> None:
        """Change every parameter with a gradient, in place; OrderError if none. Spec: TRN-11."""
        changed = self.with_gradients(self.m, self.v)
        self.steps += 1
        for given in changed:
            options = self.steps, self.lr, self.beta1, self.beta2, self.eps
            ops.active().adam_step(*given, *options)
