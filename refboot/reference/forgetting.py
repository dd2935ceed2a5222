"""Which half of its points a sampler forgets after a fit."""

from __future__ import annotations

from typing import Any

import numpy as np


def half(rng: Any, n: int) -> np.ndarray:
    """Of each of n points whether it stays: all but n // 2 of them, any such half as likely as
    another; bool (n,).

    Each stays by a random bit; then, of those too many of, as many chosen at random change sides.
    No point is treated otherwise than any other, so no half is. A permutation would do, too, and of
    many points takes 25 times as long: those first in it are dropped where `rng` is no
    numpy.random.Generator, but has `permutation`, as numpy.random.RandomState, from which lava-dl
    draws. Spec: SAM-4, TRN-8.

    >>> half(np.random.default_rng(0), 5).tolist()
    [False, True, False, True, True]
    """
    if not isinstance(rng, np.random.Generator):
        stay = np.ones(n, np.bool_)
        stay[rng.permutation(n)[: n // 2]] = False
        return stay
    stay = np.unpackbits(np.frombuffer(rng.bytes((n + 7) // 8), np.uint8), count=n).view(np.bool_)
    surplus = int(np.count_nonzero(stay)) - (n - n // 2)
    while surplus:
        some = rng.choice(n, min(n, 4 * abs(surplus)), replace=False)
        many = some[stay[some] == (surplus > 0)][: abs(surplus)]
        stay[many] = surplus < 0
        surplus -= len(many) if surplus > 0 else -len(many)
    return stay
