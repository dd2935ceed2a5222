"""Kernels of refboot.reference.fit; equal to it in every bit, of finite points, but the mean in
`saturation` (summation order, 1e-12)
and the sign of a median that is zero."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from refboot import arrays
from refboot.kernels.fit_tasks import LEAST, above
from refboot.kernels.jit import COMPILED
from refboot.kernels.medians import Medians

Doubles = NDArray[np.float64]


def saturation(a: Doubles, high: float) -> float:
    """See reference.saturation."""
    limit = float(a.max(initial=0))
    if a.dtype != np.float32 or not a.flags.c_contiguous:
        a = a.astype(np.float64)
    total, count, _ = above(a, a.view(np.int32), high * limit)
    return max(total / count if count else limit, LEAST)


def band_medians(z: Doubles, a: Doubles, levels: Doubles) -> Doubles:
    """See reference.band_medians."""
    arrays.check_shape("z", z, a.shape)
    rising = len(levels) > 1 and levels[0] >= 0 and bool((levels[1:] >= levels[:-1]).all())
    if not (COMPILED and rising and a.ndim == 1 and z.dtype == a.dtype == np.float32):
        return plain(z.astype(np.float64), a.astype(np.float64), levels)
    bands = len(levels) - 1, np.nan, np.nan
    with Medians(
        [(np.ascontiguousarray(z), np.ascontiguousarray(a))], [bands], [levels]
    ) as medians:
        pass
    return medians.found()[0].medians


def plain(z: Doubles, a: Doubles, levels: Doubles) -> Doubles:
    """The same of any numbers and levels."""
    bands = [np.flatnonzero((a > low) & (a <= high)) for low, high in pairwise(levels)]
    return np.array(
        [[np.median(x[band]) if len(band) else np.nan for x in (z, a)] for band in bands],
        np.float64,
    ).reshape(-1, 2)
