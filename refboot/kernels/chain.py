"""Dense layers in a rate mode, one behind the other, on still pictures: a pass through all of them in one call.

A step in rates takes a millisecond; a call from Python for each kernel took as long again. What is computed is what the kernels of
`weight`, `coded_rates`, `pwl` and `synapse` compute one by one, to the rounding of the sums; for the tasks of a plan see `together`.
Letters: N samples, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Floats, Ints
from refboot.kernels import passes, source, weight_tasks
from refboot.kernels import rate_tasks as tasks
from refboot.kernels.coded import Picture, encode
from refboot.kernels.coded_rates import gathered
from refboot.kernels.events import UNIT
from refboot.kernels.layout import FEW
from refboot.kernels.passes import Normed, Shape
from refboot.kernels.places import places
from refboot.kernels.pwl import pieces, pwl_backward
from refboot.kernels.tile import ROWS
from refboot.kernels.together import Going, Kinds, share
from refboot.kernels.vectors import LANES

# Kinds of tasks, and the works of each, one after the other: what one leaves the next finds in its cache.
FORWARD: Kinds = ((tasks.from_pictures, tasks.onward),)
BACKWARD: Kinds = ((tasks.back,),)
LEARNING: Kinds = (tasks.learn_pictures,), (tasks.learn,), (weight_tasks.finish,)
PICTURES, LEARN, FINISH = range(len(LEARNING))

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
    """What a forward pass leaves: `output` (N, O) of the last layer, and what `chain_backward` needs."""

    output: Floats
    picture: Picture
    entry: Entry
    layers: Sequence[Layer]
    drive: Floats  # z of each code (K,)
    rates: Floats
    held: list[list[Floats]]  # of each layer v (I, O), g and the curve
    room: Floats  # in which the rest of what the numbers tell of has its place
    told: Ints  # these numbers, of the pass (see weight_tasks and rate_tasks)
    numbers: Ints  # and of each layer


def chain_forward(x: Floats, entry: Entry, layers: Sequence[Layer]) -> Pass | None:
    """Still pictures x (N, I): the input layer on each code, then the others. Weights as in every bit, sums of float32 to their rounding.

    None where a weight may be NaN.
    """
    samples = len(x)
    weights, shapes, where, numbers, room = passes.placed([(layer.v, layer.g) for layer in layers], (samples,) * 3)
    with passes.WeightsGoing(shapes, numbers):
        picture, curves = encode(x), [_curve(layer.curve) for layer in layers]
        drive, rates = source.rates_of(picture.values, entry.weight, entry.bias, *_pieces(entry.curve))
        numbers[:, tasks.PIECES] = [0 if layer.curve is None else len(layer.curve.slopes) for layer in layers]
        numbers[:, tasks.CURVE : tasks.STEEP + 1] = places(curves)
        told = passes.numbers_of(picture, len(shapes))
        told[tasks.RATES] = places([[rates]])[0, 0]
    if passes.largest_sums(room, where).max() >= weight_tasks.ODD:
        return None
    share(FORWARD, passes.samples_plan(samples, ROWS, FEW), told, numbers.reshape(-1))
    output = _of_last(room, where, tasks.RATE, samples).copy()  # whoever keeps it does not keep the room
    return Pass(output, picture, entry, layers, drive, rates, [*weights, *curves], room, told, numbers)


def chain_backward(grad: Floats, ran: Pass) -> tuple[Normed, list[Normed]]:
    """Gradients for weight and bias (1,) of the input layer and each other one's v (O, I) and g (O,), given that of the output. float32."""
    samples, weights, told, numbers = len(grad), ran.held[: len(ran.layers)], ran.told.copy(), ran.numbers.copy()
    shapes, last = passes.shapes_of(weights), ran.layers[-1].curve
    where = passes.layout(shapes, (samples,) * 3)[0]
    given = grad if last is None else pwl_backward(grad, _of_last(ran.room, where, tasks.INPUT, samples), *last)
    given = np.ascontiguousarray(given)
    numbers[-1, tasks.GIVEN] = places([[given]])[0, 0]
    with Going(BACKWARD, passes.samples_plan(samples, ROWS, FEW), told, numbers.reshape(-1)):
        found, sums = passes.gradients_for(weights), np.empty((FEW, len(ran.rates) + 1, LANES))
        numbers[:, weight_tasks.GV : weight_tasks.GG + 1], told[tasks.FOR_RATES] = places(found), sums.ctypes.data
    share(LEARNING, weights_plan(shapes), told, numbers.reshape(-1))
    of_rates = gathered(sums[: len(passes.by_inputs(shapes[0]))], ran.picture.usual) * UNIT
    gd = pwl_backward(of_rates, ran.drive, *ran.entry.curve)
    return source.through_rates(gd, ran.picture.values, ran.entry.weight, ran.entry.bias), [(gv.T, gg) for gv, gg in found]


@cache
def weights_plan(shapes: tuple[Shape, ...]) -> np.ndarray:
    """All weights, by inputs, backward."""
    return passes.weights_last([LEARN if i else PICTURES for i in range(len(shapes))], FINISH, shapes)


def _of_last(room: Floats, where: Ints, column: int, samples: int) -> Floats:
    """What the last layer has there, (N, O)."""
    outputs = int(where[-1, weight_tasks.OUTPUTS])
    return passes.view(room, where[-1, column], samples * outputs).reshape(samples, outputs)


def _curve(curve: Pieces | None) -> list[Floats]:
    """Edges, bases and slopes of the pieces in one array, and scale and eps of the gradient, for gradients in units of the weights."""
    scale, eps = (1, 0) if curve is None else curve[2:]
    return [np.concatenate(_pieces(curve)), np.array([scale, eps], np.float32) * UNIT]


def _pieces(curve: Pieces | None) -> tuple[Floats, ...]:
    """Edges, bases and slopes of the pieces, none where there is no curve."""
    return (np.empty(0, np.float32),) * 3 if curve is None else pieces(curve.knots, curve.slopes)
