"""Dense layers in a rate mode, one behind the other, on still pictures: a pass through all of them
in one call.

A step in rates takes a millisecond; a call from Python for each kernel took as long again. What is
computed is what the kernels of `weight`, `coded_rates`, `pwl` and `synapse` compute one by one, to
the rounding of the sums; for the tasks of a plan see `together`. Letters: N samples, I inputs, O
outputs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Floats, Ints
from refboot.kernels import entry_tasks, passes, weight_tasks
from refboot.kernels import rate_tasks as tasks
from refboot.kernels.events import UNIT
from refboot.kernels.layout import FEW
from refboot.kernels.passes import Normed, Shape
from refboot.kernels.places import places
from refboot.kernels.pwl import pieces, pwl_backward
from refboot.kernels.tile import ROWS
from refboot.kernels.together import Kinds, Task, parts, plan_of, share
from refboot.kernels.vectors import LANES

# Kinds of tasks, and the works of each, one after the other: what one leaves the next finds in its
# cache.
FORWARD: Kinds = (
    *passes.WEIGHTS,
    (entry_tasks.look_at,),
    (entry_tasks.enter,),
    (tasks.from_pictures,),
    (tasks.onward,),
    (tasks.outward,),
)
LOOK, ENTER, PICTURES, ONWARD, OUTWARD = range(len(passes.WEIGHTS), len(FORWARD))
BACKWARD: Kinds = (
    (tasks.back,),
    (tasks.learn_pictures,),
    (entry_tasks.leave,),
    (tasks.learn,),
    (weight_tasks.finish,),
)
BACK, LEARN_PICTURES, LEAVE, LEARN, FINISH = range(len(BACKWARD))

Doubles = NDArray[np.float64]


class Pieces(NamedTuple):
    """A curve of straight pieces, as pwl.pwl_backward takes it."""

    knots: Doubles
    slopes: Doubles
    scale: float
    eps: float


class Entry(NamedTuple):
    """The input layer: its weight and bias (1,), not quantised yet, and its curve."""

    weight: Floats
    bias: Floats
    curve: Pieces


class Layer(NamedTuple):
    """A normed 8-bit weight, v (O, I) and g (O,), and the curve behind it, if there is one."""

    v: Floats
    g: Floats
    curve: Pieces | None


class Pass(NamedTuple):
    """What a forward pass leaves: `output` (N, O) of the last layer, and what `chain_backward`
    needs.
    """

    output: Floats
    entry: Entry
    layers: Sequence[Layer]
    held: list[list[Floats]]  # of each layer v (I, O), g and the curve
    rooms: tuple[Floats, Floats]  # in which the rest of what the numbers tell of has its place
    told: Ints  # these numbers, of the pass (see weight_tasks and rate_tasks)
    numbers: Ints  # and of each layer, the input layer the last


def chain_forward(x: Floats, entry: Entry, layers: Sequence[Layer]) -> Pass | None:
    """Still pictures x (N, I): the input layer on each code, then the others. Weights as in every
    bit, sums of float32 to their rounding.

    None where a weight may be NaN.
    """
    samples, x = len(x), np.ascontiguousarray(x)
    weights, shapes, where, of_layers, room = passes.placed(
        [(layer.v, layer.g) for layer in layers], (samples,) * 4
    )
    told, entered, of_codes = _entered(x, len(layers))
    numbers = np.concatenate([of_layers, entered])
    given: list[Pieces | None] = [*(layer.curve for layer in layers), entry.curve]
    curves = [_curve(curve) for curve in given]
    numbers[:, tasks.PIECES] = [0 if curve is None else len(curve.slopes) for curve in given]
    numbers[:, tasks.CURVE : tasks.STEEP + 1] = places(curves)
    numbers[-1, weight_tasks.V : weight_tasks.G + 1] = places([[entry.weight, entry.bias]])[0]
    share(FORWARD, forward_plan(shapes, samples), told, numbers.reshape(-1))
    if passes.largest_sums(room, where).max() >= weight_tasks.ODD:
        return None
    output = _of_last(
        room, where, tasks.RATE, samples
    ).copy()  # whoever keeps it does not keep the room
    return Pass(output, entry, layers, [*weights, *curves], (room, of_codes), told, numbers)


def chain_backward(grad: Floats, ran: Pass) -> tuple[Normed, list[Normed]]:
    """Gradients for weight and bias (1,) of the input layer and each other one's v (O, I) and g
    (O,), given that of the output. float32.
    """
    samples, weights, numbers = len(grad), ran.held[: len(ran.layers)], ran.numbers.copy()
    shapes, last = passes.shapes_of(weights), ran.layers[-1].curve
    where = passes.layout(shapes, (samples,) * 4)[0]
    given = (
        grad
        if last is None
        else pwl_backward(grad, _of_last(ran.rooms[0], where, tasks.INPUT, samples), *last)
    )
    given, entered = np.ascontiguousarray(given), [np.empty(1, np.float32), np.empty(1, np.float32)]
    found = passes.gradients_for(weights)
    numbers[-2, tasks.GIVEN] = places([[given]])[0, 0]
    numbers[:, weight_tasks.GV : weight_tasks.GG + 1] = places([*found, entered])
    share(BACKWARD, backward_plan(shapes, samples), ran.told, numbers.reshape(-1))
    return (entered[0], entered[1]), [(gv.T, gg) for gv, gg in found]


def _entered(x: Floats, layers: int) -> tuple[Ints, Ints, Floats]:
    """The numbers of a pass, and of the input layer (1, KNOWN), those of curve, weight and
    gradients left open; the array they tell of.
    """
    begun, size = _layout(len(x), x.shape[1])
    told, own, room = (
        passes.numbers_of(len(x), x.shape[1], layers),
        np.zeros((1, weight_tasks.KNOWN), np.int64),
        passes.room_of(size),
    )
    base, told[tasks.X] = places([[room]])[0, 0], x.ctypes.data
    told[weight_tasks.CODES : tasks.X], own[0, tasks.INPUT], own[0, tasks.RATE] = (
        base + begun[:-2],
        base + begun[-2],
        base + begun[-1],
    )
    return told, own, room


@cache
def _layout(samples: int, pixels: int) -> tuple[Ints, int]:
    """Where in one array codes, values and the rest begin, in bytes, and of how many numbers of 32
    bits that is.
    """
    whole = tasks.WHOLE
    sizes = (
        samples * pixels // 4 + 1,
        whole,
        whole // 4,
        FEW * whole // 4,
        2 * FEW * whole,
        4,
        2 * FEW * (whole + 1) * LANES,
        whole,
        whole,
    )
    *begun, size = passes.starts(sizes)
    return 4 * np.array(begun), size


@cache
def forward_plan(shapes: tuple[Shape, ...], samples: int) -> np.ndarray:
    """What pixels there are, and all weights; then layer after layer, of each both halves of its
    inputs, a few samples at a time.
    """
    last, some = len(shapes) - 1, parts(samples, ROWS, FEW)
    plan = [Task(LOOK, 0, *part, "looked", None) for part in some]
    plan += [
        *passes.lengths(shapes),
        Task(ENTER, 0, 0, 0, len(some), "weights", "looked"),
        *passes.as_bytes(shapes),
    ]
    for i in range(len(shapes)):
        plan += _halves(ONWARD if i else PICTURES, i, samples, i, i - 1 if i else "weights")
    return plan_of(plan + [Task(OUTWARD, last, *part, "", last) for part in some])


@cache
def backward_plan(shapes: tuple[Shape, ...], samples: int) -> np.ndarray:
    """From the last layer to the first: what the layer below is given, then the weight, so that
    nobody waits for what the other is at.
    """
    plan: list[Task] = []
    for i, shape in reversed([*enumerate(shapes)]):
        plan += _halves(BACK, i - 1, samples, ("given", i - 1), ("given", i)) if i else []
        plan += passes.learned(LEARN if i else LEARN_PICTURES, i, shape)
        plan += passes.finished(FINISH, i + 1, shapes[i + 1]) if i + 1 < len(shapes) else []
    return plan_of(
        [*plan, Task(LEAVE, 0, 0, 0, 0, "", ("learned", 0)), *passes.finished(FINISH, 0, shapes[0])]
    )


def _halves(kind: int, i: int, samples: int, stage: Hashable, after: Hashable) -> list[Task]:
    """Tasks on both halves of a layer's inputs or neurons, a few samples at a time."""
    return [
        Task(kind, i, half, low, high, stage, after)
        for half in (0, 1)
        for _, low, high in parts(samples, ROWS, FEW)
    ]


def _of_last(room: Floats, where: Ints, column: int, samples: int) -> Floats:
    """What the last layer has there, (N, O)."""
    outputs = int(where[-1, weight_tasks.OUTPUTS])
    return passes.view(room, where[-1, column], samples * outputs).reshape(samples, outputs)


def _curve(curve: Pieces | None) -> list[Floats]:
    """Edges, bases and slopes of the pieces in one array, and scale and eps of the gradient, for
    gradients in units of the weights.
    """
    scale, eps = (1, 0) if curve is None else curve[2:]
    return [np.concatenate(_pieces(curve)), np.array([scale, eps], np.float32) * UNIT]


def _pieces(curve: Pieces | None) -> tuple[Floats, ...]:
    """Edges, bases and slopes of the pieces, none where there is no curve."""
    return (np.empty(0, np.float32),) * 3 if curve is None else pieces(curve.knots, curve.slopes)
