"""A parameter: an array that is learned or at least saved, with its gradient."""

from __future__ import annotations

from refboot.arrays import Floats


class Parameter:
    """`data` (float32, changed in place by the optimiser), its `grad` (None before a backward
    pass), and whether it is `trainable`.
    """

    __slots__ = ("data", "grad", "trainable")

    def __init__(self, data: Floats, trainable: bool = True) -> None:
        self.data = data
        self.grad: Floats | None = None
        self.trainable = trainable

    def add_grad(self, grad: Floats) -> None:
        """Add `grad` (same shape) to what has gathered since the last `zero_grad`. Spec: GRD-17."""
        self.grad = grad if self.grad is None else self.grad + grad

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None
