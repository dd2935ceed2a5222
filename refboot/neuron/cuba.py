"""The CUBA-LIF neuron with its parameters: lava-dl's names in, integers on Loihi's grids inside."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints
from refboot.errors import OrderError, RangeError, TypeMismatchError
from refboot.neuron.decay import Decay, Range
from refboot.neuron.dropout import Dropout
from refboot.neuron.norm import MeanOnlyBatchNorm
from refboot.neuron.spiking import Spiking
from refboot.parameter import Parameter
from refboot.reference.fixed_point import (
    STATE_SCALE,
    WEIGHT_SCALE,
    threshold_mantissa,
    to_real,
    to_state,
)

State = tuple[Ints, ...]
RESETS = ("zero", "subtract", "none")


class Trace(NamedTuple):
    """Current u and voltage v before reset (int64 state units) and spikes s (float32) of every
    step, each (N, C, ..., T).
    """

    u: Ints
    v: Ints
    s: Floats


class Neuron(Spiking):
    """Current-based leaky integrate-and-fire neuron with a strict threshold.

    `threshold` > 0, decays in [0, 1], `tau_grad` and `scale_grad` > 0 shape the surrogate. `norm`
    (its class or another maker) acts on the current, `dropout` on the spikes. `shared_param=False`
    draws each channel's decays (see Decay), `requires_grad` trains them. `persistent_state` carries
    u and v from call to call (a new batch shape starts from zero). `graded_spike` fires the voltage
    instead of 1. After a spike `reset` puts the voltage to "zero", makes it "subtract" the
    threshold, or "none". `loihi_limits` wraps u and saturates v at Loihi's 24 bits. Raises
    TypeMismatchError and RangeError. Spec: LIF-8, LIF-12, SPK-5, TRN-9.
    """

    states = 2  # u and v

    def __init__(
        self,
        threshold: float,
        current_decay: Range,
        voltage_decay: Range,
        tau_grad: float = 1,
        scale_grad: float = 1,
        norm: Callable[[], MeanOnlyBatchNorm] | None = None,
        dropout: Dropout | None = None,
        shared_param: bool = True,
        persistent_state: bool = False,
        requires_grad: bool = False,
        graded_spike: bool = False,
        reset: str = "zero",
        loihi_limits: bool = False,
    ) -> None:
        self.v_th_mant = mantissa("threshold", threshold)
        self.threshold = self.v_th_mant / WEIGHT_SCALE
        self.tau = 100 * arrays.number("tau_grad", tau_grad, 0, above=True) * self.threshold
        self.scale = 0.1 * arrays.number("scale_grad", scale_grad, 0, above=True)
        self.decays = {
            "current_decay": Decay("current_decay", current_decay, shared_param, requires_grad),
            "voltage_decay": Decay("voltage_decay", voltage_decay, shared_param, requires_grad),
        }
        self.norm = make_norm(norm, current_decay)
        self.drop = own_dropout(dropout)
        self.persistent_state = arrays.flag("persistent_state", persistent_state)
        self.requires_grad = arrays.flag("requires_grad", requires_grad)
        self.graded_spike = arrays.flag("graded_spike", graded_spike)
        self.reset = arrays.choice("reset", reset, RESETS)
        self.loihi_limits = arrays.flag("loihi_limits", loihi_limits)
        self._cache: tuple[Floats, Ints | None, Ints | None] | None = None

    @property
    def current_decay(self) -> Parameter:
        """4096 times the current decay, (1,) or (C,)."""
        return self.decays["current_decay"].parameter

    @property
    def voltage_decay(self) -> Parameter:
        """4096 times the voltage decay, (1,) or (C,)."""
        return self.decays["voltage_decay"].parameter

    @property
    def cx_current_decay(self) -> Ints:
        """The current decay as an integer in 0..4096, (1,) or (C,)."""
        return self.decays["current_decay"].mantissa

    @property
    def cx_voltage_decay(self) -> Ints:
        """The voltage decay as an integer in 0..4096, (1,) or (C,)."""
        return self.decays["voltage_decay"].mantissa

    @property
    def device_params(self) -> dict[str, object]:
        """The integers a chip is programmed with: type, iDecay, vDecay (arrays (C,) where each
        channel has its own), vThMant, ...
        """
        return {
            "type": "CUBA",
            "iDecay": self.decays["current_decay"].device,
            "vDecay": self.decays["voltage_decay"].device,
            "vThMant": self.v_th_mant,
            "refDelay": 1,
            "gradedSpike": self.graded_spike,
        }

    @property
    def from_rest(self) -> tuple[Ints, Ints, int] | None:
        """Both decays, of 4096, and the threshold in state units, if there is no more to it and
        calls begin at rest; else None.
        """
        return (
            None
            if self.persistent_state or not self._plain
            else (self.cx_current_decay, self.cx_voltage_decay, self._limit)
        )

    def build(self, channels: int, rng: np.random.Generator | None) -> None:
        """Draw each channel's decays, where they are not shared, and make the norm's state."""
        super().build(channels, rng)
        for decay in self.decays.values():
            decay.build(channels, rng)

    def parameters(self) -> dict[str, Parameter]:
        """The decays, stored as 4096 * decay and trained with `requires_grad` only; and the norm's
        running values.
        """
        return {name: decay.parameter for name, decay in self.decays.items()} | super().parameters()

    def forward(self, z: Floats) -> Floats:
        """Spikes (N, C, ..., T) for weighted input z of that shape, float32; raises RangeError
        where z could overflow the state.

        Raises ShapeError, TypeMismatchError, too.
        """
        z = arrays.moving("z", z, arrays.unsearched)  # check_range finds NaN
        state = self._initial(z)
        spikes, last = self._run(z, state, check_range(z, *state))
        if self.persistent_state:
            self.state = last
        return spikes

    def backward(self, grad: Floats) -> Floats:
        """Gradient for the z of the last `forward`, given that of its spikes; adds those of the
        decays if they are trained.

        The resets have no part in it. Spec: GRD-16.
        """
        if self._cache is None:
            raise OrderError("Neuron.backward", "called first", "a forward pass before it")
        o, (voltage, currents, voltages) = ops.active(), self._cache
        arrays.check_shape("grad", grad, voltage.shape)  # kernels do not look
        if currents is None or voltages is None:
            decays = self.cx_current_decay, self.cx_voltage_decay
            return o.cuba_backward(grad, voltage, *decays, self._level, self.tau, self.scale)
        gv = (o.graded_backward if self.graded_spike else o.spike_backward)(
            grad, voltage, self._level, self.tau, self.scale
        )
        gi = o.leaky_backward(gv, self.cx_voltage_decay)
        gu = gi if self.norm is None else self.norm.backward(gi)
        gz = o.leaky_backward(gu, self.cx_current_decay)
        if self.requires_grad:
            for decay, gradient, states in (
                (self.decays["voltage_decay"], gi, voltages),
                (self.decays["current_decay"], gz, currents),
            ):
                decay.parameter.add_grad(o.leaky_decay_backward(gradient, states, decay.shared))
        return gz

    def trace(self, z: Floats) -> Trace:
        """Current, voltage and spikes of every step for z (N, C, ..., T), from the state there is,
        which stays as it was.
        """
        z = arrays.moving("z", z)
        state = self._initial(z)
        check_range(z, *state)
        currents, voltages, _ = self._integrate(z, state, training=False)
        return Trace(currents, voltages, self._fire(voltages))

    @property
    def _limit(self) -> int:
        return self.v_th_mant * (STATE_SCALE // WEIGHT_SCALE)

    @property
    def _plain(self) -> bool:
        """Whether the one fast function for the usual neuron will do."""
        unusual = (
            self.graded_spike or self.requires_grad or self.norm is not None or self.loihi_limits
        )
        return self.reset == "zero" and not unusual

    @property
    def _level(self) -> float:
        """Where the surrogate has its peak, in the real units of what it is given."""
        return self.threshold

    def _run(self, z: Floats, state: State, size: float) -> tuple[Floats, State]:
        """Spikes and last state for z up to `size`; leaves behind what `backward` needs."""
        if self._plain:
            ways, given = (
                ops.shortcuts(),
                (z, self.cx_current_decay, self.cx_voltage_decay, self._limit),
            )
            cuba_forward = (
                ops.active().cuba_forward if ways is None else partial(ways.cuba_within, size)
            )
            spikes, voltage, u, v = cuba_forward(*given, *state[:2])
            self._cache = voltage, None, None
            return spikes, (u, v)
        currents, voltages, last = self._integrate(z, state, self.training)
        self._cache = to_real(voltages), currents, voltages
        return self._fire(voltages), last

    def _integrate(self, z: Floats, state: State, training: bool) -> tuple[Ints, Ints, State]:
        """Current and voltage before reset of every step, and the last current and voltage after
        it.
        """
        o, (u, v) = ops.active(), state[:2]
        currents, u = (o.wrapped_forward if self.loihi_limits else o.leaky_forward)(
            to_state(z), self.cx_current_decay, u
        )
        drive = (
            currents
            if self.norm is None
            else to_state(self.norm.forward(to_real(currents), training))
        )
        threshold = None if self.reset == "none" else self._limit
        leak = o.saturated_forward if self.loihi_limits else o.leaky_forward
        voltages, v = leak(drive, self.cx_voltage_decay, v, threshold, self.reset == "subtract")
        return currents, voltages, (u, v)

    def _fire(self, voltages: Ints) -> Floats:
        return (ops.active().graded_forward if self.graded_spike else ops.active().spike_forward)(
            voltages, self._limit
        )

    def _initial(self, z: Floats) -> State:
        if self.persistent_state and self.state is not None and self.state[0].shape == z.shape[:-1]:
            return self.state
        return (np.broadcast_to(np.int64(0), z.shape[:-1]),) * self.states


def check_range(z: Floats, *state: Ints) -> float:
    """The largest |z|. Raises RangeError if z is not finite or the state could overflow.

    T^2 (|z| + |u| + |v|), in real units, must be below 2^39. Spec: LIF-10, LIF-11.
    """
    size = _size(z)
    largest = size + sum(map(_size, state)) / STATE_SCALE
    limit = 2.0**39 / z.shape[-1] ** 2
    if not largest < limit:
        raise RangeError(
            "the weighted input (with the state)",
            largest,
            f"a finite size below 2^39 / T^2 = {limit:g} (64-bit state)",
        )
    return size


def mantissa(name: str, threshold: float) -> int:
    """A threshold as a positive integer in units of 1/64; raises RangeError for one that is nothing
    on that grid.
    """
    found = threshold_mantissa(arrays.number(name, threshold, 0, 2**20, above=True))
    if not found:
        raise RangeError(name, threshold, "at least 1/64, its grid")
    return found


def own_dropout(dropout: Dropout | None) -> Dropout | None:
    """A dropout of the neuron's own, with the same chance and generator: no two layers share a
    mask. Raises TypeMismatchError.
    """
    if dropout is None:
        return None
    if not isinstance(dropout, Dropout):
        raise TypeMismatchError("dropout", repr(dropout), "a refboot.neuron.Dropout")
    return Dropout(dropout.p, dropout.rng)


def make_norm(
    norm: Callable[[], MeanOnlyBatchNorm] | None, current_decay: Range
) -> MeanOnlyBatchNorm | None:
    """A norm of the neuron's own; raises TypeMismatchError for what makes none, RangeError unless
    the current passes unchanged.

    Only with a current decay of 1 is the current the weighted input, on which the norm acts in a
    rate mode.
    """
    if norm is None:
        return None
    made = norm() if callable(norm) else None
    if not isinstance(made, MeanOnlyBatchNorm):
        raise TypeMismatchError(
            "norm", repr(norm), "the class of a norm, or what makes one (each layer needs its own)"
        )
    if current_decay != 1:
        raise RangeError("current_decay", current_decay, "1 beside a norm")
    return made


def _size(x: Floats | Ints) -> float:
    ways = ops.shortcuts() if x.dtype == np.float32 else None
    if not any(x.strides):
        return abs(float(x.flat[0]))
    return max(float(x.max()), -float(x.min())) if ways is None else ways.largest(x)
