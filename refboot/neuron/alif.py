"""The adaptive-threshold LIF neuron: lava-dl's names and equations, on the same grids as the CUBA
neuron.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints
from refboot.neuron import cuba
from refboot.neuron.cuba import State, Trace, check_range
from refboot.neuron.decay import Decay, Range
from refboot.neuron.dropout import Dropout
from refboot.neuron.norm import MeanOnlyBatchNorm
from refboot.reference.fixed_point import STATE_SCALE, WEIGHT_SCALE, to_real


class Neuron(cuba.Neuron):
    """Leaky integrate-and-fire neuron that each spike makes harder to fire: see
    reference.adaptive_forward.

    A spike raises the threshold by `threshold_step`, which fades with `threshold_decay`, and leaves
    a refractory response of twice the threshold, which fades with `refractory_decay` and stands in
    for a reset. `requires_grad` trains the decays of current and voltage. The other arguments are
    those of cuba.Neuron; raises as it does.
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
        tau_grad: float = 1,
        scale_grad: float = 1,
        norm: Callable[[], MeanOnlyBatchNorm] | None = None,
        dropout: Dropout | None = None,
        shared_param: bool = True,
        persistent_state: bool = False,
        requires_grad: bool = False,
        graded_spike: bool = False,
    ) -> None:
        super().__init__(
            threshold,
            current_decay,
            voltage_decay,
            tau_grad,
            scale_grad,
            norm,
            dropout,
            shared_param,
            persistent_state,
            requires_grad,
            graded_spike,
            reset="none",
        )
        self.v_th_step = int(
            arrays.number("threshold_step", threshold_step, 0, 2**20) * WEIGHT_SCALE
        )
        self.decays["threshold_decay"] = Decay(
            "threshold_decay", threshold_decay, shared_param, False
        )
        self.decays["refractory_decay"] = Decay(
            "refractory_decay", refractory_decay, shared_param, False
        )

    @property
    def device_params(self) -> dict[str, object]:
        """The integers a chip is programmed with: those of the CUBA neuron, thDecay, refDecay and
        vThStep.
        """
        own = {
            "thDecay": self.decays["threshold_decay"].device,
            "refDecay": self.decays["refractory_decay"].device,
        }
        return super().device_params | own | {"type": "ALIF", "vThStep": self.v_th_step}

    def trace(self, z: Floats) -> Trace:
        """Current, voltage and spikes of every step for z (N, C, ..., T), from the state there is,
        which stays as it was.
        """
        z = arrays.moving("z", z)
        state = self._initial(z)
        check_range(z, *state)
        currents, voltages, _ = self._integrate(z, state, training=False)
        margins, *_ = self._adapt(voltages, state)
        return Trace(currents, voltages, self._spikes(voltages, margins))

    @property
    def _level(self) -> float:
        return 0.0

    def _run(self, z: Floats, state: State, size: float) -> tuple[Floats, State]:
        currents, voltages, last = self._integrate(z, state, self.training)
        margins, a, r = self._adapt(voltages, state)
        self._cache = to_real(margins), currents, voltages
        return self._spikes(voltages, margins), (*last, a, r)

    def _adapt(self, voltages: Ints, state: State) -> tuple[Ints, Ints, Ints]:
        decays = self.decays["threshold_decay"].mantissa, self.decays["refractory_decay"].mantissa
        jump = self.v_th_step * (STATE_SCALE // WEIGHT_SCALE)
        return ops.active().adaptive_forward(voltages, *decays, self._limit, jump, *state[2:])

    def _spikes(self, voltages: Ints, margins: Ints) -> Floats:
        spikes = ops.active().spike_forward(margins, 0)
        return (
            np.where(spikes > 0, to_real(voltages), np.float32(0)) if self.graded_spike else spikes
        )
