"""A spiking network of dense layers that learns, on still pictures: a pass through all layers in
one call, forward or backward.

Forward an image goes through all layers before the next, backward its gradient does: the threads
meet three times each, not at each kernel. Spikes are those of the layers one by one in every bit,
gradients to the rounding of their sums. For the tasks of a plan see `together`. Letters: N samples,
I inputs, K codes, T steps, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels import passes, weight_tasks
from refboot.kernels import spiking_tasks as tasks
from refboot.kernels.coded import Picture, encode
from refboot.kernels.cuba import bounded
from refboot.kernels.events import LARGEST, UNIT, most_backward
from refboot.kernels.layout import empty, time_major
from refboot.kernels.leaky import DECAY_SCALE
from refboot.kernels.passes import Normed, Shape
from refboot.kernels.places import places
from refboot.kernels.source import through_trains, trains_of
from refboot.kernels.together import Going, Kinds, Task, parts, plan_of, share

# Kinds of tasks, and the works of each, one after the other: what one leaves the next finds in its
# cache.
FORWARD: Kinds = (*passes.WEIGHTS, (tasks.code_sums, tasks.spike))
BACKWARD: Kinds = ((tasks.give, tasks.to_codes),)
LEARNING: Kinds = (
    (tasks.learn_pictures,),
    (tasks.learn,),
    (tasks.learn_dense,),
    (weight_tasks.finish,),
)
PICTURES, LEARN, LEARN_DENSE, FINISH = range(len(LEARNING))
MOST = 1 << 23  # numbers of the gradients by the trains of codes, which are kept for all samples
CODES = 256  # at the most
LONGEST = (
    512  # steps over which the input layer's means are exact, in whatever order they are summed
)
AT_ONCE = 16  # parts of the samples


class Neurons(NamedTuple):
    """Plain neurons that begin at rest: decays, of 4096, the threshold in state units, and
    threshold, tau and scale of the surrogate.
    """

    i_decay: Ints
    v_decay: Ints
    limit: int
    threshold: float
    tau: float
    scale: float


class Source(NamedTuple):
    """The input layer: weight and bias (1,), not quantised yet, and neurons whose decays (1,) are
    shared.
    """

    weight: Floats
    bias: Floats
    neurons: Neurons


class Run(NamedTuple):
    """What a forward pass leaves: z (N, O, T) of the read-out; the means over time of spikes and of
    weighted input, both (N, O), of each
    layer but that, if they were asked for; and what `spiking_backward` needs."""

    output: Floats
    means: list[tuple[Floats, Floats]]
    picture: Picture
    source: Source
    reached: Floats  # voltages of the input layer on each code (T, K)
    held: list[list[Floats]]  # of each layer v (I, O) and g
    rooms: tuple[Floats, Floats]  # in which the rest of what the numbers tell of has its place
    numbers: Ints  # see spiking_tasks, of the pass
    layers: Ints  # and of each layer


def spiking_forward(
    x: Floats,
    steps: int,
    source: Source,
    weights: Sequence[Normed],
    neurons: Sequence[Neurons],
    sample: bool,
) -> Run | None:
    """Still pictures x (N, I) through an input layer and normed 8-bit `weights`, the last a
    read-out, behind each other one `neurons`.

    None where a sum might leave 16 bits or a state 32, where a weight is NaN, or for more samples
    or steps than this is for.
    """
    if steps > LONGEST or not all(_fits(steps, *own[:3]) for own in (source.neurons, *neurons)):
        return None
    samples, width, picture = len(x), len(weights[0][1]), None
    if samples * CODES * width > MOST:
        picture = encode(x)
        if samples * len(picture.values) * width > MOST:
            return None
    z, out = empty((samples, len(weights[-1][1]), steps))
    held, shapes, where, layers, room = passes.placed(weights, *_own(samples, steps))
    picture = picture or encode(x)
    numbers, of_codes, means, of_pixels = _of_pass(picture, steps, shapes, out, sample)
    reached = _enter(picture, source, numbers, of_codes, means)
    if not np.isfinite(means[1].sum()):
        return None
    _tell(neurons, layers, where, room)
    share(FORWARD, forward_plan(shapes, samples), numbers, layers.reshape(-1))
    if not passes.fit_16_bits(room, where):
        return None
    sampled = (
        [
            (of_pixels[0], of_pixels[1]),
            *(_means(room, of_layer, samples) for of_layer in where[:-1]),
        ]
        if sample
        else []
    )
    return Run(z, sampled, picture, source, reached, held, (of_codes, room), numbers, layers)


def spiking_backward(grad: Floats, ran: Run) -> tuple[Normed, list[Normed]]:
    """Gradients for weight and bias (1,) of the input layer, and for each other one's v (O, I) and
    g (O,), given that of the output
    (N, O, T). float32."""
    samples, steps, layers, shapes, given = (
        len(grad),
        grad.shape[2],
        ran.layers.copy(),
        passes.shapes_of(ran.held),
        time_major(grad),
    )
    layers[-1, tasks.GIVEN] = places([[given]])[0, 0]
    with Going(BACKWARD, backward_plan(samples), ran.numbers, layers.reshape(-1)):
        found, where = (
            passes.gradients_for(ran.held),
            passes.layout(shapes, *_own(samples, steps))[0],
        )
        layers[:, weight_tasks.GV : weight_tasks.GG + 1] = places(found)
        spikes = (
            passes.view(ran.rooms[1], where[0, tasks.COUNTS], len(shapes) * samples, np.int64)
            .reshape(-1, samples)
            .sum(axis=1)
        )
        often = tuple(
            _often(*own, samples * steps) for own in zip(spikes.tolist(), shapes[1:], strict=False)
        )
    with Going(LEARNING, weights_plan(shapes, often), ran.numbers, layers.reshape(-1)):
        first = _leave(ran)
    return first, [(gv.T, gg) for gv, gg in found]


@cache
def forward_plan(shapes: tuple[Shape, ...], samples: int) -> np.ndarray:
    """All weights, then all samples, a few at a time."""
    spike = [
        Task(len(passes.WEIGHTS), 0, *part, "", "weights") for part in parts(samples, 1, AT_ONCE)
    ]
    return plan_of(passes.lengths(shapes) + passes.as_bytes(shapes) + spike)


@cache
def backward_plan(samples: int) -> np.ndarray:
    """All samples, a few at a time."""
    return plan_of([Task(0, 0, *part, "", None) for part in parts(samples, 1, AT_ONCE)])


@cache
def weights_plan(shapes: tuple[Shape, ...], often: tuple[bool, ...]) -> np.ndarray:
    """All weights, by inputs, backward; the inputs of some of those behind the first spike
    `often`.
    """
    kinds, plan = [PICTURES, *(LEARN_DENSE if dense else LEARN for dense in often)], list[Task]()
    for i, shape in enumerate(shapes):
        plan += passes.learned(kinds[i], i, shape) + (
            passes.finished(FINISH, i - 1, shapes[i - 1]) if i else []
        )
    return plan_of(plan + passes.finished(FINISH, len(shapes) - 1, shapes[-1]))


def _of_pass(
    picture: Picture, steps: int, shapes: tuple[Shape, ...], out: Floats, sample: bool
) -> tuple[Ints, Floats, Floats, Floats]:
    """The numbers of a pass, the array in which what they tell of has its place, and the means (2,
    K) and, to sample, (2, N, I).
    """
    (samples, pixels), kinds, width = picture.codes.shape, len(picture.values), shapes[0][1]
    sizes = (
        steps * kinds,
        kinds // 4 + 1,
        kinds // 4 + 1,
        samples * kinds * width // 2 + 1,
        samples * kinds // 4 + 1,
    )
    *begun, size = passes.starts((*sizes, samples * kinds * width, 2 * AT_ONCE * kinds * steps))
    numbers, room = passes.numbers_of(samples, pixels, len(shapes)), passes.room_of(size)
    means, of_pixels = (
        np.empty((2, kinds), np.float32),
        np.empty((2, samples, pixels if sample else 0), np.float32),
    )
    first, *others = places([[room, means, of_pixels, out]])[0]
    of_picture = picture.codes.ctypes.data, kinds, picture.usual
    numbers[weight_tasks.CODES : tasks.OUTPUT + 1] = (
        *of_picture,
        steps,
        sample,
        *(first + 4 * start for start in begun),
        *others,
    )
    return numbers, room, means, of_pixels


def _own(samples: int, steps: int) -> tuple[tuple[int, ...], int]:
    """How many numbers each of a layer's own arrays has, for each output, and counts: see
    passes.layout.
    """
    rows = samples * steps
    return (2, 1, rows, rows // 4 + 1, rows, 2 * samples), samples


def _tell(neurons: Sequence[Neurons], layers: Ints, where: Ints, room: Floats) -> None:
    """Write what the neurons of each layer are."""
    for i, own in enumerate(neurons):
        layers[i, tasks.LIMIT], width = own.limit, int(where[i, weight_tasks.WIDTH])
        keep = passes.view(room, where[i, tasks.KEEP], 2 * width)
        keep[:width], keep[width:] = _left(own.i_decay), _left(own.v_decay)
        threshold, slope, inverse = _surrogate(own)
        constants = threshold, slope * float(UNIT), inverse  # for gradients in units of the weights
        passes.view(room, where[i, tasks.SURROGATE], 3)[:] = constants


def _left(decay: Ints) -> Any:
    """What decays (1,) or (C,) leave of 1, exact in float32, too: of all neurons, or of each."""
    return 1 - (int(decay[0]) if decay.size == 1 else decay) / DECAY_SCALE


def _surrogate(neurons: Neurons) -> tuple[float, float, float]:
    """Its constants, as spike.surrogate takes them."""
    return neurons.threshold, neurons.scale / (2 * neurons.tau), -1 / neurons.tau


def _means(room: Floats, own: Ints, samples: int) -> tuple[Floats, Floats]:
    """Means over time of a layer's spikes and weighted input, both (N, O)."""
    means = passes.view(room, own[tasks.MEANS], 2 * samples * int(own[weight_tasks.WIDTH])).reshape(
        2, samples, -1
    )
    return means[0], means[1]


def _fits(steps: int, i_decay: Ints, v_decay: Ints, limit: int) -> bool:
    """Whether the state of neurons fits 32 bits, whatever 16 bits drive them."""
    return _bounded(steps, int(i_decay.min()), int(v_decay.min()), limit)


@cache
def _bounded(steps: int, i_decay: int, v_decay: int, limit: int) -> bool:
    return bounded(LARGEST, steps, np.array([i_decay]), np.array([v_decay]), limit)


def _often(count: int, shape: Shape, rows: int) -> bool:
    """Whether a layer's inputs spike so often in so many rows, or its outputs are so few, that a
    product is quicker.
    """
    return count > most_backward(shape[1]) * shape[0] * rows


def _enter(picture: Picture, source: Source, numbers: Ints, room: Floats, means: Floats) -> Floats:
    """The input layer on each code: its voltages (T, K). Writes their trains and means (2, K)."""
    steps, kinds, first = int(numbers[tasks.STEPS]), len(picture.values), int(numbers[tasks.TRAINS])
    trains, fires = (
        room[: steps * kinds].reshape(steps, kinds),
        passes.view(room, numbers[tasks.FIRES] - first, kinds, np.bool_),
    )
    passes.view(room, numbers[tasks.EVERY] - first, kinds, np.bool_)[:] = True
    voltage = np.empty((steps, kinds), np.float32)
    i_keep, v_keep = (np.int32(DECAY_SCALE - int(decay[0])) for decay in source.neurons[:2])
    neuron = i_keep, v_keep, np.int32(source.neurons.limit)
    trains_of(picture.values, source.weight, source.bias, *neuron, trains, voltage, means, fires)
    return voltage


def _leave(ran: Run) -> Normed:
    """Gradients for weight and bias of the input layer, given those of the trains."""
    (steps, kinds), (weight, bias, neurons) = ran.reached.shape, ran.source
    count, first = (
        len(parts(len(ran.output), 1, AT_ONCE)),
        ran.numbers[tasks.FOR_TRAINS] - ran.numbers[tasks.TRAINS],
    )
    of_trains = passes.view(ran.rooms[0], first, count * kinds * steps, np.float64).reshape(
        count, steps, kinds
    )
    given = (
        *(np.float32(_left(decay)) for decay in neurons[:2]),
        *map(np.float32, _surrogate(neurons)),
    )
    return through_trains(of_trains, ran.picture.values, weight, bias, *given, ran.reached)  # type: ignore[call-arg]
