"""Whether a layer can reach Loihi's limits: a proof from its weights, decays and steps, whatever
the input within its range.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refboot import arrays
from refboot.arrays import Floats, Ints
from refboot.reference.fixed_point import DECAY_SCALE, STATE_SCALE, to_state
from refboot.reference.leaky import leaky_step
from refboot.reference.loihi import LIMIT

FAR = 2**40  # far beyond every limit, and safe to multiply by 4096


class Reach(NamedTuple):
    """The least and largest current u and voltage v of each output (O,), int64 state units;
    `overflows` (O,) where one passes a limit.
    """

    u_low: Ints
    u_high: Ints
    v_low: Ints
    v_high: Ints

    @property
    def overflows(self) -> np.ndarray:
        """Whether u could wrap or v saturate, for each output (O,)."""
        inside = (
            (self.u_low > -LIMIT)
            & (self.u_high <= LIMIT)
            & (self.v_low >= 1 - LIMIT)
            & (self.v_high <= LIMIT - 1)
        )
        return ~inside


def reach(
    weight: Floats,
    current_decay: int,
    voltage_decay: int,
    steps: int,
    inputs: tuple[float, float] = (0.0, 1.0),
) -> Reach:
    """How far `steps` steps can drive each output of `weight` (O, ...), from rest, with inputs in
    the range `inputs` each step.

    Decays are integers in 0..4096. No input within the range leads further; the currents are
    reached by an input that holds each synapse at its better end, the voltages by the same where
    the neuron does not reset (a reset only brings v nearer to zero). Raises RangeError,
    TypeMismatchError.
    """
    rows = arrays.floats("weight", weight).reshape(len(weight), -1).astype(np.float64)
    low, high = (arrays.number("inputs", bound) for bound in inputs)
    given = {"current_decay": current_decay, "voltage_decay": voltage_decay}
    i_decay, v_decay = (
        np.array(arrays.whole(name, decay, 0, DECAY_SCALE)) for name, decay in given.items()
    )
    ends = np.stack([rows * low, rows * high])
    drives = [_drive(ends.min(axis=0).sum(axis=1)), _drive(ends.max(axis=0).sum(axis=1))]
    count = arrays.whole("steps", steps)
    (u_low, v_low), (u_high, v_high) = (
        _extremes(drive, i_decay, v_decay, count) for drive in drives
    )
    return Reach(u_low, u_high, v_low, v_high)


def _drive(total: np.ndarray) -> Ints:
    return to_state(np.clip(total, -FAR / STATE_SCALE, FAR / STATE_SCALE))


def _extremes(
    drive: Ints, current_decay: Ints, voltage_decay: Ints, steps: int
) -> tuple[Ints, Ints]:
    """The outermost u and v on the way. Each step is monotone in state and drive, so a constant
    extreme drive leads furthest.
    """
    u = v = far_u = far_v = np.zeros_like(drive)
    for _ in range(steps):
        u = np.clip(leaky_step(u, drive, current_decay), -FAR, FAR)
        v = np.clip(leaky_step(v, u, voltage_decay), -FAR, FAR)
        far_u, far_v = (
            np.where(np.abs(x) > np.abs(far), x, far) for x, far in ((u, far_u), (v, far_v))
        )
    return far_u, far_v
