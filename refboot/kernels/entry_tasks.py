"""The tasks of `chain` on still pictures and the input layer, which runs once for each code; see
rate_tasks for how they are told.

Letters: N samples, I pixels, K codes.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.coded import _number, _quantise
from refboot.kernels.coded_rates import gathered
from refboot.kernels.fixed_point import quantised
from refboot.kernels.places import (
    doubles3,
    flags,
    flags2,
    floats,
    new_floats,
    numbers,
    numbers2,
    plain_bytes,
)
from refboot.kernels.rate_tasks import (
    COUNTS,
    FOR_RATES,
    FOUND,
    INPUT,
    LEVELS,
    RATE,
    SEEN,
    VALUES,
    WHOLE,
    X,
    by_curve,
    found,
    through_curve,
)
from refboot.kernels.synapse import _input_sums
from refboot.kernels.together import Work
from refboot.kernels.vectors import LANES
from refboot.kernels.weight import unclipped
from refboot.kernels.weight_tasks import (
    CODES,
    GG,
    GV,
    LAYERS,
    PARTS,
    PIXELS,
    G,
    V,
    of_layer,
    of_pass,
)


@Work
def look_at(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The pixels' values on their grid, of the samples in [low, high), which are there, and how
    often.
    """
    run = of_pass(work)
    at, size = low * run[PIXELS], ((high - low) * run[PIXELS],)
    seen, counts = (
        flags(run[SEEN] + WHOLE * part, (WHOLE,)),
        numbers(run[COUNTS] + 8 * WHOLE * part, (WHOLE,)),
    )
    seen[:] = False
    counts[:] = 0
    _quantise(floats(run[X] + 4 * at, size), plain_bytes(run[CODES] + at, size), seen, counts)


@Work
def enter(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The code of each value that was looked at, in `high` parts, and weighted input and rate of
    each code.
    """
    run = of_pass(work)
    own, values, told = (
        of_layer(work, run[LAYERS]),
        floats(run[VALUES], (WHOLE,)),
        numbers(run[FOUND], (2,)),
    )
    seen, counts = flags2(run[SEEN], (high, WHOLE)), numbers2(run[COUNTS], (high, WHOLE))
    told[0], told[1] = _number(seen, counts, plain_bytes(run[LEVELS], (WHOLE,)), values)
    w, b = quantised(floats(own[V], (1,))[0]), quantised(floats(own[G], (1,))[0])
    drive, rates = floats(own[INPUT], (told[0],)), floats(own[RATE], (told[0],))
    for k in range(drive.size):
        drive[k] = values[k] * w
        drive[k] += b
    by_curve(own, drive, rates)


@Work
def leave(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The gradients of weight and bias of the input layer, from the sums for the codes' rates."""
    run = of_pass(work)
    own, parts = of_layer(work, run[LAYERS]), of_layer(work, 0)[PARTS]
    kinds, usual = found(run)
    gd, values = new_floats((kinds,)), floats(run[VALUES], (kinds,))
    of_rates = gathered(doubles3(run[FOR_RATES], (parts, kinds + 1, LANES)), usual)
    through_curve(own, of_rates, floats(own[INPUT], (kinds,)), gd)
    along, total = _input_sums(gd, values)
    floats(own[GV], (1,))[0] = unclipped(np.float32(along), floats(own[V], (1,))[0])
    floats(own[GG], (1,))[0] = unclipped(np.float32(total), floats(own[G], (1,))[0])
