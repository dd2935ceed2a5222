"""The integrate-and-fire neuron: its voltage is the sum of all its input, less what the spikes take
away.
"""

from __future__ import annotations

from collections.abc import Callable

from refboot.neuron import cuba
from refboot.neuron.dropout import Dropout
from refboot.neuron.norm import MeanOnlyBatchNorm


class Neuron(cuba.Neuron):
    """A CUBA neuron whose current forgets at once and whose voltage never does: decays 1 and 0. By
    default spikes subtract the threshold.

    The arguments are those of cuba.Neuron; raises as it does.
    """

    def __init__(
        self,
        threshold: float,
        tau_grad: float = 1,
        scale_grad: float = 1,
        norm: Callable[[], MeanOnlyBatchNorm] | None = None,
        dropout: Dropout | None = None,
        persistent_state: bool = False,
        graded_spike: bool = False,
        reset: str = "subtract",
        loihi_limits: bool = False,
    ) -> None:
        super().__init__(
            threshold,
            1,
            0,
            tau_grad,
            scale_grad,
            norm,
            dropout,
            persistent_state=persistent_state,
            graded_spike=graded_spike,
            reset=reset,
            loihi_limits=loihi_limits,
        )
