"""The tasks of `spiking_chain`: one kernel goes through those of a forward pass, one through those of a backward pass.

What is known of a layer, its sizes and where its arrays are, is a row of numbers: so one kernel serves any number of layers.
Letters: N samples, I inputs, K codes, T steps, O outputs, R = N T.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.adding import ONE, add_rows, others
from refboot.kernels.chain_tasks import _finish, _over, _total
from refboot.kernels.coded import _scatter, _sums, _trains, firing
from refboot.kernels.cuba import _cuba_narrow_backward, any_of, gradient_step, narrow_step
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
from refboot.kernels.weight import _along, unclipped

LENGTHS, QUANTISE, RUN = range(3)  # kinds of tasks, forward
BACK, LEARN, FINISH = range(3)  # and backward
# Of each layer its sizes (WIDTH: its outputs, of the last layer with what fills up a vector); the places of its float32 arrays (TURNED: the
# quantised weight as (O, I)); where its rows, sums over outputs and neurons begin among those of all; whether its inputs spike too often.
INPUTS, OUTPUTS, WIDTH, ROWS_AT, SUMS_AT, NEURONS_AT, DENSE, V, G, LENGTH, TURNED, GV, GG, KNOWN = range(14)
WIDE = ONE // 2  # sums of 16 bits in a vector
GAP = 2 * LANES  # numbers between two rows of a turned weight: rows a power of two apart would share a few lines of the cache
FINITE, BEYOND = np.float32(np.finfo(np.float32).max), np.int32(1 << 16)  # in steps of the grid, more than any sum may have
NONE, STEP = np.int64(0), np.int64(1)  # of one type with what is computed: so there is one `product`


@jit
def enter(values, usual, weight, bias, i_keep, v_keep, limit, steps, voltage, means, fires, needed):  # type: ignore[no-untyped-def]
    """The input layer on each code, from rest: spikes and voltages (T, K), means over time of spikes and weighted input (2, K), which codes
    ever spike, and whose sums are asked for: of those, or of all where the `usual` one does, whose sum is the rest they leave."""
    w, b, length = quantised(weight[0]), quantised(bias[0]), len(steps)
    for k in range(values.size):
        drive = values[k] * w
        drive += b
        u, v, count, total = np.int32(0), np.int32(0), np.float32(0), np.float32(0)
        for t in range(length):
            u = narrow_step(u, np.int32(drive * np.float32(4096)), i_keep)
            v = narrow_step(v, u, v_keep)
            voltage[t, k], steps[t, k] = np.float32(v) * np.float32(1 / 4096), np.float32(v > limit)
            count, total = count + steps[t, k], total + drive
            v = np.int32(0) if v > limit else v
        means[0, k], means[1, k], fires[k] = count / np.float32(length), total / np.float32(length), count > 0
    for k in range(values.size):
        needed[k] = fires[k] | fires[usual]


@jit
def leave(g_table, values, weight, bias, i_keep, v_keep, curve, voltage):  # type: ignore[no-untyped-def]
    """Gradients of weight and bias, given those of the trains, in parts (P, K, T)."""
    gw, gb = np.empty(1, np.float32), np.empty(1, np.float32)
    along, total = 0.0, 0.0
    for k in range(values.size):
        gu, later = np.float32(0), np.float32(0)
        for t in range(len(voltage) - 1, -1, -1):
            grad = 0.0
            for part in range(len(g_table)):
                grad += g_table[part, k, t]
            gu, later = gradient_step(np.float32(grad), voltage[t, k], gu, later, i_keep, v_keep, curve[0], curve[1], curve[2])
            along += np.float64(later * values[k])
            total += np.float64(later)
    gw[0], gb[0] = unclipped(np.float32(along), weight[0]), unclipped(np.float32(total), bias[0])
    return gw, gb


@jit
def forward(plan, cells, side, layers, codes, usual, needed, steps, rows, totals, sums, most, keep, limits, voltage, spikes, counts, means, z):  # type: ignore[no-untyped-def]  # fmt: skip  # noqa: E501
    """The tasks of a forward pass."""
    k, at = next_task(plan, cells, side, 0)
    while k < len(plan):
        kind, part, low, high = plan[k, 0], plan[k, 2], plan[k, 3], plan[k, 4]
        own = layers[plan[k, 1]]
        if kind == RUN:
            _run(layers, codes, low, high, usual, needed, steps, rows, _whole(sums), keep, limits, voltage, spikes, counts, means, z)
        elif kind == LENGTHS:
            v = matrix(own[V], own[INPUTS], own[OUTPUTS])[low:high]
            _products(v, v, _totals(totals, own)[part])
        else:
            size = _quantise(own, _totals(totals, own), low, high, _rows(rows, own), sums[part])
            most[plan[k, 1], part] = size
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
def _quantise(own, totals, low, high, rows, sums):  # type: ignore[no-untyped-def]
    """As weight.normed_8bit, for the inputs in [low, high), into bytes; of the first layer their sum, of any the largest sum of their sizes.
    """
    v, outputs = matrix(own[V], own[INPUTS], own[OUTPUTS]), own[OUTPUTS]
    g, length, factor = matrix(own[G], 1, outputs)[0], matrix(own[LENGTH], 1, outputs)[0], np.empty(outputs, np.float32)
    total, size = np.zeros(outputs, np.int32), np.zeros(outputs, np.int32)
    for o in range(outputs):
        whole = np.float32(np.sqrt(_total(totals, o)))
        factor[o] = g[o] / whole
        if low == 0:
            length[o] = whole
        if not (whole <= FINITE and abs(factor[o]) <= FINITE):  # else no weight is NaN
            size[o] = BEYOND
    for i in range(low, high):
        row, out = v[i], rows[i]
        for o in range(outputs):
            steps = np.int32(quantised(row[o] * factor[o]) * PER_STEP)
            out[o] = np.int8(steps)
            total[o] += steps
            size[o] += np.int32(abs(steps))
        for o in range(outputs, out.size):
            out[o] = 0
    if own[ROWS_AT]:
        turn(rows, low, high, _turned(own))
    else:
        for o in range(outputs):
            sums[o] = total[o]
    return size.max()


@jit
def _run(layers, codes, low, high, usual, needed, steps, rows, total, keep, limits, voltage, spikes, counts, means, z):  # type: ignore[no-untyped-def]  # fmt: skip  # noqa: E501
    """The samples in [low, high), each through all layers."""
    (length, kinds), first, read_out = steps.shape, layers[0], layers[-1]
    most = max(layers[:, WIDTH].max(), kinds)
    sums, there, here = np.empty((kinds, first[WIDTH]), np.int16), np.empty(kinds, np.bool_), np.empty(kinds, np.float32)
    found, count, drives = np.empty((length, most + 1), np.int64), np.empty(length, np.int64), np.empty((length, most), np.int16)
    for n in range(low, high):
        _sums(codes[n : n + 1], _rows(rows, first), total, usual, needed, sums.reshape(1, kinds, first[WIDTH]), there.reshape(1, kinds))
        for t in range(length):
            count[t] = firing(steps[t], there, here, found[t])
        _add(sums, found, count, drives)
        for k in range(limits.size):
            own, many, now = layers[k], len(codes) * length, slice(n * length, (n + 1) * length)
            reached, fired = _neurons(voltage, own, many)[now], _neurons(spikes, own, many)[now]
            _fire(drives, _neurons(keep[0], own, 1)[0], _neurons(keep[1], own, 1)[0], limits[k], reached, fired, found, count)
            if means.size:
                _average(drives, fired, _neurons(means[0], own, len(codes))[n], _neurons(means[1], own, len(codes))[n])
            counts[k, n] = count.sum()
            _add(_rows(rows, layers[k + 1]), found, count, drives)
        for t in range(length):
            for o in range(read_out[OUTPUTS]):
                z[n, t, o] = np.float32(drives[t, o]) * UNIT


@jit
def _whole(sums):  # type: ignore[no-untyped-def]
    """The sum over all inputs, of each output, of the first layer's weights."""
    total = np.zeros(sums.shape[1], np.int16)
    for part in range(len(sums)):
        for o in range(total.size):
            total[o] += np.int16(sums[part, o])
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
def backward(plan, cells, side, layers, codes, usual, fires, steps, rows, totals, sums, keep, curves, voltage, spikes, gz, grad, trains, g_table):  # type: ignore[no-untyped-def]  # fmt: skip  # noqa: E501
    """The tasks of a backward pass; `grad` (R, O) is that of the last layer's output."""
    k, at = next_task(plan, cells, side, 0)
    while k < len(plan):
        kind, i, part, low, high = plan[k, 0], plan[k, 1], plan[k, 2], plan[k, 3], plan[k, 4]
        own = layers[i]
        if kind == BACK:
            _give(layers, low, high, len(steps), keep, curves, voltage, gz, grad)
            of_first = _neurons(gz, layers[0], len(grad)).reshape(len(codes), len(steps), layers[0, WIDTH])[low:high]
            g_table[part] = 0
            _to_codes(codes[low:high], usual, steps, _rows(rows, layers[0]), _whole(sums), of_first, trains[low:high], g_table[part])
        elif kind == LEARN:
            v, gv = matrix(own[V], own[INPUTS], own[OUTPUTS])[low:high], matrix(own[GV], own[INPUTS], own[OUTPUTS])[low:high]
            g, length, total = matrix(own[G], 1, own[OUTPUTS])[0], matrix(own[LENGTH], 1, own[OUTPUTS])[0], _totals(totals, own)[part]
            factor = _over(g, length)
            if i == 0:
                _learn_pictures(codes, low, fires, trains, v, factor, gv, total)
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
def _give(layers, low, high, length, keep, curves, voltage, gz, grad):  # type: ignore[no-untyped-def]
    """The gradient for the weighted input of each layer, from the last on, for the samples in [low, high)."""
    now, many, samples = slice(low * length, high * length), len(grad), high - low
    for k in range(len(layers) - 2, -1, -1):
        own, above, curve = layers[k], layers[k + 1], curves[k]
        given = grad[now] if k + 2 == len(layers) else _neurons(gz, above, many)[now]
        of_spikes, shape = np.empty((samples * length, own[WIDTH]), np.float32), (samples, length, own[WIDTH])
        product(given, NONE, given.shape[1], STEP, len(given), _turned(above), above[OUTPUTS], NONE, own[WIDTH], of_spikes)
        left = _left(_neurons(keep[0], own, 1)[0]), _left(_neurons(keep[1], own, 1)[0])
        reached, to = _neurons(voltage, own, many)[now].reshape(shape), _neurons(gz, own, many)[now].reshape(shape)
        _cuba_narrow_backward(left[0], left[1], curve[0], curve[1], curve[2], of_spikes.reshape(shape), reached, to)


@jit
def _left(keep):  # type: ignore[no-untyped-def]
    """What a decay leaves of 1, exactly."""
    left = np.empty(keep.size, np.float32)
    for c in range(keep.size):
        left[c] = np.float32(keep[c]) * np.float32(1 / 4096)
    return left


@jit
def _to_codes(codes, usual, steps, rows, total, gz, trains, g_table):  # type: ignore[no-untyped-def]
    """The gradient of the first layer's weighted input, by the trains of codes and for them."""
    kinds, width = steps.shape[1], rows.shape[1]
    sums, there, every = np.empty((1, kinds, width), np.int16), np.empty((1, kinds), np.bool_), np.ones(kinds, np.bool_)
    for n in range(len(codes)):
        _sums(codes[n : n + 1], rows, total, usual, every, sums, there)
        _trains(steps, sums, there, gz[n : n + 1], trains[n : n + 1], g_table)


@jit
def _learn_pictures(codes, low, fires, trains, v, factor, gv, total):  # type: ignore[no-untyped-def]
    """For the pixels from `low` on, whose weights and gradients are v and gv: the trains of their codes."""
    for r in range(0, len(v), ROWS):
        stop = min(r + ROWS, len(v))
        _scatter(codes, low + r, fires, trains, True, gv[r:stop])
        _along(gv[r:stop], v[r:stop], factor, total)


@jit
def _learn(x, gz, low, high, v, factor, gv, total):  # type: ignore[no-untyped-def]
    """For the inputs in [low, high), whose weights and gradients are v and gv: the rows of gz (R, O) in which each spikes."""
    start, where = np.empty(high - low + 1, np.int32), np.empty((high - low) * len(x), np.int32)
    by_input(x, low, high, start, where, np.uint8(0))
    for r in range(0, len(gv), ROWS):
        stop = min(r + ROWS, len(gv))
        for i in range(r, stop):
            own = gv[i]
            own[:] = 0
            add_rows(gz, where, start[i], start[i + 1], own)
        _along(gv[r:stop], v[r:stop], factor, total)


@jit
def _learn_dense(x, gz, low, high, v, factor, gv, total):  # type: ignore[no-untyped-def]
    """The same as a product, where many spike or outputs are few."""
    some, outputs = np.empty((len(x), high - low), np.float32), gv.shape[1]
    for n in range(len(x)):
        own, out = x[n, low:high], some[n]
        for i in range(own.size):
            out[i] = np.float32(own[i])
    for r in range(0, len(gv), ROWS):
        stop = min(r + ROWS, len(gv))
        product(some, r, STEP, high - low, stop - r, gz, len(gz), NONE, outputs, gv[r:])
        _along(gv[r:stop], v[r:stop], factor, total)
