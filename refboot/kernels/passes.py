"""The whole numbers that tell the tasks of a pass through layers what there is to do, and the
memory in which their arrays have places.

Columns are those of weight_tasks and of the tasks that follow it. Letters: I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels import memory
from refboot.kernels import weight_tasks as tasks
from refboot.kernels.events import LARGEST, UNIT, Rows
from refboot.kernels.layout import FEW, SMALL
from refboot.kernels.places import places
from refboot.kernels.together import Going, Kinds, Part, Task, parts, plan_of

LINE = memory.LINE // 4  # numbers of 32 bits
WEIGHTS: Kinds = (tasks.lengths,), (tasks.quantise,)
OWN = tasks.OWN_PLACES + 1  # the first column of a chain's own places

Shape = tuple[int, int]
Normed = tuple[Floats, Floats]  # v (O, I) and g (O,)


def numbers_of(samples: int, pixels: int, layers: int) -> Ints:
    """The numbers of a pass, the place of its codes and what a chain has of its own left open."""
    numbers = np.zeros(tasks.HEAD, np.int64)
    numbers[: tasks.CODES] = samples, pixels, layers, tasks.along.address
    return numbers


def shapes_of(held: list[list[Floats]]) -> tuple[Shape, ...]:
    """(I, O) of each layer."""
    return tuple(v.shape for v, *_ in held)


def gradients_for(held: list[list[Floats]]) -> list[list[Floats]]:
    """Room for the gradients of v (I, O) and g of each layer."""
    return [[memory.empty(v.shape), np.empty_like(g)] for v, g in held]


def starts(sizes: Sequence[int]) -> list[int]:
    """Where arrays of so many numbers of 32 bits begin, one behind the other, each in a line of the
    cache, and where the last ends.
    """
    return [0, *accumulate(size + -size % LINE for size in sizes)]


@cache
def layout(shapes: tuple[Shape, ...], own: tuple[int, ...], counts: int = 0) -> tuple[Ints, int]:
    """The numbers of layers, weights and gradients left open, with places in bytes from the
    beginning of one array, and how many numbers of
    32 bits that holds. Behind those of weight_tasks and one more are places of `own` numbers for
    each output, then of `counts` int64."""
    layers, sizes, last = np.zeros((len(shapes), tasks.KNOWN), np.int64), [], len(shapes) - 1
    turned_width = getattr(tasks.turned_width, "py_func", tasks.turned_width)
    for i, (inputs, outputs) in enumerate(shapes):
        width = outputs if i < last else outputs + -outputs % tasks.WIDE
        layers[i, : tasks.V] = (
            inputs,
            outputs,
            width,
            len(as_normed(shapes[i])),
            len(by_inputs(shapes[i])),
        )
        sizes += [
            outputs,
            inputs * width // 4 + 1,
            outputs * turned_width(inputs) // 4,
            2 * FEW * outputs,
            2 * FEW * outputs,
        ]
        sizes += [max(size * width, LINE) for size in own]
    *begun, most, count, size = starts((*sizes, 2 * FEW * len(shapes), 2 * counts * len(shapes)))
    first, each, end = (
        4 * np.array(begun).reshape(len(shapes), -1),
        8 * np.arange(len(shapes)),
        OWN + len(own),
    )
    layers[:, tasks.LENGTH : tasks.MOST], layers[:, OWN:end] = (
        first[:, : -len(own)],
        first[:, -len(own) :],
    )
    layers[:, tasks.MOST], layers[:, end] = 4 * most + FEW * each, 4 * count + counts * each
    return layers, size


class Placed(NamedTuple):
    """Weights as they lie in memory, v (I, O) and g of each layer, and their shapes; the numbers of
    layers as `layout` gives them, and with
    places in memory, gradients left open; and the array in which all but the weights has its
    place."""

    held: list[list[Floats]]
    shapes: tuple[Shape, ...]
    where: Ints
    layers: Ints
    room: Floats


def placed(weights: Sequence[Normed], own: tuple[int, ...], counts: int = 0) -> Placed:
    """See `layout` for what a chain has of its own."""
    held = [[np.ascontiguousarray(v.T), np.ascontiguousarray(g)] for v, g in weights]
    shapes = shapes_of(held)
    where, size = layout(shapes, own, counts)
    layers, room = where.copy(), room_of(size)
    base = places([[room]])[0, 0]
    layers[:, tasks.LENGTH : tasks.OWN_PLACES] += base
    layers[:, OWN:] += base
    layers[:, tasks.V : tasks.G + 1] = places(held)
    layers[0, tasks.TURNED] = 0  # nothing asks for the gradient of its inputs
    largest_sums(room, where)[...] = 0
    return Placed(held, shapes, where, layers, room)


def room_of(size: int) -> Floats:
    """Memory for so many numbers of 32 bits that begins in a line of the cache: else threads that
    work beside each other share lines.
    """
    room = memory.empty((size + LINE,))
    first = -int(places([[room]])[0, 0]) // 4 % LINE
    return room[first : first + size]


def view(room: Floats, place: int, count: int, kind: Any = np.float32) -> np.ndarray:
    """So many numbers at a place, in bytes from the beginning of the room."""
    return room.view(np.uint8)[place : place + count * np.dtype(kind).itemsize].view(kind)


def largest_sums(room: Floats, where: Ints) -> np.ndarray:
    """Of each layer and part the largest sum of the sizes of an output's weights, in steps of their
    grid (L, FEW).
    """
    return view(room, where[0, tasks.MOST], len(where) * FEW, np.int64).reshape(-1, FEW)


def fit_16_bits(room: Floats, where: Ints) -> bool:
    """Whether there are quantised weights, and no sum of any of an output's can leave 16 bits, in
    steps of their grid.
    """
    bounds = largest_sums(room, where).sum(
        axis=1
    )  # the largest in each part need not be of one output
    return all(
        bool(bound * UNIT < LARGEST) or _fits(room, own, bound)
        for bound, own in zip(bounds.tolist(), where, strict=True)
    )


def _fits(room: Floats, own: Ints, bound: int) -> bool:
    inputs, width = int(own[tasks.INPUTS]), int(own[tasks.WIDTH])
    sizes = np.abs(
        view(room, own[tasks.BYTES], inputs * width, np.int8)
        .reshape(inputs, width)
        .astype(np.int64)
    ).sum(axis=0)
    return bool(bound < tasks.ODD and sizes.max() * UNIT < LARGEST)


@cache
def _weights_plan(shapes: tuple[Shape, ...]) -> np.ndarray:
    return plan_of(lengths(shapes) + as_bytes(shapes))


def lengths(shapes: tuple[Shape, ...]) -> list[Task]:
    """The tasks for the lengths of all weights, the first of WEIGHTS."""
    return [
        Task(0, i, *part, "lengths", None)
        for i, shape in enumerate(shapes)
        for part in as_normed(shape)
    ]


def as_bytes(shapes: tuple[Shape, ...]) -> list[Task]:
    """Those that make bytes of them, the second: stage "weights"."""
    return [
        Task(1, i, *part, "weights", "lengths")
        for i, shape in enumerate(shapes)
        for part in by_inputs(shape)
    ]


def learned(kind: int, i: int, shape: Shape) -> list[Task]:
    """The tasks that learn the weight of layer i, by inputs, once there are the gradients "given"
    for that layer.
    """
    return [Task(kind, i, *part, ("learned", i), ("given", i)) for part in by_inputs(shape)]


def finished(kind: int, i: int, shape: Shape) -> list[Task]:
    """Those that finish it."""
    return [Task(kind, i, *part, "finished", ("learned", i)) for part in by_inputs(shape)]


def as_normed(shape: Shape) -> list[Part]:
    """Parts of the inputs of a weight as layout.over_rows cuts it: so the sums have the same
    bits.
    """
    return parts(shape[0], 1, FEW if shape[0] * shape[1] >= SMALL else 1)


def by_inputs(shape: Shape) -> list[Part]:
    """Parts of the inputs of a weight, for all else."""
    return parts(shape[0], 1, FEW)


class NormedRows(Going):
    """normed_8bit of each weight as bytes, as events.rows_of gives them, made while what is in the
    `with` block is done: `found` behind it,
    or nothing, where a weight gives none."""

    def __init__(self, weights: Sequence[Normed]) -> None:
        self.weights, self.found = placed(weights, (1,)), list[Rows]()
        self.weights.layers[:, tasks.TURNED] = 0
        told = np.zeros(tasks.HEAD, np.int64), self.weights.layers.reshape(-1)
        super().__init__(WEIGHTS, _weights_plan(self.weights.shapes), *told, patience=0)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        room, where = self.weights.room, self.weights.where
        if error[0] is None and fit_16_bits(room, where):
            self.found += [_rows(room, of_layer) for of_layer in where]


def _rows(room: Floats, own: Ints) -> Rows:
    inputs, outputs, width, _, count = own[: tasks.V].tolist()
    each = view(room, own[tasks.BYTES], inputs * width, np.int8).reshape(inputs, width)
    totals = view(room, own[tasks.TOTALS], count * outputs, np.int64).reshape(count, outputs)
    return Rows(each[:, :outputs], totals.sum(axis=0).astype(np.int16))
