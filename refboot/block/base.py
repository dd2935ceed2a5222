"""A block: synapse, neuron and rate curve in one, run in any of the four modes, forward and
backward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from refboot import arrays, ops
from refboot.ann_sampler import AnnSampler
from refboot.arrays import Axes, Floats
from refboot.block import running
from refboot.block.layer import describe
from refboot.errors import FormatError, OrderError
from refboot.exchange import LayerSpec, write_layer
from refboot.neuron import Spiking, cuba
from refboot.neuron.cuba import Trace
from refboot.parameter import Parameter
from refboot.reference.fit import Curve
from refboot.routine import Mode


class Synapse(Protocol):
    """From input to weighted input: parameters by name, the shape (without N and T) it makes of
    another, forward and backward.
    """

    def parameters(self) -> dict[str, Parameter]: ...
    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]: ...
    def forward(self, x: Floats) -> Floats: ...
    def backward(self, grad: Floats) -> Floats: ...


class Block:
    """A layer that spikes in SNN and SAMPLE mode and follows its fitted curve in FIT and ANN mode.

    In a rate mode an input of several steps is averaged first: that is the bridge of hybrid
    training. `delay_shift` moves the spikes one step later; `count_log` keeps the firing rate of
    the last call in `count`. Where the neuron has a norm, the sampled weighted input is the normed
    one, because that is what the curve is given in a rate mode. lava-dl samples it before the norm;
    `sample_before_norm` does so, too.
    """

    sample_before_norm = False

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
        self.training = True
        self.input_shape: tuple[int, ...] | None = None
        self._ran: tuple[bool, int] | None = None
        self._shape: tuple[int, ...] | None = (
            None  # of the output, where it is that of a gradient too
        )
        self._codes: np.ndarray | None = None
        self._late: Callable[[], object] | None = None  # what the last call left out

    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Make what depends on the shape of the input (C, ...), without N and T, and return that of
        the output; raises ShapeError.
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
        """What is saved beside the parameters: `curve.knots` (K, 2) and `curve.slopes` (K-1,),
        float64, once there was a fit.
        """
        curve = self.f.curve
        return {} if curve is None else {"curve.knots": curve.knots, "curve.slopes": curve.slopes}

    def load_buffers(self, buffers: Mapping[str, np.ndarray]) -> None:
        """Take back what `buffers` gave; a curve that is not there leaves the block unfitted.
        Raises FormatError.
        """
        arrays.mapping("buffers", buffers, "a mapping of names to arrays")
        unknown = sorted(buffers.keys() - {"curve.knots", "curve.slopes"})
        if unknown:
            raise FormatError(
                "the buffers of a block", f"with unknown {unknown}", "parameters and a curve"
            )
        knots, slopes = buffers.get("curve.knots"), buffers.get("curve.slopes")
        self.f.curve = None if knots is None and slopes is None else checked_curve(knots, slopes)

    def forward(self, x: Floats, mode: Mode = Mode.ANN) -> Floats:
        """Run x (N, C, ..., T) in `mode`: spikes (N, C', ..., T) or, in FIT and ANN mode, rates (N,
        C', ..., 1); float32.

        Raises ShapeError, TypeMismatchError or RangeError for a wrong x, OrderError in ANN mode
        before a fit. Spec: MOD-1, MOD-2, MOD-3, MOD-4.
        """
        x = arrays.moving("x", x) if self.axes is None else arrays.floats("x", x, self.axes)
        return self.run(x, arrays.instance("mode", mode, Mode, "a refboot.Mode"))

    __call__ = forward

    def run(self, x: Floats, mode: Mode) -> Floats:
        """`forward` for an x that was checked."""
        self._ran, self._late = (mode.spiking, x.shape[-1]), None
        self.neuron.training = self.training
        y = (
            self._spikes(x, mode is Mode.SAMPLE)
            if mode.spiking
            else self._rates(x, mode is Mode.FIT)
        )
        if self.count_log:
            self.count = float(np.mean(self._pixels(y) > 0))
        self._shape = y.shape if self._codes is None else None
        return y

    def run_coded(self, values: Floats, codes: np.ndarray, mode: Mode) -> Floats:
        """`run` on the values (1, K, T) of K codes in the place of pixels with `codes` (N, C): see
        block.still.
        """
        self._codes = codes
        try:
            return self.run(values, mode)
        finally:
            self._codes = None

    def _pixels(self, y: Floats) -> Floats:
        """y (N, C, ...) as it is, or, with one row per code, y (1, K, ...), spread out to that."""
        return y if self._codes is None else y[0][self._codes]

    def backward(self, grad: Floats) -> Floats:
        """Gradient for the x of the last call, given that of its output; adds those of the
        parameters.

        Raises OrderError before a call, ShapeError, TypeMismatchError. Spec: MOD-14, MOD-15.
        """
        if self._ran is None:
            raise OrderError(
                f"{type(self).__name__}.backward", "called first", "a forward pass before it"
            )
        spiking, steps = self._ran
        self.settle()
        grad = grad if self._shape is None else arrays.gradient(grad, self._shape)
        return self._spikes_backward(grad) if spiking else self._rates_backward(grad, steps)

    def settle(self) -> None:
        """Make up for what the last call left out because nothing but its output was wanted: so
        `backward` finds what it needs.
        """
        while self._late is not None:
            late = self._late
            late()
            if self._late is late:  # else it ran the block, which may leave out something itself
                self._late = None

    def put_off(self, late: Callable[[], object], ran: tuple[bool, int] = (False, 1)) -> None:
        """Somebody else ran this block, spiking or not, on so many steps: `late` runs it, should
        its `backward` be called.
        """
        self._ran, self._shape, self._late = ran, None, late

    def _spikes(self, x: Floats, sample: bool) -> Floats:
        s = None if sample or self.training else running.spikes(self.synapse, self.neuron, x)
        if s is None:
            return self._all_of(x, sample)
        self._late = partial(self._all_of, x, False)
        return later(s) if self.delay_shift else s

    def _all_of(self, x: Floats, sample: bool) -> Floats:
        z = self.synapse.forward(x)
        s = self.neuron.forward(z)
        if sample:
            self.f.append_means(self._pixels(over_time(s)), self._pixels(self._mean_input(z)))
        if self.neuron.drop is not None:
            s = self.neuron.drop.forward(s, self.training)
        return later(s) if self.delay_shift else s

    def _mean_input(self, z: Floats) -> Floats:
        mean = over_time(z)
        if self.neuron.norm is None or self.sample_before_norm:
            return mean
        return self.neuron.norm.again(mean[..., None])[..., 0]

    def _spikes_backward(self, grad: Floats) -> Floats:
        grad = earlier(grad) if self.delay_shift else grad
        if self.neuron.drop is not None:
            grad = self.neuron.drop.backward(grad)
        return self.synapse.backward(self.neuron.backward(grad))

    def _rates(self, x: Floats, fit: bool) -> Floats:
        if fit:
            self.fit()
        z = self.synapse.forward(mean_rate(x))
        if self.neuron.norm is not None:
            z = self.neuron.norm.forward(z, self.training)
        a = self.f.forward(z)
        return a if self.neuron.drop is None else self.neuron.drop.forward(a, self.training)

    def _rates_backward(self, grad: Floats, steps: int) -> Floats:
        if self.neuron.drop is not None:
            grad = self.neuron.drop.backward(grad)
        grad = self.f.backward(grad)
        if self.neuron.norm is not None:
            grad = self.neuron.norm.backward(grad)
        return mean_rate_backward(self.synapse.backward(grad), steps)

    def trace(self, x: Floats) -> Trace | None:
        """Current, voltage and spikes of every step for x (N, C, ..., T), from rest; None for a
        neuron that shows none.
        """
        neuron = self.neuron
        return (
            neuron.trace(self.synapse.forward(arrays.floats("x", x, self.axes)))
            if isinstance(neuron, cuba.Neuron)
            else None
        )

    def layer_spec(self, shape: tuple[int, ...]) -> LayerSpec:
        """The block as integers, as an exchange file holds it, for inputs of `shape` (without N and
        T); raises FormatError.
        """
        layer = describe(self.synapse, self.neuron, shape)
        return replace(layer, delay_shift=self.delay_shift, curve=self.f.curve)

    def export_hdf5(self, group: Any, input_shape: tuple[int, ...] | None = None) -> None:
        """Write the block into an h5py group, as lava.lib.dl.netx reads it.

        `input_shape` is that of the last `build` if it is None. Raises OrderError before one,
        FormatError; warns (ExchangeWarning).
        """
        write_layer(group, self.layer_spec(known_shape(self, input_shape or self.input_shape)))

    @property
    def fitted(self) -> bool:
        """Whether ANN mode can run: there is a curve, or none is needed."""
        return self.f.curve is not None

    def fit(self) -> None:
        """Fit the curve to the samples, then drop half of them."""
        self.f.fit()
        self.f.soft_clear()


def known_shape(block: object, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """`shape`; raises OrderError where it is None."""
    if shape is None:
        raise OrderError(
            f"{type(block).__name__}.export_hdf5",
            "called without an input shape",
            "build(shape) before it, or input_shape",
        )
    return shape


def checked_curve(knots: np.ndarray | None, slopes: np.ndarray | None) -> Curve:
    """The curve of `knots` and `slopes`; raises FormatError unless both are there, fit together,
    are finite and rise.
    """
    if (
        knots is None
        or slopes is None
        or slopes.ndim != 1
        or not len(slopes)
        or knots.shape != (len(slopes) + 1, 2)
    ):
        got = [None if a is None else a.shape for a in (knots, slopes)]
        raise FormatError("a fitted curve", f"of shapes {got}", "knots (K, 2) and slopes (K-1,)")
    rises = (
        np.isfinite(knots).all()
        and (np.diff(knots, axis=0) >= 0).all()
        and np.isfinite(slopes).all()
        and (slopes > 0).all()
    )
    if not rises or knots[-1, 1] <= 0:
        raise FormatError(
            "a fitted curve", "falling or not finite", "rising knots and positive slopes"
        )
    return Curve(knots.astype(np.float64), slopes.astype(np.float64))


def mean_rate(x: Floats) -> Floats:
    """The bridge from spikes to rates: the mean over time of x (N, C, ..., T), as one step;
    float32. Spec: SPK-4, MOD-12, TRN-3.
    """
    if x.shape[-1] == 1:
        return x
    return over_time(x)[..., None] if isinstance(x, np.ndarray) else x.mean(axis=-1, keepdims=True)


def over_time(x: Floats) -> Floats:
    """The mean of x (N, C, ..., T) over time, without that axis; float32."""
    ways = ops.shortcuts()
    return x.mean(axis=-1) if ways is None else ways.mean_over_time(x)


def mean_rate_backward(grad: Floats, steps: int) -> Floats:
    """Gradient of `mean_rate` for x (N, C, ..., T): each of the T steps gets grad / T. Spec:
    GRD-12.
    """
    return grad if steps == 1 else np.repeat(grad / np.float32(steps), steps, axis=-1)


def later(x: Floats) -> Floats:
    """x (..., T) one step later: zero first, the last step lost. Spec: MOD-7."""
    shifted = np.zeros_like(x)
    shifted[..., 1:] = x[..., :-1]
    return shifted


def earlier(grad: Floats) -> Floats:
    """Gradient of `later`: one step earlier, zero last. Spec: GRD-13."""
    shifted = np.zeros_like(grad)
    shifted[..., :-1] = grad[..., 1:]
    return shifted
