"""The tasks of `spiking_chain`. Each is compiled by itself, and told in whole numbers what there is
to do and where its arrays are.

Letters: N samples, I inputs, K codes, T steps, O outputs, R = N T, P parts.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.adding import add_at_each, add_rows, others
from refboot.kernels.coded import add_trains, firing, sum_weights, trains_at
from refboot.kernels.cuba import _cuba_narrow_backward, any_of
from refboot.kernels.events import UNIT, by_input
from refboot.kernels.jit import ONE, ZERO, inlined
from refboot.kernels.layout import FEW
from refboot.kernels.places import (
    doubles2,
    flags,
    flags2,
    floats,
    floats2,
    floats3,
    new_floats,
    new_floats2,
    new_floats3,
    new_ints,
    new_numbers,
    new_numbers2,
    new_shorts,
    new_shorts2,
    numbers,
    plain_bytes2,
    shorts3,
    signed_bytes2,
)
from refboot.kernels.running import driven
from refboot.kernels.tile import ROWS, product, tiles
from refboot.kernels.together import Work
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

# Of a pass, besides what weight_tasks has: how many codes there are, that of background, its steps,
# whether means are asked for; and the
# places of the codes' trains (T, K), which ever spike (K,), as many truths (K,), the sums of
# weights of each code in each sample (N, K, O)
# int16, which codes there are (N, K), the gradient by their trains (N, K, O) and for them (P, T, K)
# float64, the means over time of spikes
# and weighted input of each code (2, K) and of each pixel (2, N, I), and the output (N, T, O).
(
    KINDS,
    USUAL,
    STEPS,
    MEANT,
    TRAINS,
    FIRES,
    EVERY,
    OF_CODES,
    THERE,
    BY_TRAINS,
    FOR_TRAINS,
    CODE_MEANS,
    PIXEL_MEANS,
    OUTPUT,
) = range(OWN_NUMBERS, OWN_NUMBERS + 14)
# Of a layer: its threshold; and the places of what decays leave (2, O), the surrogate's constants
# (3,), voltages, spikes (uint8) and
# gradients of the weighted input (R, O), means over time of spikes and weighted input (2 N, O), and
# how many spikes there are (N,) int64.
LIMIT, KEEP, SURROGATE, VOLTAGE, SPIKES, GIVEN, MEANS, COUNTS = range(OWN_PLACES, OWN_PLACES + 8)


@Work
def code_sums(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The sums of the first layer's weights of each code, in the samples in [low, high)."""
    own, run = of_layer(work, 0), of_pass(work)
    width, kinds, total, samples = own[WIDTH], run[KINDS], new_shorts((own[WIDTH],)), high - low
    total[:] = 0
    for p in range(own[PARTS]):
        whole = numbers(own[TOTALS] + 8 * p * width, (width,))
        for o in range(width):
            total[o] += np.int16(whole[o])
    codes, there = (
        plain_bytes2(run[CODES] + low * run[PIXELS], (samples, run[PIXELS])),
        flags2(run[THERE] + low * kinds, (samples, kinds)),
    )
    sums, every = (
        shorts3(run[OF_CODES] + 2 * low * kinds * width, (samples, kinds, width)),
        flags(run[EVERY], (kinds,)),
    )
    if run[MEANT] > 0:
        means, pixels = floats2(run[CODE_MEANS], (2, kinds)), run[PIXELS]
        for p in range(2):
            for n in range(samples):
                out, of_code = (
                    floats(
                        run[PIXEL_MEANS] + 4 * ((p * run[SAMPLES] + low + n) * pixels), (pixels,)
                    ),
                    means[p],
                )
                for c in range(pixels):
                    out[c] = of_code[codes[n, c]]
    sum_weights(
        codes,
        signed_bytes2(own[BYTES], (own[INPUTS], width)),
        total,
        run[USUAL],
        every,
        sums,
        there,
    )


@Work
def spike(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The samples in [low, high), each through all layers."""
    run, first = of_pass(work), of_layer(work, 0)
    length, kinds, most = run[STEPS], run[KINDS], run[KINDS]
    for k in range(run[LAYERS]):
        most = max(most, of_layer(work, k)[WIDTH])
    found, count, drives = (
        new_numbers2((length, most + 1)),
        new_numbers((length,)),
        new_shorts2((length, most)),
    )
    here, steps = new_floats((kinds,)), floats2(run[TRAINS], (length, kinds))
    for n in range(low, high):
        there, sums = (
            flags(run[THERE] + n * kinds, (kinds,)),
            shorts3(run[OF_CODES], (run[SAMPLES], kinds, first[WIDTH]))[n],
        )
        for t in range(length):
            count[t] = firing(steps[t], there, here, found[t])
        add_at_each(sums, found, count, drives)
        for k in range(run[LAYERS] - 1):
            own, above = of_layer(work, k), of_layer(work, k + 1)
            fire(own, n, drives, found, count)
            if run[MEANT] > 0:
                average(own, n, run[SAMPLES], drives, length)
            add_at_each(
                signed_bytes2(above[BYTES], (above[INPUTS], above[WIDTH])), found, count, drives
            )
        outputs = of_layer(work, run[LAYERS] - 1)[OUTPUTS]
        z = floats2(run[OUTPUT] + 4 * n * length * outputs, (length, outputs))
        for t in range(length):
            for o in range(outputs):
                z[t, o] = np.float32(drives[t, o]) * UNIT


@inlined
def fire(own, n, drives, found, count):  # type: ignore[no-untyped-def]
    """A layer's neurons over all steps, from rest: voltages and spikes (T, O), the numbers of those
    that spike, and how many do.
    """
    width, length, limit, total = own[WIDTH], count.size, own[LIMIT], 0
    voltage, spikes = (
        floats2(own[VOLTAGE] + 4 * n * length * width, (length, width)),
        plain_bytes2(own[SPIKES] + n * length * width, (length, width)),
    )
    keep, i_keep, v_keep = floats2(own[KEEP], (2, width)), new_ints((width,)), new_ints((width,))
    u, v = new_ints((width,)), new_ints((width,))
    for c in range(width):
        u[c] = v[c] = 0
        i_keep[c], v_keep[c] = (
            np.int32(keep[0, c] * np.float32(4096)),
            np.int32(keep[1, c] * np.float32(4096)),
        )
    keeps = any_of(i_keep)
    for t in range(length):
        drive, reached, fired = drives[t], voltage[t], spikes[t]
        for c in range(width):
            u[c], now = driven(drive[c], u[c], v[c], keeps, i_keep[c], v_keep[c])
            reached[c] = np.float32(now) * np.float32(1 / 4096)
            fires = now > np.int32(limit)
            fired[c] = fires
            v[c] = np.int32(0) if fires else now
        count[t] = others(fired, np.uint8(0), found[t])
        total += count[t]
    numbers(own[COUNTS] + 8 * n, (1,))[0] = total


@inlined
def average(own, n, samples, drives, length):  # type: ignore[no-untyped-def]
    """Means over time of spikes and weighted input, as rates.mean_over_time takes them."""
    width = own[WIDTH]
    spikes, means = (
        plain_bytes2(own[SPIKES] + n * length * width, (length, width)),
        floats2(own[MEANS], (2 * samples, width)),
    )
    rates, inputs = means[n], means[samples + n]
    rates[:] = 0
    inputs[:] = 0
    for t in range(length):
        drive, fired = drives[t], spikes[t]
        for c in range(width):
            rates[c] += np.float32(fired[c])
            inputs[c] += np.float32(drive[c]) * UNIT
    for c in range(width):
        rates[c] /= np.float32(length)
        inputs[c] /= np.float32(length)


@Work
def give(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The gradients for the weighted input of all layers but the last, from the last on, for the
    samples in [low, high).
    """
    run, samples = of_pass(work), high - low
    length, first = run[STEPS], run[STEPS] * low
    for k in range(run[LAYERS] - 2, -1, -1):
        own, above = of_layer(work, k), of_layer(work, k + 1)
        width, outputs, at = own[WIDTH], above[OUTPUTS], 4 * first * own[WIDTH]
        given, turned = (
            floats2(above[GIVEN] + 4 * first * outputs, (samples * length, outputs)),
            signed_bytes2(above[TURNED], (outputs, turned_width(width))),
        )
        of_spikes = new_floats3((samples, length, width))
        tiles(
            given, ZERO, outputs, ONE, samples * length, turned, outputs, ZERO, width, of_spikes[0]
        )  # and on behind the first
        keep, curve = floats2(own[KEEP], (2, width)), floats(own[SURROGATE], (3,))
        voltage, to = (
            floats3(own[VOLTAGE] + at, (samples, length, width)),
            floats3(own[GIVEN] + at, (samples, length, width)),
        )
        _cuba_narrow_backward(
            keep[0], keep[1], curve[0], curve[1], curve[2], of_spikes, voltage, to
        )


@Work
def to_codes(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The gradient for the first layer's weighted input by the trains of codes, and for them, of
    the samples in [low, high).
    """
    run, own, samples = of_pass(work), of_layer(work, 0), high - low
    length, kinds, width = run[STEPS], run[KINDS], own[WIDTH]
    sums, there = (
        shorts3(run[OF_CODES] + 2 * low * kinds * width, (samples, kinds, width)),
        flags2(run[THERE] + low * kinds, (samples, kinds)),
    )
    gz, trains = (
        floats3(own[GIVEN] + 4 * low * length * width, (samples, length, width)),
        floats3(run[BY_TRAINS], (run[SAMPLES], kinds, width)),
    )
    g_table = doubles2(run[FOR_TRAINS] + 8 * part * kinds * length, (length, kinds))
    g_table[:, :] = 0
    add_trains(floats2(run[TRAINS], (length, kinds)), sums, there, gz, trains[low:high], g_table)


@Work
def learn_pictures(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The gradient of the pixels' weights in [low, high): the trains of their codes, of those that
    ever fire.
    """
    run, own = of_pass(work), of_layer(work, 0)
    samples, kinds, outputs = run[SAMPLES], run[KINDS], own[OUTPUTS]
    codes, fires = plain_bytes2(run[CODES], (samples, run[PIXELS])), flags(run[FIRES], (kinds,))
    trains, gv = (
        floats2(run[BY_TRAINS], (samples * kinds, outputs)),
        floats2(own[GV], (own[INPUTS], outputs)),
    )
    found = new_ints((samples + 1,))
    doubles2(own[SUMS], (FEW, outputs))[part][:] = 0
    for r in range(low, high, ROWS):
        stop = min(r + ROWS, high)
        for pixel in range(r, stop):
            count = trains_at(codes, pixel, fires, found)
            gv[pixel] = 0
            add_rows(trains, found, 0, count, gv[pixel])
        call(run[ALONG], work, i, part, r, stop)


@inlined
def learned(work, i, part):  # type: ignore[no-untyped-def]
    """Spikes (R, I), gradients of the weighted input (R, O) and of the weights (I, O) of a layer,
    whose sums begin at zero.
    """
    run, own = of_pass(work), of_layer(work, i)
    rows, inputs, outputs = run[SAMPLES] * run[STEPS], own[INPUTS], own[OUTPUTS]
    doubles2(own[SUMS], (FEW, outputs))[part][:] = 0
    x, gz = (
        plain_bytes2(of_layer(work, i - 1)[SPIKES], (rows, inputs)),
        floats2(own[GIVEN], (rows, outputs)),
    )
    return x, gz, floats2(own[GV], (inputs, outputs))


@Work
def learn(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The gradient of the weights of the inputs in [low, high): the rows of the layer's gradient in
    which each spikes.
    """
    run, (x, gz, gv) = of_pass(work), learned(work, i, part)
    start, where = new_ints((high - low + 1,)), new_ints(((high - low) * len(x),))
    by_input(x, low, high, start, where, np.uint8(0))
    for r in range(low, high, ROWS):
        stop = min(r + ROWS, high)
        for j in range(r, stop):
            gv[j] = 0
            add_rows(gz, where, start[j - low], start[j - low + 1], gv[j])
        call(run[ALONG], work, i, part, r, stop)


@Work
def learn_dense(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The same as a product, where many spike or outputs are few."""
    run, (x, gz, gv) = of_pass(work), learned(work, i, part)
    some = new_floats2((len(x), high - low))
    for n in range(len(x)):
        spikes, out = x[n, low:high], some[n]
        for j in range(spikes.size):
            out[j] = np.float32(spikes[j])
    for r in range(low, high, ROWS):
        stop = min(r + ROWS, high)
        product(some, r - low, ONE, high - low, stop - r, gz, len(x), ZERO, gv.shape[1], gv[r:])
        call(run[ALONG], work, i, part, r, stop)
