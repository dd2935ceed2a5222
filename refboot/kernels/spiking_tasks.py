"""The tasks of `spiking_chain`: one kernel goes through those of a forward pass, one through those of a backward pass.

What is known of a layer, its sizes and where its arrays are, is a row of numbers: so one kernel serves any number of layers.
Letters: N samples, I inputs, K codes, T steps, O outputs, R = N T.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.adding import ONE, add_rows, others
from refboot.kernels.chain_tasks import _finish, _over, _total
from refboot.kernels.coded import _scatter, _sums, _trains, firing
from refboot.kernels.cuba import _cuba_narrow_backward, any_of, narrow_step
from refboot.kernels.events import UNIT, by_input
from refboot.kernels.fixed_point import PER_STEP, quantised
from refboot.kernels.jit import inlined, jit
from refboot.kernels.layout import FEW
from refboot.kernels.places import matrix
from refboot.kernels.running import STATE_UNITS
from refboot.kernels.synapse import _along as _products
from refboot.kernels.through import _add
from refboot.kernels.tile import ROWS, product
from refboot.kernels.together import done, next_task
from refboot.kernels.turn import turn
from refboot.kernels.vectors import LANES
from refboot.kernels.weight import _along

LENGTHS, QUANTISE, RUN = range(3)  # kinds of tasks, forward
BACK, LEARN, FINISH = range(3)  # and backward
# Of each layer its sizes (WIDTH: its outputs, of the last layer with what fills up a vector); the places of its float32 arrays (TURNED: the
# quantised weight as (O, I)); where its rows, sums over outputs and neurons begin among those of all; whether its inputs spike too often.
INPUTS, OUTPUTS, WIDTH, V, G, LENGTH, TURNED, GV, GG, ROWS_AT, SUMS_AT, NEURONS_AT, DENSE, KNOWN = range(14)
WIDE = ONE // 2  # sums of 16 bits in a vector
GAP = 2 * LANES  # numbers between two rows of a turned weight: rows a power of two apart would share a few lines of the cache
FINITE, BEYOND = np.float32(np.finfo(np.float32).max), np.int32(1 << 16)  # in steps of the grid, more than any sum may have
NONE, STEP = np.int64(0), np.int64(1)  # of one type with what is computed: so there is one `product`


@jit
def forward(plan, cells, side, layers, codes, usual, needed, steps, rows, totals, sizes, i_keep, v_keep, limits, voltage, spikes, counts, means, z):  # type: ignore[no-untyped-def]  # fmt: skip  # noqa: E501
    """The tasks of a forward pass."""
    k, at = next_task(plan, cells, side, 0)
    while k < len(plan):
        kind, part, low, high = plan[k, 0], plan[k, 2], plan[k, 3], plan[k, 4]
        own = layers[plan[k, 1]]
        if kind == RUN:
            _run(layers, codes, low, high, usual, needed, steps, rows, sizes, i_keep, v_keep, limits, voltage, spikes, counts, means, z)
        elif kind == LENGTHS:
            v = matrix(own[V], own[INPUTS], own[OUTPUTS])[low:high]
            _products(v, v, _totals(totals, own)[part])
        else:
            first = own[SUMS_AT] + part * own[OUTPUTS]
            _quantise(own, _totals(totals, own), low, high, _rows(rows, own), sizes[:, first : first + own[OUTPUTS]])
        done(plan, cells, k)
        k, at = next_task(plan, cells, side, at)


@inlined
def _totals(totals, own):  # type: ignore[no-untyped-def]
    """A sum over each part of the inputs, for each output of a layer."""
    return totals[own[SUMS_AT] : own[SUMS_AT] + FEW * own[OUTPUTS]].reshape(FEW, own[OUTPUTS])


@inlined
def _rows(rows, own):  # type: ignore[no-untyped-def]
    """A layer's weights as bytes."""
    return rows[own[ROWS_AT] : own[ROWS_AT] + own[INPUTS] * own[WIDTH]].reshape(own[INPUTS], own[WIDTH])


@inlined
def _turned(own):  # type: ignore[no-untyped-def]
    """A layer's quantised weight as (O, I), behind each row a gap."""
    return matrix(own[TURNED], own[OUTPUTS], own[INPUTS] + GAP)


@inlined
def _neurons(x, own, count):  # type: ignore[no-untyped-def]
    """What a layer's neurons have in x, which holds `count` numbers for each neuron of all layers: (count, O)."""
    first = own[NEURONS_AT] * count
    return x[first : first + own[WIDTH] * count].reshape(count, own[WIDTH])


@jit
def _quantise(own, totals, low, high, rows, sizes):  # type: ignore[no-untyped-def]
    """As weight.normed_8bit, for the inputs in [low, high), into bytes; their sums and those of their sizes into `sizes` (2, O)."""
    v, outputs = matrix(own[V], own[INPUTS], own[OUTPUTS]), own[OUTPUTS]
    g, length, factor = matrix(own[G], 1, outputs)[0], matrix(own[LENGTH], 1, outputs)[0], np.empty(outputs, np.float32)
    total, most = np.zeros(outputs, np.int32), np.zeros(outputs, np.int32)
    for o in range(outputs):
        size = np.float32(np.sqrt(_total(totals, o)))
        factor[o] = g[o] / size
        if low == 0:
            length[o] = size
        if not (size <= FINITE and abs(factor[o]) <= FINITE):  # else no weight is NaN
            most[o] = BEYOND
    for i in range(low, high):
        row, out = v[i], rows[i]
        for o in range(outputs):
            whole = np.int32(quantised(row[o] * factor[o]) * PER_STEP)
            out[o] = np.int8(whole)
            total[o] += whole
            most[o] += np.int32(abs(whole))
        for o in range(outputs, out.size):
            out[o] = 0
    for o in range(outputs):
        sizes[0, o], sizes[1, o] = total[o], most[o]
    if own[TURNED]:
        turn(rows, low, high, _turned(own))


@jit
def _run(layers, codes, low, high, usual, needed, steps, rows, sizes, i_keep, v_keep, limits, voltage, spikes, counts, means, z):  # type: ignore[no-untyped-def]  # fmt: skip  # noqa: E501
    """The samples in [low, high), each through all layers."""
    (length, kinds), first, read_out = steps.shape, layers[0], layers[-1]
    most, total = max(layers[:, WIDTH].max(), kinds), _whole(sizes, first)
    sums, there, here = np.empty((kinds, first[WIDTH]), np.int16), np.empty(kinds, np.bool_), np.empty(kinds, np.float32)
    found, count, drives = np.empty((length, most + 1), np.int64), np.empty(length, np.int64), np.empty((length, most), np.int16)
    for n in range(low, high):
        _sums(codes[n : n + 1], _rows(rows, first), total, usual, needed, sums.reshape(1, kinds, first[WIDTH]), there.reshape(1, kinds))
        for t in range(length):
            count[t] = firing(steps[t], there, here, found[t])
        _add(sums, found, count, drives)
        for k in range(limits.size):
            own, neurons, many = layers[k], layers[k, NEURONS_AT], len(codes) * length
            now = slice(n * length, (n + 1) * length)
            reached, fired = _neurons(voltage, own, many)[now], _neurons(spikes, own, many)[now]
            keeps = i_keep[neurons : neurons + own[WIDTH]], v_keep[neurons : neurons + own[WIDTH]]
            _fire(drives, keeps[0], keeps[1], limits[k], reached, fired, found, count)
            if means.size:
                _average(drives, fired, _neurons(means[0], own, len(codes))[n], _neurons(means[1], own, len(codes))[n])
            counts[k, n] = count.sum()
            _add(_rows(rows, layers[k + 1]), found, count, drives)
        for t in range(length):
            for o in range(read_out[OUTPUTS]):
                z[n, t, o] = np.float32(drives[t, o]) * UNIT


@jit
def _whole(sizes, own):  # type: ignore[no-untyped-def]
    """The sum of a layer's weights of each output."""
    total = np.zeros(own[OUTPUTS], np.int16)
    for part in range(FEW):
        for o in range(total.size):
            total[o] += np.int16(sizes[0, own[SUMS_AT] + part * total.size + o])
    return total


@jit
def _fire(drives, i_keep, v_keep, limit, voltage, spikes, found, count):  # type: ignore[no-untyped-def]
    """A layer's neurons over all steps, from rest: voltages and spikes (T, O), and the numbers of those that spike."""
    width = i_keep.size
    u, v, keeps = np.zeros(width, np.int32), np.zeros(width, np.int32), any_of(i_keep)
    for t in range(len(count)):
        drive, reached, fired = drives[t], voltage[t], spikes[t]
        for c in range(width):
            current = np.int32(np.int32(drive[c]) * STATE_UNITS)
            if keeps:
                current = narrow_step(u[c], current, i_keep[c])
            u[c] = current
            now = narrow_step(v[c], current, v_keep[c])
            reached[c] = np.float32(now) * np.float32(1 / 4096)
            fires = now > limit
            fired[c] = fires
            v[c] = np.int32(0) if fires else now
        count[t] = others(fired, np.uint8(0), found[t])


@jit
def _average(drives, spikes, rates, inputs):  # type: ignore[no-untyped-def]
    """Means over time of spikes and weighted input, as rates.mean_over_time takes them."""
    rates[:] = 0
    inputs[:] = 0
    for t in range(len(spikes)):
        drive, fired = drives[t], spikes[t]
        for c in range(rates.size):
            rates[c] += np.float32(fired[c])
            inputs[c] += np.float32(drive[c]) * UNIT
    for c in range(rates.size):
        rates[c] /= np.float32(len(spikes))
        inputs[c] /= np.float32(len(spikes))


@jit
def backward(plan, cells, side, layers, codes, by_pixel, usual, steps, fires, rows, totals, sizes, i_keep, v_keep, curves, voltage, spikes, gz, grad, trains, g_table):  # type: ignore[no-untyped-def]  # fmt: skip  # noqa: E501
    """The tasks of a backward pass; `grad` (R, O) is that of the last layer's output, its rows filled up to whole vectors."""
    k, at = next_task(plan, cells, side, 0)
    while k < len(plan):
        kind, i, part, low, high = plan[k, 0], plan[k, 1], plan[k, 2], plan[k, 3], plan[k, 4]
        own = layers[i]
        if kind == BACK:
            _back(layers, codes, low, high, usual, steps, rows, sizes, i_keep, v_keep, curves, voltage, gz, grad, trains, g_table[part])
        elif kind == LEARN:
            v, gv = matrix(own[V], own[INPUTS], own[OUTPUTS])[low:high], matrix(own[GV], own[INPUTS], own[OUTPUTS])[low:high]
            g, length, total = matrix(own[G], 1, own[OUTPUTS])[0], matrix(own[LENGTH], 1, own[OUTPUTS])[0], _totals(totals, own)[part]
            factor = _over(g, length)
            if i == 0:
                _learn_pictures(by_pixel[low:high], fires, trains, v, factor, gv, total)
            else:
                many, below = len(grad), layers[i - 1]
                x = _neurons(spikes, below, many)
                given = grad if i + 1 == len(layers) else _neurons(gz, own, many)
                if own[DENSE]:
                    _learn_dense(x, given, low, high, v, factor, gv, total)
                else:
                    _learn(x, given, low, high, v, factor, gv, total)
        else:
            v, gv = matrix(own[V], own[INPUTS], own[OUTPUTS]), matrix(own[GV], own[INPUTS], own[OUTPUTS])
            g, length, gg = matrix(own[G], 1, own[OUTPUTS])[0], matrix(own[LENGTH], 1, own[OUTPUTS])[0], matrix(own[GG], 1, own[OUTPUTS])[0]
            _finish(_totals(totals, own), v, g, length, low, high, gv, gg)
        done(plan, cells, k)
        k, at = next_task(plan, cells, side, at)


@jit
def _back(layers, codes, low, high, usual, steps, rows, sizes, i_keep, v_keep, curves, voltage, gz, grad, trains, g_table):  # type: ignore[no-untyped-def]  # fmt: skip  # noqa: E501
    """The gradients of the samples in [low, high) through all layers, down to the trains of codes."""
    (length, kinds), first, many = steps.shape, layers[0], len(grad)
    sums, there, every = np.empty((1, kinds, first[WIDTH]), np.int16), np.empty((1, kinds), np.bool_), np.ones(kinds, np.bool_)
    total, now, samples = _whole(sizes, first), slice(low * length, high * length), high - low
    for k in range(len(layers) - 2, -1, -1):
        own, above, neurons, curve = layers[k], layers[k + 1], layers[k, NEURONS_AT], curves[k]
        given = grad[now] if k + 2 == len(layers) else _neurons(gz, above, many)[now]
        of_spikes, shape = np.empty((samples * length, own[WIDTH]), np.float32), (samples, length, own[WIDTH])
        product(given, NONE, given.shape[1], STEP, len(given), _turned(above), above[OUTPUTS], NONE, own[WIDTH], of_spikes)
        keep = i_keep[neurons : neurons + own[WIDTH]], v_keep[neurons : neurons + own[WIDTH]]
        reached, to = _neurons(voltage, own, many)[now].reshape(shape), _neurons(gz, own, many)[now].reshape(shape)
        _cuba_narrow_backward(keep[0], keep[1], curve[0], curve[1], curve[2], of_spikes.reshape(shape), reached, to)
    given = _neurons(gz, first, many).reshape(len(codes), length, first[WIDTH])
    for n in range(low, high):
        _sums(codes[n : n + 1], _rows(rows, first), total, usual, every, sums, there)
        _trains(steps, sums, there, given[n : n + 1], trains[n : n + 1], g_table)


@jit
def _learn_pictures(codes, fires, trains, v, factor, gv, total):  # type: ignore[no-untyped-def]
    for r in range(0, len(v), ROWS):
        stop = min(r + ROWS, len(v))
        _scatter(codes[r:stop], fires, trains, True, gv[r:stop])
        _along(gv[r:stop], v[r:stop], factor, total)


@jit
def _learn(x, gz, low, high, v, factor, gv, total):  # type: ignore[no-untyped-def]
    """For the inputs in [low, high), whose weights and gradients are v and gv: the rows of gz (R, O) in which each spikes."""
    start, where, own = np.empty(high - low + 1, np.int32), np.empty((high - low) * len(x), np.int32), np.empty(gz.shape[1], np.float32)
    by_input(x, low, high, start, where, np.uint8(0))
    for r in range(0, high - low, ROWS):
        stop = min(r + ROWS, high - low)
        for i in range(r, stop):
            own[:] = 0
            add_rows(gz, where, start[i], start[i + 1], own)
            for o in range(gv.shape[1]):
                gv[i, o] = own[o]
        _along(gv[r:stop], v[r:stop], factor, total)


@jit
def _learn_dense(x, gz, low, high, v, factor, gv, total):  # type: ignore[no-untyped-def]
    """The same as a product: where many spike."""
    some = np.empty((len(x), ROWS), np.float32)
    own = np.empty((ROWS, gz.shape[1]), np.float32)
    for r in range(0, high - low, ROWS):
        stop = min(r + ROWS, high - low)
        for n in range(len(x)):
            for i in range(stop - r):
                some[n, i] = np.float32(x[n, low + r + i])
        product(some, NONE, STEP, np.int64(ROWS), stop - r, gz, len(gz), NONE, gz.shape[1], own)
        for i in range(r, stop):
            for o in range(gv.shape[1]):
                gv[i, o] = own[i - r, o]
        _along(gv[r:stop], v[r:stop], factor, total)
