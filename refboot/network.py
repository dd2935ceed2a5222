"""A network: blocks in order, run forward by mode and backward in reverse."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from refboot import arrays, exchange, ops
from refboot.arrays import Floats
from refboot.block.base import Block
from refboot.block.chain import Chain, chain
from refboot.block.fitting import fit_together
from refboot.block.plain import Plain
from refboot.block.spiking_chain import SpikingChain, spiking_chain
from refboot.block.still import Held, hold, replicate
from refboot.block.through import through
from refboot.errors import (
    FormatError,
    OrderError,
    RangeError,
    RefbootError,
    ShapeError,
    TypeMismatchError,
)
from refboot.exchange import LayerSpec, NetSpec
from refboot.neuron.cuba import Trace
from refboot.parameter import Parameter
from refboot.routine import LayerMode, Mode


class Layer(Protocol):
    """What a network asks of a block."""

    training: bool

    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]: ...
    def parameters(self) -> dict[str, Parameter]: ...
    def buffers(self) -> dict[str, np.ndarray]: ...
    def load_buffers(self, buffers: Mapping[str, np.ndarray]) -> None: ...
    def forward(self, x: Floats, mode: Mode = Mode.ANN) -> Floats: ...
    def backward(self, grad: Floats) -> Floats: ...
    def trace(self, x: Floats) -> Trace | None: ...
    def layer_spec(self, shape: tuple[int, ...]) -> LayerSpec: ...


class Network:
    """Blocks in order, for inputs of `input_shape` (without N and T) and `time_steps` steps in the
    spiking modes.

    Without an input shape, `build` must come before anything else. Raises what `build` raises.
    """

    def __init__(
        self,
        blocks: Sequence[Layer],
        input_shape: Sequence[int] | None = None,
        time_steps: int = 16,
    ) -> None:
        self.blocks: list[Layer] = arrays.items("blocks", blocks)
        if not self.blocks:
            raise RangeError("blocks", blocks, "at least one block")
        for block in self.blocks:
            if not all(
                callable(getattr(block, method, None))
                for method in ("build", "parameters", "forward", "backward")
            ):
                raise TypeMismatchError(
                    "blocks",
                    f"a sequence with a {type(block).__name__}",
                    "blocks, as those of refboot.block",
                )
        _check_own(self.blocks)
        self.time_steps = arrays.whole("time_steps", time_steps)
        self.training = True
        self.input_shape: tuple[int, ...] = ()
        self.shapes: list[tuple[int, ...]] = []
        self._held: Held | None = None
        self._chain: Chain | SpikingChain | None = None
        if input_shape is not None:
            self.build(input_shape)

    def build(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        """Tell each block the shape of its input and make what depends on it; returns that of the
        output, both without N and T.

        `shapes` keeps the output of each block. Raises ShapeError where one does not fit the next,
        naming the block.
        """
        shape = tuple(
            arrays.whole("input_shape", size) for size in arrays.items("input_shape", input_shape)
        )
        if not shape:
            raise ShapeError("input_shape", shape, "at least one size")
        self.input_shape, self.shapes = shape, []
        for i, block in enumerate(self.blocks):
            try:
                shape = block.build(shape)
            except RefbootError as error:
                raise _of_block(i, block, error) from error
            self.shapes.append(shape)
        return shape

    def forward(self, x: Floats, mode: LayerMode) -> Floats:
        """Run a still x (N, ...) or a moving one (N, ..., T), each of the input shape or as many
        values; output (N, C, T'), float32.

        T' is `time_steps` (or T) where the last block spikes, else 1. A still x is held for all
        steps; raises as the blocks do.
        """
        arrays.instance(
            "mode", mode, LayerMode, "a refboot.routine.LayerMode, as Scheduler.mode gives"
        )
        x = self.over_time(arrays.floats("x", x), mode)
        with fit_together(self.blocks, mode) as then:
            return self._forward(x, then)

    __call__ = forward

    def _forward(self, x: Floats, mode: LayerMode) -> Floats:
        held = self._held = hold(self.blocks, x)
        run = self._in_one_go(held, mode)
        if run is not None:
            return run
        for i, (block, m) in enumerate(zip(self.blocks, mode, strict=False)):
            try:
                x = self._run(i, x, m) if held is None or i > 1 else held.run(i, m)
            except RefbootError as error:
                raise _of_block(i, block, error) from error
        return x

    def _in_one_go(self, held: Held | None, mode: LayerMode) -> Floats | None:
        """The output, where there is a way around for the whole network; else None."""
        self._chain = None  # and what it holds
        self._chain = chain(held, self.blocks, mode)
        try:
            run = None if self._chain else through(held, self.blocks, mode)
            self._chain = self._chain or (
                spiking_chain(held, self.blocks, mode) if run is None else None
            )
        except RefbootError as error:  # all that these run of its own is the first
            raise _of_block(0, self.blocks[0], error) from error
        return run if self._chain is None else self._chain.output

    def _run(self, i: int, x: Floats, mode: Mode) -> Floats:
        """Block i on x, which is not checked again where a block with refboot's own `forward` made
        it.
        """
        block = self.blocks[i]
        own = all(
            getattr(type(b), "forward", None) in (Block.forward, Plain.forward)
            for b in self.blocks[max(i - 1, 0) : i + 1]
        )
        return block.run(x, mode) if own else block.forward(x, mode)  # type: ignore[attr-defined]

    def backward(self, grad: Floats) -> Floats:
        """Gradient for the input of the last `forward`, given that of its output; adds those of the
        parameters.

        Between the two, neither weights nor the array x may change: layers that ran in one go run
        again here, one by one. Raises OrderError before a `forward`, ShapeError, TypeMismatchError,
        RangeError.
        """
        grad = arrays.floats("grad", grad)
        if self._held is not None:
            for block in reversed(self.blocks):
                if isinstance(block, Block):
                    block.settle()
            self._held.unfold()
            self._held = self._chain = None
        for block in reversed(self.blocks):
            grad = block.backward(grad)
        return grad

    def backward_parameters(self, grad: Floats) -> None:
        """`backward` where the gradient for the input is not wanted, which is quicker: adds those
        of the parameters.
        """
        if self._chain is not None:
            self._chain.backward(grad)
            return
        for block in reversed(self.blocks):
            grad = block.backward(grad)

    def over_time(self, x: Floats, mode: LayerMode) -> Floats:
        """x with its time axis, as the first block wants it in `mode`: (N, *input_shape, 1 or T);
        raises ShapeError. Spec: MOD-13.
        """
        if not self.shapes:
            raise OrderError(
                "the network", "used before its shapes were known", "build(input_shape) first"
            )
        size, n = math.prod(self.input_shape), len(x) if x.ndim else 0
        if n and x.size == n * size:
            x = x.reshape(n, *self.input_shape, 1)
            return replicate(x, self.time_steps) if mode.of(0).spiking else x
        if x.size and x.ndim > 1 and x.size == n * size * x.shape[-1]:
            return x.reshape(n, *self.input_shape, x.shape[-1])
        raise ShapeError(
            "x",
            f"of shape {x.shape}",
            f"(N, {', '.join(map(str, self.input_shape))}) with an optional last axis T",
        )

    @property
    def fitted(self) -> bool:
        """Whether ANN mode can run: every layer that needs a curve has one."""
        return all(getattr(block, "fitted", True) for block in self.blocks)

    def parameters(self) -> list[Parameter]:
        """The trainable parameters, in order."""
        return [p for p in self.named_parameters().values() if p.trainable]

    def named_parameters(self) -> dict[str, Parameter]:
        """Every parameter, trainable or not, by a name like `blocks.1.synapse.weight_v`."""
        return {
            f"blocks.{i}.{name}": p
            for i, block in enumerate(self.blocks)
            for name, p in block.parameters().items()
        }

    def state(self) -> dict[str, np.ndarray]:
        """Copies of every parameter and of the fitted curves, by names like
        `blocks.1.synapse.weight_v`, `blocks.1.curve.knots`.
        """
        buffers = {
            f"blocks.{i}.{name}": a
            for i, block in enumerate(self.blocks)
            for name, a in block.buffers().items()
        }
        return {
            name: a.copy()
            for name, a in (
                {n: p.data for n, p in self.named_parameters().items()} | buffers
            ).items()
        }

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` gave, whole or, with a FormatError that names what is missing,
        unknown or misshapen, not at all.

        Trailing axes of size 1, as lava-dl's weights have them, are dropped. Without curves, ANN
        mode needs a new fit.
        """
        arrays.mapping("state", state, "a mapping of names to arrays")
        parameters = self.named_parameters()
        missing = sorted(parameters.keys() - state.keys())
        if missing:
            raise FormatError("the state", f"without {missing}", "every parameter of the network")
        loaded = {name: _fitting(name, state[name], p.data.shape) for name, p in parameters.items()}
        rest = {name: a for name, a in state.items() if name not in parameters}
        buffers = [_below(f"blocks.{i}.", rest) for i in range(len(self.blocks))]
        if sum(map(len, buffers)) != len(rest):
            raise FormatError(
                "the state", f"with unknown {sorted(rest)}", "only what the network has"
            )
        before = [block.buffers() for block in self.blocks]
        try:
            for block, own in zip(self.blocks, buffers, strict=True):
                block.load_buffers(own)
        except FormatError:
            for block, own in zip(self.blocks, before, strict=True):
                block.load_buffers(own)
            raise
        for name, data in loaded.items():
            parameters[name].data[...] = data

    def trace(self, x: Floats) -> list[Trace | None]:
        """u, v and s of every step of each block in SNN mode, for x as `forward` takes it; None for
        a layer without neurons.
        """
        x, found = self.over_time(arrays.floats("x", x), LayerMode(0, Mode.SNN)), []
        for block in self.blocks:
            found.append(block.trace(x))
            x = block.forward(x, Mode.SNN)
        return found

    def spec(self, notes: Mapping[str, Any] | None = None) -> NetSpec:
        """The network as integers, as an exchange file holds it, with `notes` (plain values);
        raises FormatError that names the block.
        """
        shape, layers = self.input_shape, []
        for i, block in enumerate(self.blocks):
            try:
                layers.append(block.layer_spec(shape))
            except RefbootError as error:
                raise FormatError(
                    f"block {i} ({type(block).__name__}): {error.name}", error.got, error.expected
                ) from error
            shape = layers[-1].shape
        return NetSpec(
            tuple(layers), self.input_shape, self.time_steps, arrays.notes("notes", notes)
        )

    def export_hdf5(
        self, path: str | os.PathLike[str], notes: Mapping[str, Any] | None = None
    ) -> None:
        """Write the exchange file `path`, which lava.lib.dl.netx and refboot.io.netx load, whole or
        not at all, with `notes` in it.

        Raises FormatError for what such a file cannot hold; warns (ExchangeWarning) of what lava's
        loader would change.
        """
        exchange.write(path, self.spec(notes))

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.named_parameters().values():
            parameter.zero_grad()

    def train(self, training: bool = True) -> None:
        """Switch to training: dropout acts."""
        self.training = arrays.flag("training", training)
        for block in self.blocks:
            block.training = training

    def eval(self) -> None:
        """Switch to evaluation."""
        self.train(False)

    def grad_norms(self) -> dict[str, float]:
        """The length of the gradient of each block's trainable parameters, by a name like
        `blocks.1`.
        """
        grads = [
            [p.grad for p in block.parameters().values() if p.grad is not None]
            for block in self.blocks
        ]
        sizes = iter(_squares([grad for some in grads for grad in some]))
        return {
            f"blocks.{i}": math.sqrt(sum(next(sizes) for _ in some))
            for i, some in enumerate(grads)
            if some
        }

    def firing_rates(self) -> dict[str, float]:
        """The share of active neurons (per step) of each block with `count_log`, from the last
        call, by a name like `blocks.1`.
        """
        counts = {f"blocks.{i}": b.count for i, b in enumerate(self.blocks) if isinstance(b, Block)}
        return {name: count for name, count in counts.items() if count is not None}


def _check_own(blocks: Sequence[Layer]) -> None:
    """Raise RangeError where two places share a block, or two blocks a neuron or synapse: each
    remembers one forward pass.
    """
    owners: dict[int, int] = {}
    for i, block in enumerate(blocks):
        parts = {
            id(part): part
            for part in (block, getattr(block, "neuron", None), getattr(block, "synapse", None))
            if part is not None
        }
        for key, part in parts.items():
            if key in owners:
                raise RangeError(
                    f"block {i}",
                    f"a block that shares its {type(part).__qualname__} with block {owners[key]}",
                    "one of its own",
                )
            owners[key] = i


def _of_block(number: int, block: Layer, error: RefbootError) -> RefbootError:
    """`error`, with the block it comes from in front."""
    return type(error)(
        f"block {number} ({type(block).__name__}): {error.name}", error.got, error.expected
    )


def _squares(grads: Sequence[Floats]) -> list[float]:
    """The sum of the squares of each; infinity beyond float32."""
    ways = ops.shortcuts()
    if ways is not None and all(grad.dtype == np.float32 for grad in grads):
        return ways.squares(grads)  # type: ignore[no-any-return]
    flats = [grad.ravel(order="K") for grad in grads]  # as they lie in memory: no copy
    with np.errstate(over="ignore"):
        return [float(np.dot(flat, flat)) for flat in flats]


def _below(prefix: str, named: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): a for name, a in named.items() if name.startswith(prefix)}


def _fitting(name: str, array: np.ndarray, shape: tuple[int, ...]) -> Floats:
    own = array.shape
    while len(own) > len(shape) and own[-1] == 1:
        own = own[:-1]
    if own != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise FormatError(
            name, f"{array.dtype} of shape {array.shape}", f"finite floats of shape {shape}"
        )
    return array.reshape(shape).astype(np.float32)
