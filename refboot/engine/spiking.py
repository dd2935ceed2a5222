"""Kernels of the engine: spiking layers, forward and backward in time.

Letters: N samples, I inputs, O outputs, T steps. States are 32-bit integers in units of 1/4096; the
plan sees to it that they fit. Spikes are lists: found[n, t, :count[n, t]] are the numbers of the
neurons that spike at a step. Sums of spikes times weights are whole numbers, exact in any order.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.jit import inlined, jit
from refboot.kernels.numbers import exp_negative

F = np.float32
UNIT = F(1 / 32)
CODES = 256  # values of a pixel: (code - 128) / 32


@jit
def encode(x, codes):
    """Pixels x (N, I) on the grid of 1/32, as codes 0 to 255."""
    for n in range(len(x)):
        for i in range(x.shape[1]):
            codes[n, i] = np.int32(min(max(np.rint(x[n, i] * F(32)), F(-128)), F(127))) + 128


@inlined
def leak(state, drive, keep):
    """state * keep / 4096, cut off towards zero, plus drive; in 32 bits throughout."""
    size = np.int32(abs(state))
    low = np.int32(np.int32(np.int32(size & 4095) * keep) >> 12)
    left = np.int32(np.int32(np.int32(size >> 12) * keep) + low)
    return np.int32(drive + (left if state >= 0 else np.int32(-left)))


@inlined
def step(total, u, v, neuron, spikes, volts):
    """One step of a layer, given its input `total` (O,) in units: spikes and voltages."""
    keep_i, keep_v, limit = neuron
    for o in range(total.size):
        now = np.int32(np.int32(total[o]) * np.int32(128))
        if keep_i:
            now = leak(u[o], now, keep_i)
            u[o] = now
        now = leak(v[o], now, keep_v)
        volts[o] = F(now) * F(1 / 4096)
        spikes[o] = now > limit
        v[o] = np.int32(0) if now > limit else now


@jit
def input_layer(weight, bias, neuron, spikes, volts):
    """The input layer on each value of a pixel: spikes and voltages (T, 256)."""
    keep_i, keep_v, limit = neuron
    u, v = np.zeros(CODES, np.int32), np.zeros(CODES, np.int32)
    for t in range(len(spikes)):
        for k in range(CODES):
            drive = np.int32((F(k - 128) * UNIT * weight + bias) * F(4096))
            u[k] = leak(u[k], drive, keep_i)
            now = leak(v[k], u[k], keep_v)
            volts[t, k] = F(now) * F(1 / 4096)
            spikes[t, k] = now > limit
            v[k] = np.int32(0) if now > limit else now


@inlined
def add_whole(rows, at, begin, end, total):
    """total (O,) int16 += rows[at[j]] for j in [begin, end), eight at a time."""
    j = begin
    while j + 8 <= end:
        a, b, c, d = rows[at[j]], rows[at[j + 1]], rows[at[j + 2]], rows[at[j + 3]]
        e, f, g, h = rows[at[j + 4]], rows[at[j + 5]], rows[at[j + 6]], rows[at[j + 7]]
        for o in range(total.size):
            total[o] += np.int16(a[o] + b[o] + c[o] + d[o] + e[o] + f[o] + g[o] + h[o])
        j += 8
    while j < end:
        a = rows[at[j]]
        for o in range(total.size):
            total[o] += np.int16(a[o])
        j += 1


@inlined
def end_of_step(spikes, fired, found):
    """Count the spikes of a step and list them; returns how many there are."""
    count = 0
    for o in range(spikes.size):
        fired[o] += F(spikes[o])
    for o in range(spikes.size):
        found[count] = o
        count += spikes[o]
    return count


@jit
def first_layer(codes, trains, whole, total, neuron, found, count, fired, volts):
    """The layer of neurons behind the pixels with `codes` (N, I), whose spikes are trains[:, code].

    Pixels of one value spike together, so the weights of each value are summed first. `total` (O,)
    is the sum of all weights. The rest is as in `next_layer`.
    """
    width, values = whole.shape[1], np.empty(CODES + 1, np.int64)
    sums = np.empty((CODES, width), np.int16)
    now, spikes = np.empty(width, np.int16), np.empty(width, np.uint8)
    u, v = np.empty(width, np.int32), np.empty(width, np.int32)
    spiking, ever = np.empty(CODES + 1, np.int64), np.zeros(CODES, np.bool_)
    for t in range(len(trains)):
        for k in range(CODES):
            ever[k] |= trains[t, k] > 0
    for n in range(len(codes)):
        kinds = sum_values(codes[n], ever, whole, total, values, sums)
        u[:] = 0
        v[:] = 0
        fired[n] = 0
        for t in range(len(trains)):
            some = 0
            for j in range(kinds):
                spiking[some] = j
                some += trains[t, values[j]]
            now[:] = 0
            add_whole(sums, spiking, 0, some, now)
            step(now, u, v, neuron, spikes, volts[n, t % volts.shape[1]])
            count[n, t] = end_of_step(spikes, fired[n], found[n, t])


@jit
def sum_values(codes, ever, whole, total, values, sums):
    """The codes (I,) of a picture that `ever` spike, `values`, and their weights' sums (K, O).

    The pixels of the first one's value, the background of most pictures, are not visited: their sum
    is what the others leave of the total. Returns how many values there are.
    """
    usual, kinds, others = codes[0], 0, 0
    start, at = np.zeros(CODES + 1, np.int64), np.empty(CODES, np.int64)
    other, order = np.empty(codes.size + 1, np.int64), np.empty(codes.size, np.int64)
    for i in range(codes.size):
        other[others] = i
        others += codes[i] != usual
    for j in range(others):
        start[codes[other[j]] + 1] += 1
    for k in range(CODES):
        values[kinds] = k
        kinds += ever[k] and (start[k + 1] > 0 or k == usual)
        start[k + 1] += start[k]
        at[k] = start[k]
    for j in range(others):
        k = codes[other[j]]
        order[at[k]] = other[j]
        at[k] += 1
    for j in range(kinds):
        k, own = values[j], sums[j]
        if k != usual:
            own[:] = 0
            add_whole(whole, order, start[k], start[k + 1], own)
        else:
            for o in range(own.size):
                own[o] = total[o]
            for i in range(others):
                row = whole[other[i]]
                for o in range(own.size):
                    own[o] -= np.int16(row[o])
    return kinds


@jit
def next_layer(lists, counts, whole, neuron, found, count, fired, volts):
    """A layer of neurons, from the lists of its inputs' spikes to those of its own.

    `whole` (I, O): its weights in units. `fired` (N, O): how often each neuron spikes. `volts`
    (N, T, O), or (N, 1, O) where nobody wants them: the voltages before the reset.
    """
    width = whole.shape[1]
    now, spikes = np.empty(width, np.int16), np.empty(width, np.uint8)
    u, v = np.empty(width, np.int32), np.empty(width, np.int32)
    for n in range(len(lists)):
        u[:] = 0
        v[:] = 0
        fired[n] = 0
        for t in range(lists.shape[1]):
            now[:] = 0
            add_whole(whole, lists[n, t], 0, counts[n, t], now)
            step(now, u, v, neuron, spikes, volts[n, t % volts.shape[1]])
            count[n, t] = end_of_step(spikes, fired[n], found[n, t])


@jit
def by_input(found, count, first, begins, ends, steps):
    """The steps at which each input spikes: steps[begins[n, i]:ends[n, i]], `first` for n = 0."""
    at = first
    for n in range(len(found)):
        own, last = begins[n], ends[n]
        last[:] = 0
        for t in range(found.shape[1]):
            for j in range(count[n, t]):
                last[found[n, t, j]] += 1
        for i in range(own.size):
            own[i] = at
            at += last[i]
            last[i] = own[i]
        for t in range(found.shape[1]):
            for j in range(count[n, t]):
                i = found[n, t, j]
                steps[last[i]] = t
                last[i] += 1


@jit
def surrogates(volts, surrogate):
    """The surrogate gradients of spikes, in place of the voltages (T, 256)."""
    level, slope, inverse = surrogate
    for t in range(len(volts)):
        row = volts[t]
        for k in range(row.size):
            row[k] = slope * exp_negative(abs(row[k] - level) * inverse)


@jit
def layer_backward(gs, volts, keep_i, keep_v, surrogate, gz):
    """From the gradient of spikes, gs (N, T or 1, O), to that of their input, gz (N, T, O)."""
    level, slope, inverse = surrogate
    gu, gi = np.empty(gz.shape[2], F), np.empty(gz.shape[2], F)
    for n in range(len(gz)):
        gu[:] = 0
        gi[:] = 0
        for t in range(gz.shape[1] - 1, -1, -1):
            near, out, grad = volts[n, t], gz[n, t], gs[n, t % gs.shape[1]]
            for o in range(out.size):
                gain = slope * exp_negative(abs(near[o] - level) * inverse)
                gu[o] = grad[o] * gain + keep_v * gu[o]
                gi[o] = gu[o] + keep_i * gi[o]
                out[o] = gi[o]


@jit
def input_backward(gs, codes, gain, keep_i, keep_v):
    """The same for pixels with `codes` (N, I), in place: gs (N, T, I), `gain` (T, 256) by code."""
    gu, gi, by = np.empty(gs.shape[2], F), np.empty(gs.shape[2], F), np.empty(gs.shape[2], F)
    for n in range(len(gs)):
        gu[:] = 0
        gi[:] = 0
        for t in range(gs.shape[1] - 1, -1, -1):
            grad = gs[n, t]
            for i in range(by.size):
                by[i] = gain[t, codes[n, i]]
            for i in range(by.size):
                gu[i] = grad[i] * by[i] + keep_v * gu[i]
                gi[i] = gu[i] + keep_i * gi[i]
                grad[i] = gi[i]
