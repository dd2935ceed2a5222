"""Mistakes in the neuron, its spikes and the delay."""

from __future__ import annotations

import numpy as np

from refboot.conformance.definition import layers
from refboot.conformance.mutants.mutant import Mutant
from refboot.reference import cuba, leaky, spike
from refboot.reference.numbers import shift_to_zero, to_real, to_state

Array = np.ndarray
leaky_forward, leaky_step, reset, per_channel = (
    leaky.leaky_forward,
    leaky.leaky_step,
    leaky.reset,
    leaky.per_channel,
)
spike_forward, cuba_forward = spike.spike_forward, cuba.cuba_forward


def fires_at_least(voltage: Array, threshold: int) -> Array:
    """A spike at the threshold, too."""
    return (voltage >= threshold).astype(np.float32)


def resets_at_least(y: Array, threshold: int, subtract: bool) -> Array:
    """A reset at the threshold, too."""
    return np.where(y >= threshold, 0, y)


def fires_in_float(voltage: Array, threshold: int) -> Array:
    """v >= threshold + 0.01/4096 in float32, which is >= where the sum has no room for the
    margin.
    """
    return (
        (voltage / 4096).astype(np.float32)
        >= np.float32(threshold / 4096) + np.float32(0.01 / 4096)
    ).astype(np.float32)


def resets_in_float(y: Array, threshold: int, subtract: bool) -> Array:
    """The reset that goes with `fires_in_float`."""
    return np.where(fires_in_float(y, threshold) > 0, 0, y)


def narrow_step(state: Array, drive: Array, decay: Array) -> Array:
    """A step whose product wraps round at 32 bits."""
    product = ((state * (4096 - decay) + 2**31) % 2**32) - 2**31
    return shift_to_zero(product) + drive


def adds_first(state: Array, drive: Array, decay: Array) -> Array:
    """A step in which the new input decays, too."""
    return shift_to_zero((state + drive) * (4096 - decay))


def without_state(
    drive: Array, decay: Array, state: Array, threshold: int | None = None, subtract: bool = False
) -> tuple[Array, Array]:
    """A run that starts from zero whatever the state is."""
    return leaky_forward(drive, decay, np.zeros_like(state), threshold, subtract)


def keeps_before_reset(
    drive: Array, decay: Array, state: Array, threshold: int | None = None, subtract: bool = False
) -> tuple[Array, Array]:
    """A run that hands on the state before the reset of the last step."""
    y, _ = leaky_forward(drive, decay, state, threshold, subtract)
    return y, y[..., -1].copy()


def shows_after_reset(
    drive: Array, decay: Array, state: Array, threshold: int | None = None, subtract: bool = False
) -> tuple[Array, Array]:
    """A run that records each step after its reset: reset before output."""
    y, last = leaky_forward(drive, decay, state, threshold, subtract)
    return (y if threshold is None else reset(y, threshold, False)), last


def cuba_as(*, late: bool = False, swapped: bool = False, both_reset: bool = False):  # type: ignore[no-untyped-def]
    """The neuron with its voltage fed by the current one step late, with its decays swapped, or
    with its current reset by spikes.
    """

    def forward(
        z: Array, i_decay: Array, v_decay: Array, threshold: int, u: Array, v: Array
    ) -> tuple[Array, Array, Array, Array]:
        if swapped:
            i_decay, v_decay = v_decay, i_decay
        voltages, drive = np.empty(z.shape, np.int64), to_state(z)
        for t in range(z.shape[-1]):
            before = u
            u = leaky_step(u, drive[..., t], per_channel(i_decay, u.ndim))
            voltages[..., t] = leaky_step(v, before if late else u, per_channel(v_decay, v.ndim))
            v = reset(voltages[..., t], threshold, False)
            u = np.where(voltages[..., t] > threshold, 0, u) if both_reset else u
        return spike_forward(voltages, threshold), to_real(voltages), u, v

    return forward


def spike_or_zero(voltage: Array, threshold: int) -> Array:
    """A graded spike that fires what is above the threshold."""
    return np.where(voltage > threshold, (voltage - threshold) / 4096, 0).astype(np.float32)


def cell_off_grid(
    threshold: float,
    current_decay: float,
    voltage_decay: float,
    tau_grad: float = 1,
    scale_grad: float = 1,
) -> layers.Cell:
    """A cell whose surrogate takes the threshold as it was given."""
    found = original_cell(threshold, current_decay, voltage_decay, tau_grad, scale_grad)
    tau, scale = spike.surrogate_constants(threshold, tau_grad, scale_grad)
    return found._replace(tau=tau, scale=scale)


original_cell = layers.cell

MUTANTS = [
    Mutant(
        "threshold with >=",
        "LIF-5",
        "fires and resets at the threshold, not only above it",
        {"spike_forward": fires_at_least, "reset": resets_at_least},
    ),
    Mutant(
        "spike with >=, reset with >",
        "SPK-1",
        "fires at the threshold without a reset",
        {"spike_forward": fires_at_least},
    ),
    Mutant(
        "reset with >=, spike with >",
        "LIF-6",
        "resets at the threshold without a spike",
        {"reset": resets_at_least},
    ),
    Mutant(
        "threshold in float32 with a margin",
        "SPK-3",
        "v >= threshold + 0.01/4096 in float32, which is >= for thresholds of 64 and more",
        {"spike_forward": fires_in_float, "reset": resets_in_float},
    ),
    Mutant(
        "spike of either sign",
        "SPK-1",
        "fires where |v| is above the threshold",
        {"spike_forward": lambda v, th: spike_forward(np.abs(v), th)},
    ),
    Mutant(
        "graded spike above the threshold",
        "SPK-2",
        "a graded spike is v - threshold",
        {"graded_forward": spike_or_zero},
    ),
    Mutant(
        "graded spike in state units",
        "SPK-2",
        "a graded spike is not divided by 4096",
        {"graded_forward": lambda v, th: v * spike_forward(v, th)},
    ),
    Mutant(
        "graded spike of one", "SPK-2", "a graded spike is 1", {"graded_forward": spike_forward}
    ),
    Mutant(
        "product of 32 bits",
        "LIF-10",
        "state * (4096 - decay) wraps round at 32 bits",
        {"leaky_step": narrow_step},
    ),
    Mutant(
        "input decays at once",
        "LIF-1",
        "the input is added before the decay",
        {"leaky_step": adds_first},
    ),
    Mutant(
        "decay is what is kept",
        "LIF-1",
        "the state is multiplied by the decay",
        {"leaky_step": lambda y, x, d: leaky_step(y, x, 4096 - d)},
    ),
    Mutant(
        "keeps 4095 - decay",
        "LIF-1",
        "the factor is 4095 - decay",
        {"leaky_step": lambda y, x, d: leaky_step(y, x, d + 1)},
    ),
    Mutant("no leak", "LIF-1", "the state does not decay", {"leaky_step": lambda y, x, d: y + x}),
    Mutant(
        "one decay for all channels",
        "LIF-3",
        "the first channel's decay serves all",
        {"per_channel": lambda a, ndim: per_channel(a[:1], ndim)},
    ),
    Mutant(
        "reset by subtraction",
        "LIF-6",
        "the threshold is subtracted, not the voltage zeroed",
        {"reset": lambda y, th, s: reset(y, th, True)},
    ),
    Mutant("no reset", "LIF-6", "the voltage goes on after a spike", {"reset": lambda y, th, s: y}),
    Mutant(
        "reset to minus the threshold",
        "LIF-6",
        "the voltage restarts below zero",
        {"reset": lambda y, th, s: np.where(y > th, -th, y)},
    ),
    Mutant(
        "reset clears the current",
        "LIF-6",
        "a spike resets the current, too",
        {"cuba_forward": cuba_as(both_reset=True)},
    ),
    Mutant(
        "reset before output",
        "LIF-2",
        "the voltage is recorded after its reset",
        {"leaky_forward": shows_after_reset},
    ),
    Mutant(
        "state not carried", "LIF-8", "each call starts from zero", {"leaky_forward": without_state}
    ),
    Mutant(
        "state carried before its reset",
        "LIF-2",
        "the last spike's reset is lost between calls",
        {"leaky_forward": keeps_before_reset},
    ),
    Mutant(
        "voltage one step late",
        "LIF-7",
        "the voltage takes the current of the step before",
        {"cuba_forward": cuba_as(late=True)},
    ),
    Mutant(
        "decays swapped",
        "LIF-4",
        "the current decays like the voltage, and it like the current",
        {"cuba_forward": cuba_as(swapped=True)},
    ),
    Mutant(
        "neuron calls forget",
        "LIF-8",
        "the state is zero at every call",
        {"cuba_forward": lambda z, i, w, th, u, v: cuba_forward(z, i, w, th, u * 0, v * 0)},
    ),
    Mutant(
        "surrogate tau without threshold",
        "SPK-5",
        "tau = 100 tau_grad",
        {"surrogate_constants": lambda th, tau, scale: (100 * tau, 0.1 * scale)},
    ),
    Mutant(
        "surrogate tau without 100",
        "SPK-5",
        "tau = tau_grad * threshold",
        {"surrogate_constants": lambda th, tau, scale: (tau * th, 0.1 * scale)},
    ),
    Mutant(
        "surrogate scale without 0.1",
        "SPK-5",
        "scale = scale_grad",
        {"surrogate_constants": lambda th, tau, scale: (100 * tau * th, scale)},
    ),
    Mutant(
        "surrogate of the given threshold",
        "SPK-5",
        "tau has the threshold before it is cut off",
        {"cell": cell_off_grid},
    ),
]
