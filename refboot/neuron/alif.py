"""The adaptive-threshold LIF neuron: lava-dl's names and equations, on the CUBA neuron's grids."""

from __future__ import annotations

from typing import Any

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints
from refboot.neuron import cuba
from refboot.neuron.cuba import State
from refboot.neuron.decay import Decay, Range
from refboot.reference.numbers import STATE_SCALE, WEIGHT_SCALE, to_real


class Neuron(cuba.Neuron):
    """Leaky integrate-and-fire neuron that each spike makes harder to fire again.

    A spike raises the threshold by `threshold_step`, which fades with `threshold_decay`. It also
    leaves a refractory response of twice the threshold, which fades with `refractory_decay` and
    replaces the reset. See reference.adaptive_forward. `requires_grad` trains the decays of current
    and voltage only. The other options, except reset, and the errors are those of cuba.Neuron.
    """

    states = 4  # u, v, a and r

    def __init__(
        self,
        threshold: float,
        threshold_step: float,
        current_decay: Range,
        voltage_decay: Range,
        threshold_decay: Range,
        refractory_decay: Range,
        *,
        shared_param: bool = True,
        **options: Any,
    ) -> None:
        options |= {"shared_param": shared_param, "reset": "none"}
        super().__init__(threshold, current_decay, voltage_decay, **options)
        step = arrays.number("threshold_step", threshold_step, 0, 2**20)
        self.v_th_step = int(step * WEIGHT_SCALE)
        fading = {"threshold_decay": threshold_decay, "refractory_decay": refractory_decay}
        for name, decay in fading.items():
            self.decays[name] = Decay(name, decay, shared_param, False)

    @property
    def device_params(self) -> dict[str, object]:
        """The integers that program a chip: the CUBA neuron's, thDecay, refDecay and vThStep."""
        return super().device_params | {
            "type": "ALIF",
            "thDecay": self.decays["threshold_decay"].device,
            "refDecay": self.decays["refractory_decay"].device,
            "vThStep": self.v_th_step,
        }

    @property
    def _level(self) -> int:
        return 0

    def _integrate(self, z: Floats, state: State, training: bool) -> tuple[Ints, Ints, Ints, State]:
        currents, voltages, _, last = super()._integrate(z, state[:2], training)
        margins, a, r = ops.active().adaptive_forward(
            voltages,
            self.decays["threshold_decay"].mantissa,
            self.decays["refractory_decay"].mantissa,
            self.limit,
            self.v_th_step * (STATE_SCALE // WEIGHT_SCALE),
            *state[2:],
        )
        return currents, voltages, margins, (*last, a, r)

    def _spikes(self, voltages: Ints, compared: Ints) -> Floats:
        spikes = ops.active().spike_forward(compared, 0)
        return np.where(spikes > 0, to_real(voltages), spikes) if self.graded_spike else spikes
