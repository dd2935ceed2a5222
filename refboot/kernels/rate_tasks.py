"""The tasks of `chain` on layers; see weight_tasks for how they are told what there is to do.

Letters: N samples, I inputs, K codes, O outputs, P pieces of a curve.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.coded import _replace
from refboot.kernels.coded_rates import AT_ONCE, add_pixels, samples_at, with_sum
from refboot.kernels.events import UNIT
from refboot.kernels.gather import gather_rows
from refboot.kernels.jit import ONE, ZERO, inlined
from refboot.kernels.layout import FEW
from refboot.kernels.places import (
    doubles2,
    floats,
    floats2,
    new_floats,
    new_floats2,
    new_numbers,
    numbers,
    plain_bytes,
    plain_bytes2,
    signed_bytes2,
)
from refboot.kernels.pwl import _pwl, _pwl_backward
from refboot.kernels.tile import ROWS, product, tiles
from refboot.kernels.together import Work
from refboot.kernels.vectors import LANES
from refboot.kernels.weight_tasks import (
    ALONG,
    BYTES,
    CODES,
    GV,
    INPUTS,
    LAYERS,
    OUTPUTS,
    OWN_NUMBERS,
    OWN_PLACES,
    PARTS,
    PIXELS,
    SAMPLES,
    SUMS,
    TOTALS,
    TURNED,
    WIDTH,
    of_layer,
    of_pass,
    turned_width,
)
from refboot.waiting import call

# Of a pass, besides what weight_tasks has: the places of the value of each code (WHOLE,), of the
# code of each value on the grid (WHOLE,)
# uint8, of which values are there (FEW, WHOLE) and how often (FEW, WHOLE) int64, of how many codes
# there are and which is background's,
# of sums for the gradients of their rates (FEW, K + 1, LANES) in float64, and of x (N, I).
VALUES, LEVELS, SEEN, COUNTS, FOUND, FOR_RATES, X = range(OWN_NUMBERS, OWN_NUMBERS + 7)
WHOLE = 256  # values on the grid
# Of a layer: how many pieces its curve has; and the places of what both halves of its inputs give,
# of which the first becomes the weighted
# input, of rate, and of the gradient for the weighted input (N, O); of the curve's edges, rates
# there (P + 1,) and slopes (P,), one behind
# the other, and of scale and eps of its gradient. Behind the last is the input layer: V and G are
# its weight and bias, INPUT and RATE (K,).
PIECES, INPUT, MORE, RATE, GIVEN, _, CURVE, STEEP = range(OWN_PLACES, OWN_PLACES + 8)
MANY = 64  # samples at once: what a product reads again for each tile stays in the second cache


@Work
def from_pictures(work, i, half, low, high):  # type: ignore[no-untyped-def]
    """The codes of half the pixels, and what these give the first layer, of the samples in [low,
    high): what differs from background is
    added to what that alone would give, which is with the first half."""
    run, own = of_pass(work), of_layer(work, 0)
    pixels, outputs, width = run[PIXELS], own[OUTPUTS], own[WIDTH]
    kinds, usual = found(run)
    rates, levels = (
        floats(of_layer(work, run[LAYERS])[RATE], (kinds,)),
        plain_bytes(run[LEVELS], (WHOLE,)),
    )
    first, end = half_of(pixels, half)
    rows = signed_bytes2(own[BYTES] + first * width, (end - first, width))
    beyond, base, others, by = (
        new_floats((kinds,)),
        new_floats((outputs,)),
        new_numbers((pixels + AT_ONCE,)),
        new_floats((pixels + AT_ONCE,)),
    )
    for o in range(outputs):
        total = np.int64(0)
        for p in range(own[PARTS] if half == 0 else 0):
            total += numbers(own[TOTALS], (FEW * outputs,))[p * outputs + o]
        base[o] = np.float32(total) * rates[usual]
    for k in range(kinds):
        beyond[k] = rates[k] - rates[usual]
    for n in range(low, high):
        out, codes = (
            floats(own[INPUT + half] + 4 * n * outputs, (outputs,)),
            plain_bytes(run[CODES] + n * pixels + first, (end - first,)),
        )
        for o in range(outputs):
            out[o] = base[o]
        _replace(levels, codes)
        add_pixels(codes, usual, beyond, rows, others, by, out)


@inlined
def found(run):  # type: ignore[no-untyped-def]
    """How many codes there are, and that of background."""
    both = numbers(run[FOUND], (2,))
    return both[0], both[1]


@Work
def onward(work, i, half, low, high):  # type: ignore[no-untyped-def]
    """The rates of half the inputs of layer i, and what these give it, of the samples in [low,
    high).
    """
    own, below = of_layer(work, i), of_layer(work, i - 1)
    inputs, outputs, width = own[INPUTS], own[OUTPUTS], own[WIDTH]
    first, end = half_of(inputs, half)
    rows = signed_bytes2(own[BYTES] + first * width, (end - first, width))
    for start in range(low, high, MANY):
        count = min(MANY, high - start)
        for n in range(start, start + count):
            bend(below, n, first, end)
        x = floats2(below[RATE] + 4 * start * inputs, (count, inputs))
        out = floats2(own[INPUT + half] + 4 * start * outputs, (count, outputs))
        tiles(x, first, inputs, ONE, count, rows, end - first, ZERO, outputs, out)


@Work
def outward(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """What layer i gives, of the samples in [low, high)."""
    own = of_layer(work, i)
    for n in range(low, high):
        bend(own, n, ZERO, own[OUTPUTS])


@inlined
def bend(own, n, first, end):  # type: ignore[no-untyped-def]
    """The weighted input of some neurons, from what both halves of the inputs gave, and their rates
    by the layer's curve, or, where there
    is none, the same again."""
    at, size = 4 * (n * own[OUTPUTS] + first), (end - first,)
    z, more, rates = (
        floats(own[INPUT] + at, size),
        floats(own[MORE] + at, size),
        floats(own[RATE] + at, size),
    )
    for o in range(end - first):
        z[o] = (z[o] + more[o]) * UNIT
    by_curve(own, z, rates)


@inlined
def by_curve(own, z, rates):  # type: ignore[no-untyped-def]
    """The rates by a layer's curve, or, where there is none, z itself."""
    pieces = own[PIECES]
    if pieces > 0:
        edges, bases = (
            floats(own[CURVE], (pieces + 1,)),
            floats(own[CURVE] + 4 * (pieces + 1), (pieces + 1,)),
        )
        _pwl(z, edges, bases, floats(own[CURVE] + 8 * (pieces + 1), (pieces,)), rates)
    else:
        for o in range(z.size):
            rates[o] = z[o]


@inlined
def through_curve(own, grad, z, gz):  # type: ignore[no-untyped-def]
    """The gradient for z, given that of the rates by a layer's curve, in units of the weights."""
    pieces, steep = own[PIECES], floats(own[STEEP], (2,))
    edges, slopes = (
        floats(own[CURVE], (pieces + 1,)),
        floats(own[CURVE] + 8 * (pieces + 1), (pieces,)),
    )
    _pwl_backward(grad, z, gz, edges, slopes, steep[0], steep[1])


@Work
def back(work, i, half, low, high):  # type: ignore[no-untyped-def]
    """The gradients for the weighted input of half the neurons of layer i, from those of the layer
    above, of the samples in [low, high).
    """
    own, above = of_layer(work, i), of_layer(work, i + 1)
    width, outputs = own[OUTPUTS], above[OUTPUTS]
    first, end = half_of(width, half)
    turned = signed_bytes2(above[TURNED], (outputs, turned_width(width)))
    for start in range(low, high, MANY):
        count = min(MANY, high - start)
        given, of_rates = (
            floats2(above[GIVEN] + 4 * start * outputs, (count, outputs)),
            new_floats2((count, width)),
        )
        tiles(given, ZERO, outputs, ONE, count, turned, outputs, first, end, of_rates)
        for n in range(count):
            at, size = 4 * ((start + n) * width + first), (end - first,)
            through_curve(
                own,
                of_rates[n][first:end],
                floats(own[INPUT] + at, size),
                floats(own[GIVEN] + at, size),
            )


@inlined
def half_of(size, half):  # type: ignore[no-untyped-def]
    """Where a half of a layer's inputs or neurons begins and ends: that of the thread which learns
    these parts of a weight, too.
    """
    middle = min(2 * ((size + FEW - 1) // FEW), size)
    return (ZERO, middle) if half == 0 else (middle, size)


@Work
def learn_pictures(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The gradients of the pixels' weights in [low, high), and of the codes' rates by way of
    these.
    """
    run, own = of_pass(work), of_layer(work, 0)
    samples, outputs = run[SAMPLES], own[OUTPUTS]
    kinds, usual = found(run)
    codes, rates, gv = (
        plain_bytes2(run[CODES], (samples, run[PIXELS])),
        floats(of_layer(work, run[LAYERS])[RATE], (kinds,)),
        floats2(own[GV], (own[INPUTS], outputs)),
    )
    rows, given = (
        signed_bytes2(own[BYTES], (own[INPUTS], own[WIDTH])),
        with_sum(floats2(own[GIVEN], (samples, outputs))),
    )
    others, by, kind = (
        new_numbers((samples + 1,)),
        new_floats((samples + 1,)),
        new_numbers((samples + 1,)),
    )
    sums = doubles2(run[FOR_RATES] + 8 * part * (kinds + 1) * LANES, (kinds + 1, LANES))
    sums[:, :] = 0
    doubles2(own[SUMS], (FEW, outputs))[part][:] = 0
    for r in range(low, high, ROWS):
        stop = min(r + ROWS, high)
        for pixel in range(r, stop):
            count = samples_at(codes, pixel, usual, rates, others, by, kind)
            gather_rows(given, others, by, kind, count, rows[pixel], gv[pixel], sums)
        call(run[ALONG], work, i, part, r, stop)


@Work
def learn(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The gradient of the weights of the inputs in [low, high)."""
    run, own, below = of_pass(work), of_layer(work, i), of_layer(work, i - 1)
    samples, inputs, outputs = run[SAMPLES], own[INPUTS], own[OUTPUTS]
    x, gz, gv = (
        floats2(below[RATE], (samples, inputs)),
        floats2(own[GIVEN], (samples, outputs)),
        floats2(own[GV], (inputs, outputs)),
    )
    doubles2(own[SUMS], (FEW, outputs))[part][:] = 0
    for r in range(low, high, ROWS):
        stop = min(r + ROWS, high)
        product(x, r, ONE, inputs, stop - r, gz, samples, ZERO, outputs, gv[r:])
        call(run[ALONG], work, i, part, r, stop)
