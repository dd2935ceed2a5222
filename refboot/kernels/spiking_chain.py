"""A spiking network of dense layers that learns, on still pictures: a pass through all layers in one call, forward or backward.

Forward an image goes through all layers before the next, backward its gradient does: the threads meet three times each, not at each kernel.
Spikes are those of the layers one by one in every bit, gradients to the rounding of their sums. For the tasks of a plan see `together`.
Letters: N samples, I inputs, K codes, T steps, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels import memory
from refboot.kernels import spiking_tasks as tasks
from refboot.kernels.coded import Picture, wanted
from refboot.kernels.cuba import bounded, each, kept
from refboot.kernels.events import FEW_OUTPUTS, LARGEST, UNIT, most_backward
from refboot.kernels.layout import FEW, empty, time_major
from refboot.kernels.leaky import DECAY_SCALE
from refboot.kernels.places import places
from refboot.kernels.spiking_tasks import BACK, FINISH, LEARN, LENGTHS, QUANTISE, RUN
from refboot.kernels.together import Task, parts, plan_of, share
from refboot.kernels.vectors import LANES

MOST = 64  # samples whose trains of codes are kept at once
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


class Run(NamedTuple):
    """What a forward pass leaves: z (N, O, T) of the read-out; of each other layer the means over time of spikes and of weighted input,
    both (N, O), if they were asked for; and what `spiking_backward` needs."""

    output: Floats
    means: list[tuple[Floats, Floats]]
    picture: Picture
    steps: Floats
    layers: Ints
    held: list[list[Floats]]  # whose places are in `layers`
    rows: np.ndarray
    sizes: np.ndarray
    neurons: Sequence[Neurons]
    voltage: Floats
    spikes: np.ndarray
    counts: Ints


def spiking_forward(picture: Picture, table: Floats, weights: Sequence[Normed], neurons: Sequence[Neurons], sample: bool) -> Run | None:
    """A still `picture` through normed 8-bit `weights`, the last a read-out, behind each other one `neurons`; `table` (K, T) is the spike
    train of each code. None where a sum might leave 16 bits or a state 32, or for more than MOST samples."""
    samples, length = len(picture.codes), table.shape[1]
    if samples > MOST or not all(bounded(LARGEST, length, *own[:3]) for own in neurons):
        return None
    held = [[np.ascontiguousarray(v.T), np.ascontiguousarray(g), np.empty_like(g), memory.empty((len(g), v.shape[1] + tasks.GAP))] for v, g in weights]
    layers = _known(held)
    sums, width = int(layers[:, tasks.OUTPUTS].sum()) * FEW, int(layers[:-1, tasks.WIDTH].sum())
    rows, sizes, steps = memory.empty((int(_ends(layers)[-1]),), np.int8), np.zeros((2, sums), np.int32), np.ascontiguousarray(table.T)
    voltage, spikes = (memory.empty((samples * length * width,), kind) for kind in (np.float32, np.uint8))
    counts, means = np.zeros((len(neurons), samples), np.int64), np.empty((2, samples * width if sample else 0), np.float32)
    i_keep, v_keep = (_each(kept, decays, layers) for decays in zip(*(own[:2] for own in neurons), strict=True))
    z, out = empty((samples, int(layers[-1, tasks.OUTPUTS]), length))
    given = layers, picture.codes, picture.usual, wanted(table, picture.usual), steps, rows, np.zeros(sums), sizes
    limits = np.array([own.limit for own in neurons], np.int32)
    plan = forward_plan(samples, tuple(v.shape for v, *_ in held))
    share(tasks.forward, plan, (*given, i_keep, v_keep, limits, voltage, spikes, counts, means, out))
    if any(most.reshape(FEW, -1).sum(axis=0).max() * UNIT >= LARGEST for most in _by_layer(sizes[1], layers)):
        return None
    return Run(z, _means(means, layers, samples), picture, steps, layers, held, rows, sizes, neurons, voltage, spikes, counts)


def spiking_backward(grad: Floats, ran: Run) -> tuple[Floats, list[Normed]]:
    """Gradients for the trains of codes (K, T) and for each weight's v (O, I) and g (O,), given that of the output (N, O, T). float32."""
    codes, layers, (length, kinds) = ran.picture.codes, ran.layers.copy(), ran.steps.shape
    found = [[memory.empty(v.shape), np.empty_like(g)] for v, g, *_ in ran.held]
    layers[:, [tasks.GV, tasks.GG]] = places(found)
    layers[1:, tasks.DENSE] = [_often(own, count, length) for own, count in zip(layers[1:], ran.counts, strict=True)]
    plan = backward_plan(len(codes), tuple(v.shape for v, *_ in ran.held))
    trains, g_table = memory.empty((len(codes), kinds, int(layers[0, tasks.WIDTH]))), np.zeros((AT_ONCE, kinds, length))
    i_keep, v_keep = (_each(_left, decays, layers) for decays in zip(*(own[:2] for own in ran.neurons), strict=True))
    curves = np.array([(own.threshold, own.scale / (2 * own.tau), -1 / own.tau) for own in ran.neurons], np.float32)
    by_pixel, fires, gz = np.ascontiguousarray(codes.T), ran.steps.any(axis=0), memory.empty(ran.voltage.shape)
    given = layers, codes, by_pixel, ran.picture.usual, ran.steps, fires, ran.rows, np.zeros(ran.sizes.shape[1]), ran.sizes
    share(tasks.backward, plan, (*given, i_keep, v_keep, curves, ran.voltage, ran.spikes, gz, _filled(grad), trains, g_table))
    return g_table.sum(axis=0).astype(np.float32), [(gv.T, gg) for gv, gg in found]


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


def _known(held: list[list[Floats]]) -> Ints:
    """What the kernels are told of each layer, of which v (I, O), g, room for the lengths and for the turned weight are `held`."""
    layers = np.zeros((len(held), tasks.KNOWN), np.int64)
    layers[:, [tasks.INPUTS, tasks.OUTPUTS]] = [v.shape for v, *_ in held]
    layers[:, tasks.WIDTH] = layers[:, tasks.OUTPUTS]
    layers[-1, tasks.WIDTH] += -layers[-1, tasks.WIDTH] % tasks.WIDE
    layers[:, [tasks.V, tasks.G, tasks.LENGTH, tasks.TURNED]] = places(held)
    layers[0, tasks.TURNED] = 0  # nothing asks for the gradient of its inputs
    outputs = layers[:, tasks.OUTPUTS]
    for column, sizes in ((tasks.ROWS_AT, _ends(layers)), (tasks.SUMS_AT, FEW * outputs.cumsum()), (tasks.NEURONS_AT, outputs.cumsum())):
        layers[1:, column] = sizes[:-1]
    return layers


def _ends(layers: Ints) -> Ints:
    """Where each layer's bytes end among those of all."""
    return np.cumsum(layers[:, tasks.INPUTS] * layers[:, tasks.WIDTH])


def _each(kept: Callable[[Ints, int], np.ndarray], decays: Sequence[Ints], layers: Ints) -> np.ndarray:
    """What the decays leave, for each neuron of all layers."""
    return np.concatenate([kept(decay, int(own[tasks.WIDTH])) for decay, own in zip(decays, layers, strict=False)])


def _left(decay: Ints, channels: int) -> np.ndarray:
    """What a decay leaves of 1, for each channel (C,), float32."""
    return each(1 - decay.astype(np.float32) / np.float32(DECAY_SCALE), channels, np.float32)


def _by_layer(sums: np.ndarray, layers: Ints) -> list[np.ndarray]:
    """The sums over parts of the inputs, for each output, of each layer."""
    return np.split(sums, layers[1:, tasks.SUMS_AT])


def _means(means: Floats, layers: Ints, samples: int) -> list[tuple[Floats, Floats]]:
    """Means of spikes and of weighted input of each layer but the last, each (N, O)."""
    if not means.size:
        return []
    of_layers = np.split(means, samples * layers[1:-1, tasks.NEURONS_AT], axis=1)
    return [(rates.reshape(samples, -1), inputs.reshape(samples, -1)) for rates, inputs in of_layers]


def _often(own: Ints, count: Ints, length: int) -> bool:
    """Whether a layer's inputs spike so often that a product is quicker."""
    return bool(count.sum() > most_backward(max(own[tasks.OUTPUTS], FEW_OUTPUTS)) * own[tasks.INPUTS] * count.size * length)


def _filled(grad: Floats) -> Floats:
    """grad (N, O, T) as (N T, O), with zeros up to a whole number of vectors."""
    given = time_major(grad)
    wide = np.zeros((*given.shape[:2], given.shape[2] + -given.shape[2] % LANES), np.float32)
    wide[..., : given.shape[2]] = given
    return wide.reshape(-1, wide.shape[2])
