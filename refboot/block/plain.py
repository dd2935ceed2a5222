"""Layers that are the same in every mode, with nothing to learn or to fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.errors import FormatError, OrderError, RangeError
from refboot.exchange import LayerSpec, write_layer
from refboot.neuron.cuba import Trace
from refboot.parameter import Parameter
from refboot.routine import Mode


class Plain(ABC):
    """A layer without parameters."""

    def __init__(self) -> None:
        self.training = True
        self._shape: tuple[int, ...] | None = None

    @abstractmethod
    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output for an input of `shape`, both without N and T."""

    def parameters(self) -> dict[str, Parameter]:
        """None."""
        return {}

    def buffers(self) -> dict[str, np.ndarray]:
        """None."""
        return {}

    def load_buffers(self, buffers: Mapping[str, np.ndarray]) -> None:
        """Nothing to take; raises FormatError if there is something."""
        if buffers:
            raise FormatError(
                f"the state of {type(self).__name__}", f"with {sorted(buffers)}", "nothing"
            )

    def forward(self, x: Floats, mode: Mode = Mode.ANN) -> Floats:
        """Run x (N, C, ..., T), float32; raises ShapeError, TypeMismatchError or RangeError for a
        wrong x.
        """
        return self.run(
            arrays.moving("x", x), arrays.instance("mode", mode, Mode, "a refboot.Mode")
        )

    def __call__(self, x: Floats, mode: Mode = Mode.ANN) -> Floats:
        """See `forward`."""
        return self.forward(x, mode)

    def trace(self, x: Floats) -> Trace | None:
        """None: there are no neurons."""
        return None

    def layer_spec(self, shape: tuple[int, ...]) -> LayerSpec:
        """The layer as an exchange file holds it, for inputs of `shape` (without N and T); raises
        FormatError where it holds none.
        """
        raise FormatError("the layer", type(self).__name__, "one that an exchange file has")

    def export_hdf5(self, group: Any, input_shape: tuple[int, ...]) -> None:
        """Write the layer into an h5py group, as lava.lib.dl.netx reads it; raises FormatError."""
        write_layer(group, self.layer_spec(input_shape))

    @abstractmethod
    def run(self, x: Floats, mode: Mode) -> Floats:
        """`forward` for an x that was checked."""

    @abstractmethod
    def backward(self, grad: Floats) -> Floats:
        """Gradient for the x of the last call, given that of its output; raises OrderError before a
        call.
        """

    def _last_shape(self) -> tuple[int, ...]:
        if self._shape is None:
            raise OrderError(
                f"{type(self).__name__}.backward", "called first", "a forward pass before it"
            )
        return self._shape


class Flatten(Plain):
    """Reshape (N, C, ..., T) to (N, C * ..., T). Spec: MOD-6."""

    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output: one axis."""
        return (int(np.prod(shape)),)

    def layer_spec(self, shape: tuple[int, ...]) -> LayerSpec:
        """The layer as an exchange file holds it, for inputs of `shape`."""
        return LayerSpec("flatten", self.build(shape))

    def run(self, x: Floats, mode: Mode) -> Floats:
        """`forward` for an x that was checked."""
        self._shape = x.shape
        return x.reshape(x.shape[0], -1, x.shape[-1])

    def backward(self, grad: Floats) -> Floats:
        """The gradient in the shape x had; raises OrderError before a call, ShapeError."""
        shape = self._last_shape()
        return arrays.gradient(grad, (shape[0], int(np.prod(shape[1:-1])), shape[-1])).reshape(
            shape
        )


class Average(Plain):
    """Population read-out: the mean over each of `num_outputs` equal groups of consecutive neurons,
    (N, C, ..., T) to (N, outputs, T).
    """

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self.num_outputs = arrays.whole("num_outputs", num_outputs)

    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output; raises RangeError where the groups do not divide the neurons."""
        if int(np.prod(shape)) % self.num_outputs:
            raise RangeError(
                "num_outputs", self.num_outputs, f"a divisor of the {int(np.prod(shape))} neurons"
            )
        return (self.num_outputs,)

    def run(self, x: Floats, mode: Mode) -> Floats:
        """`forward` for an x that was checked."""
        self.build(x.shape[1:-1])
        self._shape = x.shape
        return ops.active().average_forward(x, self.num_outputs)

    def backward(self, grad: Floats) -> Floats:
        """Each neuron's share of the gradient; raises OrderError before a call, ShapeError."""
        shape = self._last_shape()
        return ops.active().average_backward(
            arrays.gradient(grad, (shape[0], self.num_outputs, shape[-1])), shape
        )
