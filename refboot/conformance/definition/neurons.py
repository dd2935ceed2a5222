"""The neuron with its real parameters, forward and backward, on plain arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refboot import arrays, reference
from refboot.errors import RangeError
from refboot.neuron.cuba import check_range
from refboot.reference import fixed_point

Array = np.ndarray
STATE_PER_THRESHOLD = 64


class Cell(NamedTuple):
    """A neuron's numbers: threshold mantissa, decay mantissas (1,), and the surrogate's tau and
    scale.
    """

    mantissa: int
    i_decay: Array
    v_decay: Array
    tau: float
    scale: float

    @property
    def state_threshold(self) -> int:
        """The threshold in state units."""
        return STATE_PER_THRESHOLD * self.mantissa

    @property
    def threshold(self) -> float:
        """The threshold in real units."""
        return self.mantissa / 64


def cell(
    threshold: float,
    current_decay: float,
    voltage_decay: float,
    tau_grad: float = 1,
    scale_grad: float = 1,
) -> Cell:
    """NUM-4, NUM-5, LIF-12: the numbers of a neuron from its real parameters; raises RangeError,
    TypeMismatchError.
    """
    mantissa = fixed_point.threshold_mantissa(
        arrays.number("threshold", threshold, 0, 2**20, above=True)
    )
    if not mantissa:
        raise RangeError("threshold", threshold, "at least 1/64")
    decays = [
        4096 * arrays.number("a decay", decay, 0, 1) for decay in (current_decay, voltage_decay)
    ]
    i_decay, v_decay = (
        fixed_point.decay_mantissa(np.array([decay], np.float32)) for decay in decays
    )
    return Cell(mantissa, i_decay, v_decay, *surrogate(mantissa / 64, tau_grad, scale_grad))


def surrogate(threshold: float, tau_grad: float, scale_grad: float) -> tuple[float, float]:
    """SPK-5: tau and scale of the surrogate gradient."""
    return 100 * tau_grad * threshold, 0.1 * scale_grad


def rest(z: Array) -> Array:
    """LIF-8: the state at the start, zero."""
    return np.zeros(z.shape[:-1], np.int64)


def fire(z: Array, of: Cell) -> tuple[Array, Array]:
    """LIF-4: spikes and voltages for the weighted input z, from rest."""
    return reference.cuba_forward(z, of.i_decay, of.v_decay, of.state_threshold, rest(z), rest(z))[
        :2
    ]


def fire_backward(grad: Array, voltage: Array, of: Cell) -> Array:
    """GRD-1: gradient for the z of `fire`."""
    return reference.cuba_backward(
        grad, voltage, of.i_decay, of.v_decay, of.threshold, of.tau, of.scale
    )


def neuron_forward(
    z: Array, threshold: float, current_decay: float, voltage_decay: float, graded: bool, calls: int
) -> Array:
    """LIF-4, LIF-8: spikes for z, run in `calls` equal pieces of time with persistent state; raises
    RangeError, TypeMismatchError.
    """
    of = cell(threshold, current_decay, voltage_decay)
    arrays.floats("z", z)
    u, v = rest(z), rest(z)
    found = []
    for piece in np.split(z, calls, axis=-1):
        check_range(piece, u, v)
        if graded:
            currents, u = reference.leaky_forward(fixed_point.to_state(piece), of.i_decay, u)
            voltages, v = reference.leaky_forward(currents, of.v_decay, v, of.state_threshold)
            s = reference.graded_forward(voltages, of.state_threshold)
        else:
            s, _, u, v = reference.cuba_forward(
                piece, of.i_decay, of.v_decay, of.state_threshold, u, v
            )
        found.append(s)
    return np.concatenate(found, axis=-1)


def neuron_backward(
    grad: Array,
    z: Array,
    threshold: float,
    current_decay: float,
    voltage_decay: float,
    tau_grad: float,
    scale_grad: float,
    graded: bool,
) -> tuple[Array, Array, Array]:
    """GRD-1, GRD-4, SPK-5: gradients for z and for the stored decays (4096 times the fraction, (1,)
    each) of a run from rest.
    """
    of = cell(threshold, current_decay, voltage_decay, tau_grad, scale_grad)
    currents, _ = reference.leaky_forward(fixed_point.to_state(z), of.i_decay, rest(z))
    voltages, _ = reference.leaky_forward(currents, of.v_decay, rest(z), of.state_threshold)
    fire_back = reference.graded_backward if graded else reference.spike_backward
    gv = fire_back(grad, fixed_point.to_real(voltages), of.threshold, of.tau, of.scale)
    gu = reference.leaky_backward(gv, of.v_decay)
    gz = reference.leaky_backward(gu, of.i_decay)
    return (
        gz,
        reference.leaky_decay_backward(gz, currents, True),
        reference.leaky_decay_backward(gu, voltages, True),
    )
