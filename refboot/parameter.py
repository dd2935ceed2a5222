"""A parameter: an array that is saved and, if trainable, learned, with its gradient."""

from __future__ import annotations

from refboot.arrays import Floats


class Parameter:
    """`data` is float32; the optimiser changes it in place. `grad` is None before a backward pass.

    Parameters that are not `trainable` are only saved.
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
