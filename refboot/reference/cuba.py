"""The CUBA-LIF neuron: input -> leaky current -> leaky voltage -> strict threshold -> reset to
zero.

Letters: N samples, C channels (more axes may follow), T steps. u is the current, v the voltage, s
the spike.
"""

from __future__ import annotations

from refboot.arrays import Floats, Ints
from refboot.reference.leaky import leaky_backward, leaky_forward
from refboot.reference.numbers import to_real, to_state
from refboot.reference.spike import spike_backward, spike_forward


def cuba_forward(
    z: Floats, i_decay: Ints, v_decay: Ints, threshold: int, u: Ints, v: Ints
) -> tuple[Floats, Floats, Ints, Ints]:
    """Run T steps of weighted input z (N, C, ..., T): spikes and real voltage before reset
    (float32), last u and v (int64).

    `i_decay`, `v_decay` (1,) or (C,) in 0..4096; `threshold` in state units; `u`, `v` (N, C, ...)
    are the initial state. Spec: LIF-4, LIF-6, LIF-7, LIF-9.
    """
    currents, u = leaky_forward(to_state(z), i_decay, u)
    voltages, v = leaky_forward(currents, v_decay, v, threshold)
    return spike_forward(voltages, threshold), to_real(voltages), u, v


def cuba_backward(
    grad: Floats,
    voltage: Floats,
    i_decay: Ints,
    v_decay: Ints,
    threshold: float,
    tau: float,
    scale: float,
) -> Floats:
    """Gradient for z of `cuba_forward`, given that of the spikes; `voltage` and `threshold` in real
    units. float32. Spec: GRD-1, GRD-3.
    """
    gv = spike_backward(grad, voltage, threshold, tau, scale)
    gu = leaky_backward(gv, v_decay)
    return leaky_backward(gu, i_decay)
