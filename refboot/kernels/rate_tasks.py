"""The tasks of `chain`, which see weight_tasks for how they are told what there is to do.

Letters: N samples, I inputs, K codes, O outputs, P pieces of a curve.
"""

from __future__ import annotations

import numpy as np

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
    KINDS,
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
    USUAL,
    WIDTH,
    of_layer,
    of_pass,
    turned_width,
)
from refboot.waiting import call

# Of a pass, besides what weight_tasks has: the places of the rate of each code (K,), and of sums for their gradients (FEW, K + 1, LANES).
RATES, FOR_RATES = range(OWN_NUMBERS, OWN_NUMBERS + 2)
# Of a layer: how many pieces its curve has; and the places of weighted input, rate, and the gradient for the weighted input (N, O); of the
# curve's edges, rates there (P + 1,) and slopes (P,), one behind the other, and of scale and eps of its gradient.
PIECES, INPUT, RATE, GIVEN, _, CURVE, STEEP = range(OWN_PLACES, OWN_PLACES + 7)
MANY = 64  # samples at once: what a product reads again for each tile stays in the second cache


@Work
def from_pictures(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The first layer of the samples in [low, high): what differs from background is added to what background alone would give."""
    run, own = of_pass(work), of_layer(work, 0)
    pixels, outputs, usual, rates = run[PIXELS], own[OUTPUTS], run[USUAL], floats(run[RATES], (run[KINDS],))
    beyond, base, found, by = (
        new_floats((rates.size,)),
        new_floats((outputs,)),
        new_numbers((pixels + AT_ONCE,)),
        new_floats((pixels + AT_ONCE,)),
    )
    codes, rows = plain_bytes2(run[CODES], (run[SAMPLES], pixels)), signed_bytes2(own[BYTES], (own[INPUTS], own[WIDTH]))
    for o in range(outputs):
        total = np.int64(0)
        for p in range(own[PARTS]):
            total += numbers(own[TOTALS], (FEW * outputs,))[p * outputs + o]
        base[o] = np.float32(total) * (rates[usual] * UNIT)
    for k in range(beyond.size):
        beyond[k] = (rates[k] - rates[usual]) * UNIT
    for n in range(low, high):
        out = floats(own[INPUT] + 4 * n * outputs, (outputs,))
        for o in range(outputs):
            out[o] = base[o]
        add_pixels(codes[n], usual, beyond, rows, found, by, out)
        bend(own, n, out)


@Work
def onward(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """All layers behind the first, of the samples in [low, high)."""
    run = of_pass(work)
    for k in range(1, run[LAYERS]):
        own, below = of_layer(work, k), of_layer(work, k - 1)
        inputs, outputs, rows = own[INPUTS], own[OUTPUTS], signed_bytes2(own[BYTES], (own[INPUTS], own[WIDTH]))
        for first in range(low, high, MANY):
            count = min(MANY, high - first)
            x, z = floats2(below[RATE] + 4 * first * inputs, (count, inputs)), floats2(own[INPUT] + 4 * first * outputs, (count, outputs))
            tiles(x, ZERO, inputs, ONE, count, rows, inputs, ZERO, outputs, z)
        for n in range(low, high):
            z = floats(own[INPUT] + 4 * n * outputs, (outputs,))
            for o in range(outputs):
                z[o] *= UNIT
            bend(own, n, z)


@inlined
def bend(own, n, z):  # type: ignore[no-untyped-def]
    """The rates of a sample by the layer's curve, or, where there is none, z itself."""
    pieces, outputs = own[PIECES], own[OUTPUTS]
    rates = floats(own[RATE] + 4 * n * outputs, (outputs,))
    if pieces > 0:
        edges, bases = floats(own[CURVE], (pieces + 1,)), floats(own[CURVE] + 4 * (pieces + 1), (pieces + 1,))
        _pwl(z, edges, bases, floats(own[CURVE] + 8 * (pieces + 1), (pieces,)), rates)
    else:
        for o in range(outputs):
            rates[o] = z[o]


@Work
def back(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The gradients for the weighted input of all layers but the last, from the last on, for the samples in [low, high)."""
    run = of_pass(work)
    for k in range(run[LAYERS] - 2, -1, -1):
        own, above = of_layer(work, k), of_layer(work, k + 1)
        width, outputs, pieces = own[OUTPUTS], above[OUTPUTS], own[PIECES]
        edges, slopes = floats(own[CURVE], (pieces + 1,)), floats(own[CURVE] + 8 * (pieces + 1), (pieces,))
        steep, turned = floats(own[STEEP], (2,)), signed_bytes2(above[TURNED], (outputs, turned_width(width)))
        for first in range(low, high, MANY):
            count = min(MANY, high - first)
            given, of_rates = floats2(above[GIVEN] + 4 * first * outputs, (count, outputs)), new_floats2((count, width))
            tiles(given, ZERO, outputs, ONE, count, turned, outputs, ZERO, width, of_rates)
            for n in range(count):
                at = 4 * (first + n) * width
                _pwl_backward(
                    of_rates[n], floats(own[INPUT] + at, (width,)), floats(own[GIVEN] + at, (width,)), edges, slopes, steep[0], steep[1]
                )


@Work
def learn_pictures(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The gradients of the pixels' weights in [low, high), and of the codes' rates by way of these."""
    run, own = of_pass(work), of_layer(work, 0)
    samples, kinds, usual, outputs = run[SAMPLES], run[KINDS], run[USUAL], own[OUTPUTS]
    codes, rates, gv = (
        plain_bytes2(run[CODES], (samples, run[PIXELS])),
        floats(run[RATES], (kinds,)),
        floats2(own[GV], (own[INPUTS], outputs)),
    )
    rows, given = signed_bytes2(own[BYTES], (own[INPUTS], own[WIDTH])), with_sum(floats2(own[GIVEN], (samples, outputs)))
    found, by, kind = new_numbers((samples + 1,)), new_floats((samples + 1,)), new_numbers((samples + 1,))
    sums = doubles2(run[FOR_RATES] + 8 * part * (kinds + 1) * LANES, (kinds + 1, LANES))
    sums[:, :] = 0
    doubles2(own[SUMS], (FEW, outputs))[part][:] = 0
    for r in range(low, high, ROWS):
        stop = min(r + ROWS, high)
        for pixel in range(r, stop):
            count = samples_at(codes, pixel, usual, rates, found, by, kind)
            gather_rows(given, found, by, kind, count, rows[pixel], gv[pixel], sums)
        call(run[ALONG], work, i, part, r, stop)


@Work
def learn(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The gradient of the weights of the inputs in [low, high)."""
    run, own, below = of_pass(work), of_layer(work, i), of_layer(work, i - 1)
    samples, inputs, outputs = run[SAMPLES], own[INPUTS], own[OUTPUTS]
    x, gz, gv = floats2(below[RATE], (samples, inputs)), floats2(own[GIVEN], (samples, outputs)), floats2(own[GV], (inputs, outputs))
    doubles2(own[SUMS], (FEW, outputs))[part][:] = 0
    for r in range(low, high, ROWS):
        stop = min(r + ROWS, high)
        product(x, r, ONE, inputs, stop - r, gz, samples, ZERO, outputs, gv[r:])
        call(run[ALONG], work, i, part, r, stop)
