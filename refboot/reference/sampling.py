"""SAMPLE: the points that a spiking layer gives for the fit of its rate curve, and which of them a
sampler forgets after a fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Floats
from refboot.reference.draws import words
from refboot.reference.modes import mean_rate_forward


def sample_points(spikes: Floats, z: Floats) -> Floats:
    """A point (z, a) for each sample and neuron: the time means of weighted input and spikes.

    Both are (N, C, ..., T); the result is (2, n) float32, z first. Spec: SAM-1, SAM-2.
    """
    return np.stack([mean_rate_forward(z).ravel(), mean_rate_forward(spikes).ravel()])


def newest(kept: Floats, points: Floats, capacity: int) -> Floats:
    """The points `kept` (2, n) with new `points` (2, m) behind them, at most the last `capacity`.

    Spec: SAM-3.
    """
    return np.concatenate([kept, points], axis=1)[:, -capacity:]


def half(rng: Any, n: int) -> NDArray[np.bool_]:
    """Which of n points stay: all but n // 2, each such half equally likely; bool (n,).

    Point i stays if bit i % 64 of word i // 64 is set. Then, while too many (too few) stay, a word
    names the point word % n; if it stays (does not), it changes sides. `rng` is a Generator; of an
    object with only `permutation` (numpy.random.RandomState, from which lava-dl draws) the points
    that come first in a permutation are dropped. Spec: SAM-4, TRN-8.

    >>> half(np.random.Generator(np.random.PCG64(0)), 5).tolist()
    [True, True, False, True, False]
    """
    if not isinstance(rng, np.random.Generator):
        stay = np.ones(n, np.bool_)
        stay[rng.permutation(n)[: n // 2]] = False
        return stay
    bits = words(rng, -(-n // 64)).astype("<u8").view(np.uint8)
    stay = np.unpackbits(bits, count=n, bitorder="little").view(np.bool_)
    surplus = int(np.count_nonzero(stay)) - (n - n // 2)
    while surplus:
        for i in (words(rng, 4 * abs(surplus)) % np.uint64(n)).tolist():
            if surplus and stay[i] == (surplus > 0):
                stay[i] = surplus < 0
                surplus += 1 if surplus < 0 else -1
    return stay
