"""Time: holding a still input, the bridge from spikes to rates, and the delay of a layer.

The bridge is what hybrid training needs: where a layer that spikes meets one that runs as rates,
the mean over its T steps is handed on. Letters: N samples, C channels (more axes may follow), T
steps; time is the last axis.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.reference.sums import total


def replicate(x: Floats, steps: int) -> Floats:
    """A still x (N, ..., 1) held for T = `steps` steps; a view that cannot be written to.

    Spec: MOD-13.
    """
    return np.broadcast_to(x, (*x.shape[:-1], steps))


def mean_rate_forward(x: Floats) -> Floats:
    """The bridge: the mean of x (N, C, ..., T) over time as one step, (N, C, ..., 1); float32.

    The sum over the steps in order, divided by T. Spec: SPK-4, MOD-12, TRN-3.

    >>> mean_rate_forward(np.float32([[[0, 1, 1, 0]]])).tolist()
    [[[0.5]]]
    """
    steps = x.shape[-1]
    return x if steps == 1 else (total(np.moveaxis(x, -1, 0)) / np.float32(steps))[..., None]


def mean_rate_backward(grad: Floats, steps: int) -> Floats:
    """Gradient of `mean_rate_forward` with respect to x (N, C, ..., T): each step gets grad / T.

    Spec: GRD-12.
    """
    return grad if steps == 1 else np.repeat(grad / np.float32(steps), steps, axis=-1)


def delay_forward(x: Floats) -> Floats:
    """x (..., T) one step later: zero comes first, the last step is lost. Spec: MOD-7."""
    later = np.zeros_like(x)
    later[..., 1:] = x[..., :-1]
    return later


def delay_backward(grad: Floats) -> Floats:
    """Gradient of `delay_forward`: one step earlier, zero comes last. Spec: GRD-13."""
    earlier = np.zeros_like(grad)
    earlier[..., :-1] = grad[..., 1:]
    return earlier
