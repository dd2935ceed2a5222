"""Layers without parameters, the same in every mode."""

from __future__ import annotations

import math

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.block.base import Layer
from refboot.errors import OrderError, RangeError
from refboot.exchange import LayerSpec
from refboot.reference.modes import Mode


class Flatten(Layer):
    """Reshape (N, C, ..., T) to (N, C * ..., T). Spec: MOD-6."""

    _shape: tuple[int, ...] | None = None

    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The output's shape: one axis."""
        self.input_shape = shape
        return (math.prod(shape),)

    def layer_spec(self, shape: tuple[int, ...]) -> LayerSpec:
        """The layer as in an exchange file, for inputs of `shape`."""
        return LayerSpec("flatten", (math.prod(shape),))

    def run(self, x: Floats, mode: Mode) -> Floats:
        """`forward` for an x that was checked."""
        self._shape = x.shape
        return x.reshape(x.shape[0], -1, x.shape[-1])

    def backward(self, grad: Floats) -> Floats:
        """The gradient in the shape of x; raises OrderError before a call, ShapeError."""
        if self._shape is None:
            raise OrderError("Flatten.backward", "called first", "a forward pass before it")
        n, *space, steps = self._shape
        return arrays.unsearched("grad", grad, (n, math.prod(space), steps)).reshape(self._shape)


class Average(Layer):
    """Population read-out: the mean over each of `num_outputs` equal groups of neurons.

    The neurons of a group follow each other. From (N, C, ..., T) to (N, num_outputs, T).
    """

    _shape: tuple[int, ...] | None = None

    def __init__(self, num_outputs: int) -> None:
        self.num_outputs = arrays.whole("num_outputs", num_outputs)

    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The output's shape; raises RangeError if the neurons do not divide into the groups."""
        neurons = math.prod(shape)
        if neurons % self.num_outputs:
            expected = f"a divisor of the {neurons} neurons"
            raise RangeError("num_outputs", self.num_outputs, expected)
        return (self.num_outputs,)

    def run(self, x: Floats, mode: Mode) -> Floats:
        """`forward` for an x that was checked."""
        self.build(x.shape[1:-1])
        self._shape = x.shape
        return ops.active().average_forward(x, self.num_outputs)

    def backward(self, grad: Floats) -> Floats:
        """Each neuron's share of the gradient; raises OrderError before a call, ShapeError."""
        if self._shape is None:
            raise OrderError("Average.backward", "called first", "a forward pass before it")
        out = self._shape[0], self.num_outputs, self._shape[-1]
        return ops.active().average_backward(arrays.unsearched("grad", grad, out), self._shape)
