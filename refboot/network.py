"""A network: its layers run forward, each in its mode, and backward in reverse."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from refboot import arrays, exchange
from refboot.arrays import Floats
from refboot.block.base import Block, Layer
from refboot.errors import FormatError, OrderError, RangeError, RefbootError, ShapeError
from refboot.exchange import NetSpec
from refboot.neuron.cuba import Trace
from refboot.optim import Parameter
from refboot.reference.modes import Mode, layer_mode, replicate
from refboot.reference.numbers import total
from refboot.routine import LayerMode

Shape = Sequence[int]


class Network:
    """Blocks in order, for inputs of `input_shape` (without N and T).

    In the spiking modes a still input is held for `time_steps` steps. Without an input shape,
    `build` must come before anything else. Raises what `build` raises.
    """

    def __init__(
        self, blocks: Sequence[Layer], input_shape: Shape | None = None, time_steps: int = 16
    ) -> None:
        self.blocks: list[Layer] = arrays.items("blocks", blocks)
        if not self.blocks:
            raise RangeError("blocks", blocks, "at least one block")
        _check_own(self.blocks)
        self.time_steps = arrays.whole("time_steps", time_steps)
        self.training = True
        self.input_shape: tuple[int, ...] = ()
        self.shapes: list[tuple[int, ...]] = []  # of each block's output
        if input_shape is not None:
            self.build(input_shape)

    def build(self, input_shape: Shape) -> tuple[int, ...]:
        """Prepare each block for the shape of its input; returns the output's shape.

        Both are without N and T. Raises ShapeError, naming the block, if one does not fit the next.
        """
        given = arrays.items("input_shape", input_shape)
        shape = tuple(arrays.whole("input_shape", size) for size in given)
        if not shape:
            raise ShapeError("input_shape", shape, "at least one size")
        self.input_shape, self.shapes = shape, []
        for i, block in enumerate(self.blocks):
            with _named(i, block):
                shape = block.build(shape)
            self.shapes.append(shape)
        return shape

    def forward(self, x: Floats, mode: LayerMode) -> Floats:
        """Run x, of a shape as in `over_time`, each layer in its mode; output (N, C, T'), float32.

        T' is `time_steps` (or T) if the last block spikes, else 1. Raises as the blocks do.
        """
        what = "a refboot.routine.LayerMode, as Scheduler.mode gives"
        arrays.instance("mode", mode, LayerMode, what)
        x = self.over_time(x, mode)
        for i, block in enumerate(self.blocks):
            with _named(i, block):
                x = block.run(x, layer_mode(i, mode.base_mode, mode.crossover))
        return x

    __call__ = forward

    def backward(self, grad: Floats) -> Floats:
        """Gradient with respect to the input of the last `forward`, given that of its output.

        Adds the gradients of the parameters, which may not change between the two calls. Raises
        OrderError before a `forward`, ShapeError, TypeMismatchError, RangeError.
        """
        grad = arrays.floats("grad", grad)
        for block in reversed(self.blocks):
            grad = block.backward(grad)
        return grad

    def over_time(self, x: Floats, mode: LayerMode) -> Floats:
        """x with its time axis, as the first block needs it in `mode`: (N, *input_shape, 1 or T).

        x is a still (N, *input_shape), flat (N, values) or a moving (N, *input_shape, T). A network
        with one input axis flattens pictures in row-major order. Raises ShapeError, OrderError
        before `build`, TypeMismatchError, RangeError. Spec: MOD-13.
        """
        if not self.shapes:
            expected = "build(input_shape) first"
            raise OrderError("the network", "used before its shapes were known", expected)
        x, shape = arrays.floats("x", x), self.input_shape
        flat = x.ndim == 2 or (x.ndim > 2 and len(shape) == 1)
        still = x.shape[1:] == shape or (flat and math.prod(x.shape[1:]) == math.prod(shape))
        moving = x.reshape(len(x), *shape, 1) if still else x
        if not x.size or moving.shape[1:-1] != shape:
            axes = ", ".join(map(str, shape))
            expected = f"(N, {axes}) in this order, with an optional last axis T for time"
            raise ShapeError("x", f"of shape {x.shape}", expected)
        spiking = layer_mode(0, mode.base_mode, mode.crossover).spiking
        return replicate(moving, self.time_steps) if spiking and moving.shape[-1] == 1 else moving

    @property
    def fitted(self) -> bool:
        """True if ANN mode can run: every layer that needs a curve has one."""
        return all(getattr(block, "fitted", True) for block in self.blocks)

    def parameters(self) -> list[Parameter]:
        """The trainable parameters, in order."""
        return [p for p in self.named_parameters().values() if p.trainable]

    def named_parameters(self) -> dict[str, Parameter]:
        """Every parameter, trainable or not, by a name like `blocks.1.synapse.weight_v`."""
        blocks = enumerate(self.blocks)
        return {f"blocks.{i}.{name}": p for i, b in blocks for name, p in b.parameters().items()}

    def state(self) -> dict[str, np.ndarray]:
        """Copies of every parameter and curve, by names like `blocks.1.curve.knots`."""
        blocks = enumerate(self.blocks)
        state = {name: parameter.data for name, parameter in self.named_parameters().items()}
        state |= {f"blocks.{i}.{name}": a for i, b in blocks for name, a in b.buffers().items()}
        return {name: array.copy() for name, array in state.items()}

    def digest(self) -> str:
        """The first 16 hex digits of the SHA-256 of `state`, in sorted order of names.

        Each array is its name in UTF-8, a zero byte, its sizes as decimal numbers joined by "x", a
        zero byte, and its values as little-endian bytes in C order. Spec: TRN-15.
        """
        found = hashlib.sha256()
        for name, array in sorted(self.state().items()):
            found.update(f"{name}\0{'x'.join(map(str, array.shape))}\0".encode())
            found.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
        return found.hexdigest()[:16]

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Load what `state` gave, or nothing: a FormatError names what is missing or does not fit.

        Trailing axes of size 1, as in lava-dl's weights, are dropped. Without curves, ANN mode
        needs a new fit.
        """
        arrays.mapping("state", state, "a mapping of names to arrays")
        parameters = self.named_parameters()
        missing = sorted(parameters.keys() - state.keys())
        if missing:
            raise FormatError("the state", f"without {missing}", "every parameter of the network")
        loaded = {name: _fitting(name, state[name], p.data.shape) for name, p in parameters.items()}
        rest = {name: a for name, a in state.items() if name not in parameters}
        before = [block.buffers() for block in self.blocks]
        try:
            for i, block in enumerate(self.blocks):
                prefix = f"blocks.{i}."
                own = [name for name in rest if name.startswith(prefix)]
                block.load_buffers({name.removeprefix(prefix): rest.pop(name) for name in own})
            if rest:
                expected = "only what the network has"
                raise FormatError("the state", f"with unknown {sorted(rest)}", expected)
        except FormatError:
            for block, buffers in zip(self.blocks, before, strict=True):
                block.load_buffers(buffers)
            raise
        for name, data in loaded.items():
            parameters[name].data[...] = data

    def trace(self, x: Floats) -> list[Trace | None]:
        """Every step of each block in SNN mode, for x as in `forward`; None without neurons."""
        x, found = self.over_time(x, LayerMode(0, Mode.SNN)), []
        for block in self.blocks:
            found.append(block.trace(x))
            x = block.run(x, Mode.SNN)
        return found

    def spec(self, notes: Mapping[str, Any] | None = None) -> NetSpec:
        """The network as integers, as in an exchange file, with `notes`; raises FormatError."""
        shape, layers = self.input_shape, []
        for i, block in enumerate(self.blocks):
            with _named(i, block):
                layers.append(block.layer_spec(shape))
            shape = layers[-1].shape
        kept = arrays.notes("notes", notes)
        return NetSpec(tuple(layers), self.input_shape, self.time_steps, kept)

    def export_hdf5(
        self, path: str | os.PathLike[str], notes: Mapping[str, Any] | None = None
    ) -> None:
        """Write the exchange file `path`, for lava.lib.dl.netx and refboot.io.netx, or nothing.

        `notes` are plain values. Raises FormatError for what such a file cannot hold; warns
        (ExchangeWarning) of what lava's loader would change.
        """
        exchange.write(path, self.spec(notes))

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.named_parameters().values():
            parameter.zero_grad()

    def train(self, training: bool = True) -> None:
        """Switch to training: dropout acts, norms measure."""
        self.training = arrays.flag("training", training)
        for block in self.blocks:
            block.training = training

    def eval(self) -> None:
        """Switch to evaluation."""
        self.train(False)

    def grad_norms(self) -> dict[str, float]:
        """The L2 norm of the gradients of each block, by a name like `blocks.1`.

        Squares are added over a row's inputs, over rows, then over parameters; float32.
        """
        norms = {}
        for i, block in enumerate(self.blocks):
            grads = [p.grad for p in block.parameters().values() if p.grad is not None]
            if grads:
                with np.errstate(over="ignore"):
                    rows = [(grad * grad).reshape(len(grad), -1) for grad in grads]
                sums = [total(total(row.T)) for row in rows]
                norms[f"blocks.{i}"] = math.sqrt(total(np.stack(sums)))
        return norms

    def firing_rates(self) -> dict[str, float]:
        """The firing rate of each block with `count_log` in the last call, as `grad_norms`."""
        counts = {f"blocks.{i}": b.count for i, b in enumerate(self.blocks) if isinstance(b, Block)}
        return {name: count for name, count in counts.items() if count is not None}


def _check_own(blocks: Sequence[Layer]) -> None:
    """Raise unless each block is a Layer of its own, which remembers one forward pass."""
    owners: dict[int, int] = {}
    for i, block in enumerate(blocks):
        arrays.instance(f"block {i}", block, Layer, "a Layer, as in refboot.block")  # type: ignore[type-abstract]
        for part in (block, getattr(block, "neuron", None), getattr(block, "synapse", None)):
            owner = i if part is None else owners.setdefault(id(part), i)
            if owner != i:
                got = f"a block that shares its {type(part).__qualname__} with block {owner}"
                raise RangeError(f"block {i}", got, "one of its own")


@contextmanager
def _named(number: int, block: Layer) -> Iterator[None]:
    """Within the `with` block, errors begin with the name of `block`."""
    try:
        yield
    except RefbootError as error:
        name = f"block {number} ({type(block).__name__}): {error.name}"
        raise type(error)(name, error.got, error.expected) from error


def _fitting(name: str, array: np.ndarray, shape: tuple[int, ...]) -> Floats:
    own = array.shape
    while len(own) > len(shape) and own[-1] == 1:
        own = own[:-1]
    if own != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
        got, expected = f"{array.dtype} of shape {array.shape}", f"finite floats of shape {shape}"
        raise FormatError(name, got, expected)
    return array.reshape(shape).astype(np.float32)
