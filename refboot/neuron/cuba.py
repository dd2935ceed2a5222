"""The CUBA-LIF neuron with its parameters: lava-dl's names in, integers on Loihi's grids inside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints
from refboot.errors import OrderError, RangeError
from refboot.neuron.dropout import Dropout
from refboot.parameter import Parameter
from refboot.reference.fixed_point import DECAY_SCALE, STATE_SCALE, WEIGHT_SCALE, decay_mantissa, threshold_mantissa, to_real, to_state


class Trace(NamedTuple):
    """Current u and voltage v before reset (int64 state units) and spikes s (float32) of every step, each (N, C, ..., T)."""

    u: Ints
    v: Ints
    s: Floats


class Neuron:
    """Current-based leaky integrate-and-fire neuron with a strict threshold and reset to zero.

    `threshold` > 0, decays in [0, 1], `tau_grad` and `scale_grad` > 0 shape the surrogate; `dropout` acts on the spikes.
    `persistent_state` carries u and v from call to call (a new batch shape starts from zero), `requires_grad` trains the decays,
    `graded_spike` fires the voltage instead of 1. Raises TypeMismatchError and RangeError.
    """

    def __init__(
        self,
        threshold: float,
        current_decay: float,
        voltage_decay: float,
        tau_grad: float = 1,
        scale_grad: float = 1,
        dropout: Dropout | None = None,
        persistent_state: bool = False,
        requires_grad: bool = False,
        graded_spike: bool = False,
    ) -> None:
        self.v_th_mant = threshold_mantissa(arrays.number("threshold", threshold, 0, 2**20, above=True))
        if not self.v_th_mant:
            raise RangeError("threshold", threshold, "at least 1/64, its grid")
        self.threshold = self.v_th_mant / WEIGHT_SCALE
        self.tau = 100 * arrays.number("tau_grad", tau_grad, 0, above=True) * self.threshold
        self.scale = 0.1 * arrays.number("scale_grad", scale_grad, 0, above=True)
        self.current_decay = _decay("current_decay", current_decay, requires_grad)
        self.voltage_decay = _decay("voltage_decay", voltage_decay, requires_grad)
        self.drop = dropout
        self.persistent_state = persistent_state
        self.requires_grad = requires_grad
        self.graded_spike = graded_spike
        self.state: tuple[Ints, Ints] | None = None
        self._cache: tuple[Floats, Ints | None, Ints | None] | None = None

    @property
    def cx_current_decay(self) -> Ints:
        """The current decay as an integer in 0..4096, (1,)."""
        return decay_mantissa(self.current_decay.data)

    @property
    def cx_voltage_decay(self) -> Ints:
        """The voltage decay as an integer in 0..4096, (1,)."""
        return decay_mantissa(self.voltage_decay.data)

    @property
    def device_params(self) -> dict[str, object]:
        """The integers a chip is programmed with: type, iDecay, vDecay, vThMant, refDelay, gradedSpike."""
        return {
            "type": "CUBA",
            "iDecay": int(self.cx_current_decay[0]),
            "vDecay": int(self.cx_voltage_decay[0]),
            "vThMant": self.v_th_mant,
            "refDelay": 1,
            "gradedSpike": self.graded_spike,
        }

    def parameters(self) -> dict[str, Parameter]:
        """The decays, stored as 4096 * decay; trained with `requires_grad` only."""
        return {"current_decay": self.current_decay, "voltage_decay": self.voltage_decay}

    def forward(self, z: Floats) -> Floats:
        """Spikes (N, C, ..., T) for weighted input z of that shape, float32; raises RangeError where z could overflow the state."""
        u, v = self._initial(z)
        check_range(z, u, v)
        if self.graded_spike or self.requires_grad:
            currents, voltages, u, v = self._integrate(z, u, v)
            self._cache = to_real(voltages), currents, voltages
            fire = ops.active().graded_forward if self.graded_spike else ops.active().spike_forward
            spikes = fire(voltages, self.v_th_mant * (STATE_SCALE // WEIGHT_SCALE))
        else:
            threshold = self.v_th_mant * (STATE_SCALE // WEIGHT_SCALE)
            spikes, voltage, u, v = ops.active().cuba_forward(z, self.cx_current_decay, self.cx_voltage_decay, threshold, u, v)
            self._cache = voltage, None, None
        if self.persistent_state:
            self.state = u, v
        return spikes

    def backward(self, grad: Floats) -> Floats:
        """Gradient for the z of the last `forward`, given that of its spikes; adds those of the decays if they are trained."""
        if self._cache is None:
            raise OrderError("Neuron.backward", "called first", "a forward pass before it")
        o, (voltage, currents, voltages) = ops.active(), self._cache
        if currents is None or voltages is None:
            decays = self.cx_current_decay, self.cx_voltage_decay
            return o.cuba_backward(grad, voltage, *decays, self.threshold, self.tau, self.scale)
        fire_back = o.graded_backward if self.graded_spike else o.spike_backward
        gv = fire_back(grad, voltage, self.threshold, self.tau, self.scale)
        gu = o.leaky_backward(gv, self.cx_voltage_decay)
        gz = o.leaky_backward(gu, self.cx_current_decay)
        if self.requires_grad:
            self.voltage_decay.add_grad(o.leaky_decay_backward(gu, voltages, True))
            self.current_decay.add_grad(o.leaky_decay_backward(gz, currents, True))
        return gz

    def trace(self, z: Floats) -> Trace:
        """Current, voltage and spikes of every step for z (N, C, ..., T), from the state there is, which stays as it was."""
        z = arrays.floats("z", z)
        state = self._initial(z)
        check_range(z, *state)
        currents, voltages, _, _ = self._integrate(z, *state)
        return Trace(currents, voltages, ops.active().spike_forward(voltages, self.v_th_mant * (STATE_SCALE // WEIGHT_SCALE)))

    def reset_state(self) -> None:
        """Start the next call from zero."""
        self.state = None

    def _integrate(self, z: Floats, u: Ints, v: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        o, threshold = ops.active(), self.v_th_mant * (STATE_SCALE // WEIGHT_SCALE)
        currents, u = o.leaky_forward(to_state(z), self.cx_current_decay, u)
        voltages, v = o.leaky_forward(currents, self.cx_voltage_decay, v, threshold)
        return currents, voltages, u, v

    def _initial(self, z: Floats) -> tuple[Ints, Ints]:
        if self.persistent_state and self.state is not None and self.state[0].shape == z.shape[:-1]:
            return self.state
        return np.zeros(z.shape[:-1], np.int64), np.zeros(z.shape[:-1], np.int64)


def check_range(z: Floats, u: Ints, v: Ints) -> None:
    """Raise RangeError if z is not finite or the state could overflow: T^2 (|z| + |u| + |v|), in real units, must be below 2^39."""
    largest = _size(z) + (_size(u) + _size(v)) / STATE_SCALE
    limit = 2.0**39 / z.shape[-1] ** 2
    if not largest < limit:
        raise RangeError("the weighted input (with the state)", largest, f"a finite size below 2^39 / T^2 = {limit:g} (64-bit state)")


def _size(x: Floats | Ints) -> float:
    return max(float(x.max()), -float(x.min()))


def _decay(name: str, value: float, trainable: bool) -> Parameter:
    scaled = arrays.number(name, value, 0, 1) * DECAY_SCALE
    return Parameter(np.array([scaled], np.float32), trainable)
