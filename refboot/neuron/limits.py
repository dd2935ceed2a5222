"""A proof that a layer stays within Loihi's limits: from its weights, decays and steps, for every
input in a range.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refboot import arrays
from refboot.arrays import Floats, Ints
from refboot.reference.leaky import leaky_step
from refboot.reference.loihi import LIMIT
from refboot.reference.numbers import DECAY_SCALE, STATE_SCALE, to_state

FAR = 2**40  # far beyond every limit, and safe to multiply by 4096


class Reach(NamedTuple):
    """The least and largest current u and voltage v of each output (O,), int64 state units."""

    u_low: Ints
    u_high: Ints
    v_low: Ints
    v_high: Ints

    @property
    def overflows(self) -> np.ndarray:
        """True where u could wrap or v saturate, for each output (O,)."""
        wraps = (self.u_low <= -LIMIT) | (self.u_high > LIMIT)
        return wraps | (self.v_low < 1 - LIMIT) | (self.v_high > LIMIT - 1)


def reach(
    weight: Floats,
    current_decay: int,
    voltage_decay: int,
    steps: int,
    inputs: tuple[float, float] = (0.0, 1.0),
) -> Reach:
    """How far `steps` steps from rest can drive each output of `weight` (O, ...).

    Each input lies in the range `inputs` at each step. Decays are integers in 0..4096. The bounds
    are tight for u, and for v without a reset (a reset only brings v nearer to zero): an input that
    holds each synapse at its better end reaches them. Raises RangeError, TypeMismatchError.
    """
    rows = arrays.floats("weight", weight).reshape(len(weight), -1).astype(np.float64)
    low, high = (arrays.number("inputs", bound) for bound in inputs)
    i_decay = np.array(arrays.whole("current_decay", current_decay, 0, DECAY_SCALE))
    v_decay = np.array(arrays.whole("voltage_decay", voltage_decay, 0, DECAY_SCALE))
    ends, bounds = np.stack([rows * low, rows * high]), []
    for total in (ends.min(axis=0).sum(axis=1), ends.max(axis=0).sum(axis=1)):
        drive = to_state(np.clip(total, -FAR / STATE_SCALE, FAR / STATE_SCALE))
        u = v = far_u = far_v = np.zeros_like(drive)
        # Each step is monotone in state and drive, so a constant extreme drive leads furthest.
        for _ in range(arrays.whole("steps", steps)):
            u = np.clip(leaky_step(u, drive, i_decay), -FAR, FAR)
            v = np.clip(leaky_step(v, u, v_decay), -FAR, FAR)
            far_u = np.where(np.abs(u) > np.abs(far_u), u, far_u)
            far_v = np.where(np.abs(v) > np.abs(far_v), v, far_v)
        bounds.append((far_u, far_v))
    (u_low, v_low), (u_high, v_high) = bounds
    return Reach(u_low, u_high, v_low, v_high)
