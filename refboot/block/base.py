"""A block: synapse, neuron and rate curve in one, run in any of the four modes, and backward."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from refboot import arrays, ops
from refboot.ann_sampler import AnnSampler
from refboot.arrays import Axes, Floats
from refboot.block.layer import describe
from refboot.errors import FormatError, OrderError
from refboot.exchange import LayerSpec, write_layer
from refboot.neuron import Spiking, cuba
from refboot.neuron.cuba import Trace
from refboot.optim import Parameter
from refboot.reference.modes import Mode, delay_backward, delay_forward, mean_rate_backward
from refboot.reference.pwl import Curve

CURVE = {"curve.knots", "curve.slopes"}


class Layer(ABC):
    """What a network is made of. A subclass must define `build`, `run` and `backward`.

    `axes` is the shape of an input, (N, C, ..., T) if None. `training` is set by the network.
    """

    axes: Axes | None = None
    training = True
    input_shape: tuple[int, ...] | None = None

    @abstractmethod
    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Prepare for inputs of `shape`, and return the output's shape; both without N and T."""

    @abstractmethod
    def run(self, x: Floats, mode: Mode) -> Floats:
        """`forward` for an x that was checked."""

    @abstractmethod
    def backward(self, grad: Floats) -> Floats:
        """Gradient with respect to the x of the last call, given that of its output."""

    def forward(self, x: Floats, mode: Mode = Mode.ANN) -> Floats:
        """Run x (N, C, ..., T) in `mode`, float32.

        Raises ShapeError, TypeMismatchError or RangeError for a wrong x.
        """
        x = arrays.moving("x", x) if self.axes is None else arrays.floats("x", x, self.axes)
        return self.run(x, arrays.instance("mode", mode, Mode, "a refboot.Mode"))

    def __call__(self, x: Floats, mode: Mode = Mode.ANN) -> Floats:
        """See `forward`."""
        return self.forward(x, mode)

    def parameters(self) -> dict[str, Parameter]:
        """Every parameter by name; none unless a subclass has some."""
        return {}

    def buffers(self) -> dict[str, np.ndarray]:
        """What is saved beside the parameters, by name; nothing unless a subclass has some."""
        return {}

    def load_buffers(self, buffers: Mapping[str, np.ndarray]) -> None:
        """Restore what `buffers` gave; raises FormatError for unknown names."""
        if buffers:
            name = f"the state of {type(self).__name__}"
            raise FormatError(name, f"with {sorted(buffers)}", "nothing")

    def trace(self, x: Floats) -> Trace | None:
        """Every step of the neurons for x (N, C, ..., T), from rest; None without neurons."""
        return None

    def layer_spec(self, shape: tuple[int, ...]) -> LayerSpec:
        """The layer as integers, as in an exchange file, for inputs of `shape` (without N and T).

        Raises FormatError for what such a file cannot hold.
        """
        raise FormatError("the layer", type(self).__name__, "one that an exchange file has")

    def export_hdf5(self, group: Any, input_shape: tuple[int, ...] | None = None) -> None:
        """Write the layer into an h5py group, as lava.lib.dl.netx reads it.

        `input_shape` is by default that of the last `build`. Raises OrderError without one, and
        FormatError; warns (ExchangeWarning).
        """
        shape = input_shape or self.input_shape
        if shape is None:
            name = f"{type(self).__name__}.export_hdf5"
            expected = "build(shape) before it, or input_shape"
            raise OrderError(name, "called without an input shape", expected)
        write_layer(group, self.layer_spec(shape))


class Synapse(Protocol):
    """From input to weighted input; shapes are without N and T."""

    def parameters(self) -> dict[str, Parameter]: ...
    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]: ...
    def forward(self, x: Floats) -> Floats: ...
    def backward(self, grad: Floats) -> Floats: ...


class Block(Layer):
    """A layer that spikes in SNN and SAMPLE mode and follows its rate curve in FIT and ANN mode.

    In a rate mode an input of several steps is averaged first: the bridge of hybrid training.
    `delay_shift` moves the spikes one step later. `count_log` keeps the firing rate of the last
    call in `count`. If the neuron has a norm, the sampled weighted input is the normed one, which
    the curve gets in a rate mode; lava-dl, and `sample_before_norm`, sample it before the norm.
    """

    sample_before_norm = False
    read_out = False  # True: the synapse alone, in every mode

    def __init__(
        self,
        synapse: Synapse,
        neuron: Spiking,
        axes: Axes | None,
        rng: np.random.Generator | None = None,
        delay_shift: bool = False,
        count_log: bool = False,
    ) -> None:
        self.synapse = synapse
        self.neuron = neuron
        self.axes = axes
        self.rng = rng
        self.f = AnnSampler(rng=rng)
        self.delay_shift = delay_shift
        self.count_log = count_log
        self.count: float | None = None
        self._ran: tuple[bool, int, tuple[int, ...]] | None = None

    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Make what depends on the input's shape (C, ...), and return the output's.

        Both are without N and T. Raises ShapeError.
        """
        shape = tuple(arrays.whole("shape", size) for size in arrays.items("shape", shape))
        out = self.synapse.output_shape(shape)
        self.input_shape = shape
        self.neuron.build(out[0], self.rng)
        return out

    def parameters(self) -> dict[str, Parameter]:
        """Every parameter by name: `synapse.weight_v`, `neuron.voltage_decay`, ..."""
        named = {f"synapse.{name}": p for name, p in self.synapse.parameters().items()}
        return named | {f"neuron.{name}": p for name, p in self.neuron.parameters().items()}

    def buffers(self) -> dict[str, np.ndarray]:
        """`curve.knots` (K, 2) and `curve.slopes` (K-1,), float64, after the first fit."""
        curve = self.f.curve
        return {} if curve is None else {"curve.knots": curve.knots, "curve.slopes": curve.slopes}

    def load_buffers(self, buffers: Mapping[str, np.ndarray]) -> None:
        """Restore what `buffers` gave; without a curve the block is unfitted.

        Raises FormatError.
        """
        arrays.mapping("buffers", buffers, "a mapping of names to arrays")
        unknown = sorted(buffers.keys() - CURVE)
        if unknown:
            name, expected = "the buffers of a block", "parameters and a curve"
            raise FormatError(name, f"with unknown {unknown}", expected)
        curve = buffers.get("curve.knots"), buffers.get("curve.slopes")
        self.f.curve = checked_curve(*curve) if buffers else None

    def run(self, x: Floats, mode: Mode) -> Floats:
        """`forward` for an x that was checked.

        Gives spikes (N, C', ..., T) or, in FIT and ANN mode, rates (N, C', ..., 1), float32. Raises
        OrderError in ANN mode before a fit. Spec: MOD-1, MOD-2, MOD-3, MOD-4.
        """
        steps = x.shape[-1]
        if not mode.spiking and steps > 1:
            x = ops.active().mean_rate_forward(x)
        y = self.synapse.forward(x)
        if not self.read_out:
            self.neuron.training = self.training
            y = self._spikes(y, mode) if mode.spiking else self._rates(y, mode)
        if self.count_log:
            self.count = np.count_nonzero(y > 0) / y.size
        self._ran = mode.spiking, steps, y.shape
        return y

    def backward(self, grad: Floats) -> Floats:
        """Gradient with respect to the x of the last call, given that of its output.

        Adds the gradients of the parameters. Raises OrderError before a call, ShapeError,
        TypeMismatchError. Spec: MOD-14, MOD-15.
        """
        if self._ran is None:
            name = f"{type(self).__name__}.backward"
            raise OrderError(name, "called first", "a forward pass before it")
        spiking, steps, shape = self._ran
        grad = arrays.unsearched("grad", grad, shape)
        if not self.read_out:
            grad = self._spikes_backward(grad) if spiking else self._rates_backward(grad)
        grad = self.synapse.backward(grad)
        return grad if spiking or steps == 1 else mean_rate_backward(grad, steps)

    def _spikes(self, z: Floats, mode: Mode) -> Floats:
        """Spikes for the weighted input z; in SAMPLE mode both give points to the sampler."""
        s = self.neuron.forward(z)
        if mode is Mode.SAMPLE:
            mean = ops.active().mean_rate_forward(z)
            if self.neuron.norm is not None and not self.sample_before_norm:
                mean = self.neuron.norm.again(mean)
            self.f.append_means(ops.active().mean_rate_forward(s), mean)
        if self.neuron.drop is not None:
            s = self.neuron.drop.forward(s, self.training)
        return delay_forward(s) if self.delay_shift else s

    def _spikes_backward(self, grad: Floats) -> Floats:
        if self.delay_shift:
            grad = delay_backward(grad)
        if self.neuron.drop is not None:
            grad = self.neuron.drop.backward(grad)
        return self.neuron.backward(grad)

    def _rates(self, z: Floats, mode: Mode) -> Floats:
        """Rates for the weighted input z, on the curve, which FIT mode fits first."""
        if mode is Mode.FIT:
            self.fit()
        if self.neuron.norm is not None:
            z = self.neuron.norm.forward(z, self.training)
        a = self.f.forward(z)
        return a if self.neuron.drop is None else self.neuron.drop.forward(a, self.training)

    def _rates_backward(self, grad: Floats) -> Floats:
        if self.neuron.drop is not None:
            grad = self.neuron.drop.backward(grad)
        grad = self.f.backward(grad)
        return grad if self.neuron.norm is None else self.neuron.norm.backward(grad)

    def trace(self, x: Floats) -> Trace | None:
        """Every step for x (N, C, ..., T), from rest; None for a neuron that shows no steps."""
        if not isinstance(self.neuron, cuba.Neuron):
            return None
        return self.neuron.trace(self.synapse.forward(arrays.floats("x", x, self.axes)))

    def layer_spec(self, shape: tuple[int, ...]) -> LayerSpec:
        """The block as integers, as in an exchange file, for inputs of `shape` (without N and T).

        A read-out sums and never fires. Raises FormatError.
        """
        layer = describe(self.synapse, self.neuron, shape, self.read_out)
        return replace(layer, delay_shift=self.delay_shift, curve=self.f.curve)

    @property
    def fitted(self) -> bool:
        """True if ANN mode can run: the block has a curve or needs none."""
        return self.read_out or self.f.curve is not None

    def fit(self) -> None:
        """Fit the curve to the samples, then forget half of them."""
        self.f.fit()
        self.f.soft_clear()


def checked_curve(knots: np.ndarray | None, slopes: np.ndarray | None) -> Curve:
    """The curve of `knots` (K, 2) and `slopes` (K-1,), both finite and rising.

    Raises FormatError.
    """
    given = knots is not None and slopes is not None and slopes.ndim == 1 and len(slopes) > 0
    if knots is None or slopes is None or not given or knots.shape != (len(slopes) + 1, 2):
        got = [None if a is None else a.shape for a in (knots, slopes)]
        raise FormatError("a fitted curve", f"of shapes {got}", "knots (K, 2) and slopes (K-1,)")
    finite = np.isfinite(knots).all() and np.isfinite(slopes).all()
    rises = (np.diff(knots, axis=0) >= 0).all() and (slopes > 0).all()
    if not (finite and rises and knots[-1, 1] > 0):
        expected = "rising knots and positive slopes"
        raise FormatError("a fitted curve", "falling or not finite", expected)
    return Curve(knots.astype(np.float64), slopes.astype(np.float64))
