"""The CUBA-LIF neuron: lava-dl's names and arguments outside, integers on Loihi's grids inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints
from refboot.errors import OrderError, RangeError, TypeMismatchError
from refboot.neuron.decay import Decay, Range
from refboot.neuron.dropout import Dropout
from refboot.neuron.norm import MeanOnlyBatchNorm
from refboot.neuron.spiking import Spiking
from refboot.optim import Parameter
from refboot.reference.numbers import (
    STATE_SCALE,
    WEIGHT_SCALE,
    threshold_mantissa,
    to_real,
    to_state,
)
from refboot.reference.spike import surrogate_constants

State = tuple[Ints, ...]
RESETS = ("zero", "subtract", "none")


class Trace(NamedTuple):
    """Every step of a neuron, each (N, C, ..., T).

    Current u and voltage v before the reset (int64 state units), and spikes s (float32).
    """

    u: Ints
    v: Ints
    s: Floats


class Neuron(Spiking):
    """Current-based leaky integrate-and-fire neuron with a strict threshold.

    `threshold` > 0 and decays in [0, 1]; `tau_grad` and `scale_grad` > 0 shape the surrogate.
    `norm` (a class, or a function that makes one) acts on the current, `dropout` on the spikes.
    `shared_param=False` draws decays for each channel (see Decay), `requires_grad` trains them.
    `persistent_state` keeps u and v from call to call; another batch shape starts from rest.
    `graded_spike` fires the voltage instead of 1. `reset`: a spike sets the voltage to "zero",
    makes it "subtract" the threshold, or "none". `loihi_limits` wraps u and saturates v at Loihi's
    24 bits. Raises TypeMismatchError and RangeError. Spec: LIF-8, LIF-12, SPK-5, TRN-9.
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
        real = arrays.number("threshold", threshold, 0, 2**20, above=True)
        self.v_th_mant = threshold_mantissa(real)
        if not self.v_th_mant:
            raise RangeError("threshold", threshold, "at least 1/64, its grid")
        self.threshold = self.v_th_mant / WEIGHT_SCALE
        self.limit = self.v_th_mant * (STATE_SCALE // WEIGHT_SCALE)  # in state units
        self.tau, self.scale = surrogate_constants(
            self.threshold,
            arrays.number("tau_grad", tau_grad, 0, above=True),
            arrays.number("scale_grad", scale_grad, 0, above=True),
        )
        given = {"current_decay": current_decay, "voltage_decay": voltage_decay}
        self.decays = {k: Decay(k, v, shared_param, requires_grad) for k, v in given.items()}
        self.norm = _own_norm(norm, current_decay)
        if dropout is not None:  # no two layers share a mask
            arrays.instance("dropout", dropout, Dropout, "a refboot.neuron.Dropout")
            self.drop = Dropout(dropout.p, dropout.rng)
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
        """The integers that program a chip; decays are arrays (C,) if each channel has its own."""
        return {
            "type": "CUBA",
            "iDecay": self.decays["current_decay"].device,
            "vDecay": self.decays["voltage_decay"].device,
            "vThMant": self.v_th_mant,
            "refDelay": 1,
            "gradedSpike": self.graded_spike,
        }

    def build(self, channels: int, rng: np.random.Generator | None) -> None:
        """Make the norm's state, and draw each channel's decays unless they are shared."""
        super().build(channels, rng)
        for decay in self.decays.values():
            decay.build(channels, rng)

    def parameters(self) -> dict[str, Parameter]:
        """The decays, stored as 4096 * decay, and the norm's running values."""
        return {name: decay.parameter for name, decay in self.decays.items()} | super().parameters()

    def forward(self, z: Floats) -> Floats:
        """Spikes (N, C, ..., T) for weighted input z of that shape, float32.

        Raises ShapeError, TypeMismatchError, and RangeError where z could overflow the state.
        """
        z, state = self._start(arrays.moving("z", z, arrays.unsearched))
        if self._usual:
            decays = self.cx_current_decay, self.cx_voltage_decay
            spikes, voltage, u, v = ops.active().cuba_forward(z, *decays, self.limit, *state)
            last: State = (u, v)
            self._cache = voltage, None, None
        else:
            currents, voltages, compared, last = self._integrate(z, state, self.training)
            spikes = self._spikes(voltages, compared)
            self._cache = to_real(compared), currents, voltages
        if self.persistent_state:
            self.state = last
        return spikes

    def backward(self, grad: Floats) -> Floats:
        """Gradient with respect to the z of the last `forward`, given that of its spikes.

        Adds the gradients of the decays if they are trained. Resets are ignored. Spec: GRD-16.
        """
        if self._cache is None:
            raise OrderError("Neuron.backward", "called first", "a forward pass before it")
        o, (voltage, currents, voltages) = ops.active(), self._cache
        arrays.check_shape("grad", grad, voltage.shape)  # kernels do not look
        surrogate = self._level / STATE_SCALE, self.tau, self.scale
        if currents is None or voltages is None:
            decays = self.cx_current_decay, self.cx_voltage_decay
            return o.cuba_backward(grad, voltage, *decays, *surrogate)
        slope = o.graded_backward if self.graded_spike else o.spike_backward
        gi = o.leaky_backward(slope(grad, voltage, *surrogate), self.cx_voltage_decay)
        gu = gi if self.norm is None else self.norm.backward(gi)
        gz = o.leaky_backward(gu, self.cx_current_decay)
        if self.requires_grad:
            learned = ("voltage_decay", gi, voltages), ("current_decay", gz, currents)
            for name, gradient, states in learned:
                decay = self.decays[name]
                decay.parameter.add_grad(o.leaky_decay_backward(gradient, states, decay.shared))
        return gz

    def trace(self, z: Floats) -> Trace:
        """Every step for z (N, C, ..., T), from the present state, which does not change."""
        z, state = self._start(arrays.moving("z", z))
        currents, voltages, compared, _ = self._integrate(z, state, training=False)
        return Trace(currents, voltages, self._spikes(voltages, compared))

    def _start(self, z: Floats) -> tuple[Floats, State]:
        """z, checked for its range, and the state to start from."""
        state = self.state
        if not self.persistent_state or state is None or state[0].shape != z.shape[:-1]:
            state = (np.zeros(z.shape[:-1], np.int64),) * self.states
        check_range(z, *state)
        return z, state

    @property
    def _usual(self) -> bool:
        """True if the operations `cuba_forward` and `cuba_backward` are the whole neuron."""
        more = self.graded_spike or self.requires_grad or self.norm is not None or self.loihi_limits
        return self.reset == "zero" and not more

    @property
    def _level(self) -> int:
        """What the compared state must exceed for a spike, in state units."""
        return self.limit

    def _integrate(self, z: Floats, state: State, training: bool) -> tuple[Ints, Ints, Ints, State]:
        """Current, voltage before the reset, and what is compared with the level, at every step.

        The last are current and voltage after the last step.
        """
        o, (u, v) = ops.active(), state
        leak = o.wrapped_forward if self.loihi_limits else o.leaky_forward
        currents, u = leak(to_state(z), self.cx_current_decay, u)
        drive = currents
        if self.norm is not None:
            drive = to_state(self.norm.forward(to_real(currents), training))
        threshold = None if self.reset == "none" else self.limit
        leak = o.saturated_forward if self.loihi_limits else o.leaky_forward
        voltages, v = leak(drive, self.cx_voltage_decay, v, threshold, self.reset == "subtract")
        return currents, voltages, voltages, (u, v)

    def _spikes(self, voltages: Ints, compared: Ints) -> Floats:
        fire = ops.active().graded_forward if self.graded_spike else ops.active().spike_forward
        return fire(voltages, self.limit)


def check_range(z: Floats, *state: Ints) -> float:
    """The largest |z|; raises RangeError if z is not finite or the state could overflow.

    T^2 (|z| + |u| + |v|), in real units, must be below 2^39. Spec: LIF-10, LIF-11.
    """
    seen: list[np.ndarray] = [z, *state]
    size, *sizes = (max(float(x.max()), -float(x.min())) for x in seen)
    largest = size + sum(sizes) / STATE_SCALE
    limit = 2.0**39 / z.shape[-1] ** 2
    if not largest < limit:
        raise RangeError(
            "the weighted input (with the state)",
            largest,
            f"a finite size below 2^39 / T^2 = {limit:g} (64-bit state)",
        )
    return size


def _own_norm(
    norm: Callable[[], MeanOnlyBatchNorm] | None, current_decay: Range
) -> MeanOnlyBatchNorm | None:
    """A norm of the neuron's own.

    Raises TypeMismatchError for what makes none, and RangeError unless the current decay is 1: only
    then is the current the weighted input, on which the norm acts in a rate mode.
    """
    if norm is None:
        return None
    made: object = norm() if callable(norm) else None
    if not isinstance(made, MeanOnlyBatchNorm):
        expected = "the class of a norm, or what makes one (each layer needs its own)"
        raise TypeMismatchError("norm", repr(norm), expected)
    if current_decay != 1:
        raise RangeError("current_decay", current_decay, "1 beside a norm")
    return made
