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

from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.chain_tasks import CODED, DENSE, FINISH, GIVE, LEARN, LENGTHS, QUANTISE, backward, enter, forward, leave
from refboot.kernels.coded import Picture
from refboot.kernels.coded_rates import gathered
from refboot.kernels.layout import FEW, SMALL
from refboot.kernels.pwl import pieces, pwl_backward
from refboot.kernels.tile import WIDTH
from refboot.kernels.together import Part, Task, parts, plan_of, share
from refboot.kernels.vectors import LANES

Arrays = tuple[Floats, ...]
Doubles = NDArray[np.float64]
Shape = tuple[int, int]


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
    v: Arrays
    g: Arrays
    length: Arrays
    q: Arrays
    z: Arrays
    a: Arrays
    curves: tuple[Arrays, Arrays, Arrays]


def chain_forward(picture: Picture, entry: Entry, layers: Sequence[Layer]) -> Pass:
    """The input layer on each code, the others on the `picture`. Weights as in every bit, sums of float32 to their rounding."""
    samples, v, g = len(picture.codes), tuple(np.ascontiguousarray(x.v.T) for x in layers), tuple(np.ascontiguousarray(x.g) for x in layers)
    drive, rates = enter(picture.values, entry.weight, entry.bias, *_pieces(entry.curve))
    q, length, totals = tuple(memory.empty(x.shape) for x in v), tuple(np.empty_like(x) for x in g), _totals(v)
    z, a = (tuple(np.empty((samples, len(x)), np.float32) for x in g) for _ in range(2))
    edges, bases, slopes = zip(*(_pieces(layer.curve) for layer in layers), strict=True)
    background, sums = rates[picture.usual], np.zeros((FEW, len(g[0])), np.float32)
    work = picture.codes, picture.usual, rates - background, background, sums, v, g, totals, length, q, z, a, edges, bases, slopes
    share(forward, forward_plan(samples, tuple(x.shape for x in v)), work)
    return Pass(a[-1], picture, entry, layers, drive, rates, v, g, length, q, z, a, (edges, bases, slopes))


def chain_backward(grad: Floats, ran: Pass) -> tuple[tuple[Floats, Floats], list[tuple[Floats, Floats]]]:
    """Gradients for weight and bias (1,) of the input layer and each other one's v (O, I) and g (O,), given that of the output. float32."""
    v, z, last, entry = ran.v, ran.z, ran.layers[-1].curve, ran.entry
    gv, gg, totals = tuple(memory.empty(x.shape) for x in v), tuple(np.empty_like(x) for x in ran.g), _totals(v)
    ga, gz = (tuple(np.empty_like(x) for x in z) for _ in range(2))
    gz[-1][...] = grad if last is None else pwl_backward(grad, z[-1], *last)
    steep = np.array([(1, 0) if x.curve is None else x.curve[2:] for x in ran.layers], np.float32)
    sums = np.zeros((FEW, len(ran.rates) + 1, LANES))
    given = ran.picture.codes, ran.picture.usual, ran.rates, ran.curves[0], ran.curves[2], steep
    work = *given, v, ran.g, ran.length, ran.q, z, ran.a, ga, gz, totals, gv, gg, sums
    share(backward, backward_plan(tuple(x.shape for x in v)), work)
    of_rates = gathered(sums, ran.picture.usual)
    gd = pwl_backward(of_rates, ran.drive, *entry.curve)
    return leave(gd, ran.picture.values, entry.weight, entry.bias), [(x.T, y) for x, y in zip(gv, gg, strict=True)]


@cache
def forward_plan(samples: int, shapes: tuple[Shape, ...]) -> np.ndarray:
    """The tasks of `chain_forward`: all weights, by inputs; then layer by layer, the first by samples, the others by outputs."""
    plan = []
    for kind in (LENGTHS, QUANTISE):
        plan += [Task(kind, i, *part, kind, kind - 1) for i, shape in enumerate(shapes) for part in _inputs(shape)]
    for i, (_, width) in enumerate(shapes):
        own = parts(width, WIDTH, FEW) if i else parts(samples, 1, FEW)
        plan += [Task(DENSE if i else CODED, i, *part, QUANTISE + i + 1, QUANTISE + i) for part in own]
    return plan_of(plan)


@cache
def backward_plan(shapes: tuple[Shape, ...]) -> np.ndarray:
    """The tasks of `chain_backward`, from the last layer on: what it gives to the one before, by its inputs, and its own gradients."""
    plan: list[Task] = []
    finish: list[Task] = []
    for i, shape in reversed([*enumerate(shapes)]):
        given, learned, finished = (len(shapes) * k + i for k in range(3))
        above = given + 1 if i + 1 < len(shapes) else -1
        if i:
            plan += [Task(GIVE, i, *part, given, above) for part in parts(shape[0], WIDTH, FEW)]
        plan += [Task(LEARN, i, *part, learned, above) for part in _inputs(shape)] + finish
        finish = [Task(FINISH, i, *part, finished, learned) for part in _inputs(shape)]
    return plan_of(plan + finish)


@cache
def _inputs(shape: Shape) -> list[Part]:
    """As layout.over_rows cuts it."""
    return parts(shape[0], 1, FEW if shape[0] * shape[1] >= SMALL else 1)


def _totals(v: Arrays) -> tuple[np.ndarray, ...]:
    """Room for a sum over each part of the inputs, for each output; float64."""
    return tuple(np.zeros((len(_inputs(x.shape)), x.shape[1])) for x in v)


def _pieces(curve: Pieces | None) -> Arrays:
    """Edges, bases and slopes of the pieces, none where there is no curve."""
    if curve is None:
        return tuple(np.empty(0, np.float32) for _ in range(3))
    return pieces(curve.knots, curve.slopes)
