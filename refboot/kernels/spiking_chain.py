"""A spiking network of dense layers that learns, on still pictures: a pass through all layers in one call, forward or backward.

Forward an image goes through all layers before the next, backward its gradient does: the threads meet three times each, not at each kernel.
Spikes are those of the layers one by one in every bit, gradients to the rounding of their sums. For the tasks of a plan see `together`.
Letters: N samples, I inputs, K codes, T steps, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels import memory
from refboot.kernels import spiking_tasks as tasks
from refboot.kernels.coded import Picture
from refboot.kernels.cuba import bounded
from refboot.kernels.events import LARGEST, UNIT, most_backward
from refboot.kernels.layout import FEW, empty, time_major
from refboot.kernels.leaky import DECAY_SCALE
from refboot.kernels.places import places
from refboot.kernels.spiking_tasks import BACK, FINISH, LEARN, LENGTHS, QUANTISE, RUN
from refboot.kernels.synapse import by_step
from refboot.kernels.together import Task, parts, plan_of, share

MOST = 64  # samples whose trains of codes are kept at once
LONGEST = 512  # steps over which the input layer's means are exact, in whatever order they are summed
AT_ONCE = 16  # parts of the samples

Shape = tuple[int, int]
Normed = tuple[Floats, Floats]  # v (O, I) and g (O,)


class Neurons(NamedTuple):
    """Plain neurons that begin at rest: decays, of 4096, the threshold in state units, and threshold, tau and scale of the surrogate."""

    i_decay: Ints
    v_decay: Ints
    limit: int
    threshold: float
    tau: float
    scale: float


class Source(NamedTuple):
    """The input layer: weight and bias (1,), not quantised yet, and neurons whose decays (1,) are shared."""

    weight: Floats
    bias: Floats
    neurons: Neurons


class Trains(NamedTuple):
    """The input layer on each code: spikes and voltages (T, K), means over time of spikes and of weighted input (2, K), which codes ever
    spike, and whose sums are asked for (K,)."""

    steps: Floats
    voltage: Floats
    means: Floats
    fires: np.ndarray
    needed: np.ndarray


class States(NamedTuple):
    """Of all layers weights as bytes, voltages and spikes; of the first the sums of its weights, in parts; how many spiked (layer, N)."""

    rows: np.ndarray
    sums: np.ndarray
    voltage: Floats
    spikes: np.ndarray
    counts: Ints


class Run(NamedTuple):
    """What a forward pass leaves: z (N, O, T) of the read-out; the means over time of spikes and of weighted input of each layer behind the
    input layer but the last, both (N, O), if they were asked for; and what `spiking_backward` needs."""

    output: Floats
    means: list[tuple[Floats, Floats]]
    picture: Picture
    source: Source
    trains: Trains
    neurons: Sequence[Neurons]
    layers: Ints
    held: list[list[Floats]]  # whose places are in `layers`
    states: States
    keep: np.ndarray


def spiking_forward(
    picture: Picture, steps: int, source: Source, weights: Sequence[Normed], neurons: Sequence[Neurons], sample: bool
) -> Run | None:
    """A still `picture` through an input layer and normed 8-bit `weights`, the last a read-out, behind each other one `neurons`.

    None where a sum might leave 16 bits or a state 32, or for more samples or steps than this is for.
    """
    samples = len(picture.codes)
    if samples > MOST or steps > LONGEST or not all(bounded(LARGEST, steps, *own[:3]) for own in (source.neurons, *neurons)):
        return None
    held = [[np.ascontiguousarray(v.T), np.ascontiguousarray(g), np.empty_like(g), _room_to_turn(v)] for v, g in weights]
    layers, trains, shapes = _known(held), _enter(picture, steps, source), _shapes(held)
    states, keep, (z, out) = _room(layers, samples, steps), _keep(neurons, layers), empty((samples, shapes[-1][1], steps))
    means = np.empty((2, samples * keep.shape[1] if sample else 0), np.float32)
    most, limits = np.zeros((len(held), FEW), np.int64), np.array([own.limit for own in neurons], np.int32)
    given = layers, picture.codes, picture.usual, trains.needed, trains.steps, states.rows, _totals(layers), states.sums
    share(tasks.forward, forward_plan(samples, shapes), (*given, most, keep, limits, *states[2:], means, out))
    if most.sum(axis=1).max() * UNIT >= LARGEST:
        return None
    return Run(z, _means(means, layers, samples), picture, source, trains, neurons, layers, held, states, keep)


def spiking_backward(grad: Floats, ran: Run) -> tuple[Normed, list[Normed]]:
    """Gradients for weight and bias (1,) of the input layer, and for each other one's v (O, I) and g (O,), given that of the output
    (N, O, T). float32."""
    (codes, values, usual), (steps, voltage, _, fires, _), states = ran.picture, ran.trains, ran.states
    (length, kinds), layers, shapes = steps.shape, ran.layers.copy(), _shapes(ran.held)
    found = [[memory.empty(v.shape), np.empty_like(g)] for v, g, *_ in ran.held]
    layers[:, tasks.GV : tasks.GG + 1] = places(found)
    layers[1:, tasks.DENSE] = [_often(own, count, len(codes) * length) for own, count in zip(layers[1:], states.counts.sum(axis=1), strict=True)]
    trains, g_table = memory.empty((len(codes), kinds, shapes[0][1])), memory.empty((AT_ONCE, kinds, length), np.float64)
    plan, curves = backward_plan(len(codes), shapes), np.array([_curve(own) for own in (ran.source.neurons, *ran.neurons)], np.float32)
    given = layers, codes, usual, fires, steps, states.rows, _totals(layers), states.sums, ran.keep, curves[1:], *states[2:4]
    share(tasks.backward, plan, (*given, memory.empty(states.voltage.shape), by_step(time_major(grad)), trains, g_table))
    source = tasks.leave(g_table[: len(parts(len(codes), 1, AT_ONCE))], values, *ran.source[:2], *_left(ran.source.neurons), curves[0], voltage)
    return source, [(gv.T, gg) for gv, gg in found]


@cache
def forward_plan(samples: int, shapes: tuple[Shape, ...]) -> np.ndarray:
    """The tasks of `spiking_forward`: all weights, by inputs, then the samples."""
    plan = []
    for kind in (LENGTHS, QUANTISE):
        plan += [Task(kind, i, *part, kind, kind - 1) for i, shape in enumerate(shapes) for part in parts(shape[0], 1, FEW)]
    return plan_of(plan + [Task(RUN, 0, *part, RUN, QUANTISE) for part in parts(samples, 1, AT_ONCE)])


@cache
def backward_plan(samples: int, shapes: tuple[Shape, ...]) -> np.ndarray:
    """The tasks of `spiking_backward`: the samples, then all weights, by inputs."""
    plan = [Task(BACK, 0, *part, 0, -1) for part in parts(samples, 1, AT_ONCE)]
    finish: list[Task] = []
    for i, shape in enumerate(shapes):
        learned = i + 1
        plan += [Task(LEARN, i, *part, learned, 0) for part in parts(shape[0], 1, FEW)] + finish
        finish = [Task(FINISH, i, *part, learned + len(shapes), learned) for part in parts(shape[0], 1, FEW)]
    return plan_of(plan + finish)


def _enter(picture: Picture, steps: int, source: Source) -> Trains:
    kinds = len(picture.values)
    (spikes, voltage), means = (np.empty((steps, kinds), np.float32) for _ in range(2)), np.empty((2, kinds), np.float32)
    trains = Trains(spikes, voltage, means, *(np.empty(kinds, np.bool_) for _ in range(2)))
    neuron = *(np.int32(DECAY_SCALE - int(decay[0])) for decay in source.neurons[:2]), np.int32(source.neurons.limit)
    tasks.enter(picture.values, picture.usual, source.weight, source.bias, *neuron, *trains)
    return trains


def _known(held: list[list[Floats]]) -> Ints:
    """What the kernels are told of each layer, of which v (I, O), g, room for the lengths and for the turned weight are `held`."""
    layers = _sizes(_shapes(held)).copy()
    layers[:, tasks.V : tasks.TURNED + 1] = places(held)
    return layers


def _shapes(held: list[list[Floats]]) -> tuple[Shape, ...]:
    return tuple(v.shape for v, *_ in held)


@cache
def _sizes(shapes: tuple[Shape, ...]) -> Ints:
    """The sizes of layers, and where what they have begins among what all have."""
    layers = np.zeros((len(shapes), tasks.KNOWN), np.int64)
    layers[:, [tasks.INPUTS, tasks.OUTPUTS]] = shapes
    layers[:, tasks.WIDTH] = layers[:, tasks.OUTPUTS]
    layers[-1, tasks.WIDTH] += -layers[-1, tasks.WIDTH] % tasks.WIDE
    outputs = layers[:, tasks.OUTPUTS].cumsum()
    for column, ends in ((tasks.ROWS_AT, _bytes(layers)), (tasks.SUMS_AT, FEW * outputs), (tasks.NEURONS_AT, outputs)):
        layers[1:, column] = ends[:-1]
    return layers


def _bytes(layers: Ints) -> Ints:
    """Where the rows of each layer end."""
    return np.cumsum(layers[:, tasks.INPUTS] * layers[:, tasks.WIDTH])


def _room(layers: Ints, samples: int, steps: int) -> States:
    width = int(layers[-1, tasks.NEURONS_AT])
    rows, sums = memory.empty((int(_bytes(layers)[-1]),), np.int8), np.empty((FEW, int(layers[0, tasks.OUTPUTS])), np.int32)
    voltage, spikes = (memory.empty((samples * steps * width,), kind) for kind in (np.float32, np.uint8))
    return States(rows, sums, voltage, spikes, np.empty((len(layers) - 1, samples), np.int64))


def _room_to_turn(v: Floats) -> Floats:
    return memory.empty((len(v), v.shape[1] + tasks.GAP))


def _totals(layers: Ints) -> np.ndarray:
    """A sum over each part of the inputs, for each output of each layer: zero."""
    return np.zeros(FEW * int(layers[:, tasks.OUTPUTS].sum()))


def _keep(neurons: Sequence[Neurons], layers: Ints) -> np.ndarray:
    """What both decays leave, of 4096, for each neuron of all layers, (2, O)."""
    keep = np.empty((2, int(layers[-1, tasks.NEURONS_AT])), np.int32)
    for own, (first, width) in zip(neurons, layers[:-1, [tasks.NEURONS_AT, tasks.WIDTH]].tolist(), strict=True):
        for i in range(2):
            keep[i, first : first + width] = DECAY_SCALE - own[i]
    return keep


def _left(neurons: Neurons) -> tuple[np.float32, ...]:
    """What both decays, shared by all neurons, leave of 1."""
    return tuple(np.float32(1 - int(decay[0]) / DECAY_SCALE) for decay in neurons[:2])


def _curve(neurons: Neurons) -> tuple[float, float, float]:
    """The surrogate's constants, as spike.surrogate takes them."""
    return neurons.threshold, neurons.scale / (2 * neurons.tau), -1 / neurons.tau


def _means(means: Floats, layers: Ints, samples: int) -> list[tuple[Floats, Floats]]:
    """Means of spikes and of weighted input of each layer but the last, each (N, O)."""
    if not means.size:
        return []
    of_layers = np.split(means, samples * layers[1:-1, tasks.NEURONS_AT], axis=1)
    return [(rates.reshape(samples, -1), inputs.reshape(samples, -1)) for rates, inputs in of_layers]


def _often(own: Ints, count: int, rows: int) -> bool:
    """Whether a layer's inputs spike so often in so many rows, or its outputs are so few, that a product is quicker."""
    return bool(count > most_backward(own[tasks.OUTPUTS]) * own[tasks.INPUTS] * rows)
