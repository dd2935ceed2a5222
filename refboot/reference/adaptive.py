"""The adaptive threshold: each spike raises the threshold and a refractory response, and both
decay.

Letters: N samples, C channels (more axes may follow), T steps. a is what the threshold is above its
base, r the refractory response.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Ints
from refboot.reference.leaky import per_channel
from refboot.reference.numbers import DECAY_SCALE, shift_to_zero


def adaptive_forward(
    voltage: Ints, a_decay: Ints, r_decay: Ints, threshold: int, jump: int, a: Ints, r: Ints
) -> tuple[Ints, Ints, Ints]:
    """By how much the voltage is above what it must exceed, threshold + a + r, at each step (N, C,
    ..., T); and the last a and r.

    Each step a and r decay, the margin v - (threshold + a + r) is taken, and where it is above zero
    the neuron fires: then r grows by 2 (threshold + a) and a by `jump`. The voltage itself is not
    reset. Decays (1,) or (C,) in 0..4096, the rest int64 state units. lava-dl fires at a margin of
    zero, too. In the gradient a and r count as given, like a reset.
    """
    a_decay, r_decay = per_channel(a_decay, a.ndim), per_channel(r_decay, r.ndim)
    margin = np.empty_like(voltage)
    for t in range(voltage.shape[-1]):
        a, r = (
            shift_to_zero(a * (DECAY_SCALE - a_decay)),
            shift_to_zero(r * (DECAY_SCALE - r_decay)),
        )
        margin[..., t] = voltage[..., t] - (threshold + a + r)
        fires = margin[..., t] > 0
        a, r = a + jump * fires, r + 2 * (threshold + a) * fires
    return margin, a, r
