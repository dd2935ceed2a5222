"""Neurons, synapses and blocks on plain arrays. A forward pass returns its output and a function
that is its backward pass.

Letters: N samples, C neurons, I inputs, O outputs, T steps; float32, state int64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refboot import arrays, reference
from refboot.conformance.definition import rates
from refboot.errors import RangeError
from refboot.reference import modes, numbers, spike
from refboot.reference.modes import Mode

Array = np.ndarray
Pair = tuple[int, int]
Backward = Callable[[Array], tuple[Array, ...]]
Forward = Callable[[Array], tuple[Array, Backward]]
NONE = np.zeros(0, np.float32)


class Cell(NamedTuple):
    """A neuron's numbers: mantissas of threshold and decays (1,), the surrogate's constants, and
    the decays as they are stored, 4096 times the fraction, float32 (1,).
    """

    mantissa: int
    i_decay: Array
    v_decay: Array
    tau: float
    scale: float
    decays: tuple[Array, Array]


def cell(
    threshold: float,
    current_decay: float,
    voltage_decay: float,
    tau_grad: float = 1,
    scale_grad: float = 1,
) -> Cell:
    """NUM-4, NUM-5, SPK-5, LIF-12: a neuron's numbers; raises RangeError, TypeMismatchError."""
    mantissa = numbers.threshold_mantissa(
        arrays.number("threshold", threshold, 0, 2**20, above=True)
    )
    if not mantissa:
        raise RangeError("threshold", threshold, "at least 1/64")
    current, voltage = (
        np.array([4096 * arrays.number("a decay", decay, 0, 1)], np.float32)
        for decay in (current_decay, voltage_decay)
    )
    i_decay, v_decay = map(numbers.decay_mantissa, (current, voltage))
    constants = spike.surrogate_constants(mantissa / 64, tau_grad, scale_grad)
    return Cell(mantissa, i_decay, v_decay, *constants, (current, voltage))


def rest(z: Array) -> Array:
    """LIF-8: the state at the start, zero."""
    return np.zeros(z.shape[:-1], np.int64)


def check_state(z: Array, u: Array, v: Array) -> None:
    """LIF-10: raise RangeError if T^2 (|z| + |u| + |v|) may reach 2^39, in real units."""
    sizes = [float(np.abs(part).max(initial=0)) for part in (z, u / 4096, v / 4096)]
    if not sum(sizes) < 2.0**39 / z.shape[-1] ** 2:
        raise RangeError("the weighted input (with the state)", sum(sizes), "below 2^39 / T^2")


def neuron_forward(
    z: Array, threshold: float, current_decay: float, voltage_decay: float, graded: bool, calls: int
) -> Array:
    """LIF-4, LIF-8: spikes for z, run in `calls` equal pieces of time; the state is carried over.

    Raises RangeError, TypeMismatchError.
    """
    of = cell(threshold, current_decay, voltage_decay)
    arrays.floats("z", z)
    u, v = rest(z), rest(z)
    found = []
    for piece in np.split(z, calls, axis=-1):
        check_state(piece, u, v)
        if graded:
            currents, u = reference.leaky_forward(numbers.to_state(piece), of.i_decay, u)
            voltages, v = reference.leaky_forward(currents, of.v_decay, v, 64 * of.mantissa)
            s = reference.graded_forward(voltages, 64 * of.mantissa)
        else:
            s, _, u, v = reference.cuba_forward(
                piece, of.i_decay, of.v_decay, 64 * of.mantissa, u, v
            )
        found.append(s)
    return np.concatenate(found, axis=-1)


def neuron_backward(
    grad: Array,
    z: Array,
    threshold: float,
    current_decay: float,
    voltage_decay: float,
    tau_grad: float,
    scale_grad: float,
    graded: bool,
) -> tuple[Array, Array, Array]:
    """GRD-1, GRD-4: gradients with respect to z and the stored decays, (1,) each, from rest."""
    of = cell(threshold, current_decay, voltage_decay, tau_grad, scale_grad)
    currents, _ = reference.leaky_forward(numbers.to_state(z), of.i_decay, rest(z))
    voltages, _ = reference.leaky_forward(currents, of.v_decay, rest(z), 64 * of.mantissa)
    fire_back = reference.graded_backward if graded else reference.spike_backward
    real = numbers.to_real(voltages)
    gu = reference.leaky_backward(
        fire_back(grad, real, of.mantissa / 64, of.tau, of.scale), of.v_decay
    )
    gz = reference.leaky_backward(gu, of.i_decay)
    return (
        gz,
        reference.leaky_decay_backward(gz, currents, True),
        reference.leaky_decay_backward(gu, voltages, True),
    )


def spikes(
    z: Array, of: Cell, shift: bool, kept: Array | None = None, p: float = 0
) -> tuple[Array, Backward]:
    """MOD-1: neuron, dropout and delay shift; backward gives the gradient with respect to z."""
    s, voltage, _, _ = reference.cuba_forward(
        z, of.i_decay, of.v_decay, 64 * of.mantissa, rest(z), rest(z)
    )
    s = s if kept is None else rates.dropout_forward(s, kept, p, True)

    def backward(grad: Array) -> tuple[Array, ...]:
        grad = modes.delay_backward(grad) if shift else grad
        grad = grad if kept is None else rates.dropout_backward(grad, kept, p)
        threshold = of.mantissa / 64
        gz = reference.cuba_backward(
            grad, voltage, of.i_decay, of.v_decay, threshold, of.tau, of.scale
        )
        return (gz,)

    return modes.delay_forward(s) if shift else s, backward


def analog(
    z: Array, knots: Array | None, slopes: Array | None, kept: Array | None = None, p: float = 0
) -> tuple[Array, Backward]:
    """MOD-4: curve and dropout on one step; backward gives the gradient with respect to z."""
    a = rates.curve_forward(z, knots, slopes)

    def backward(grad: Array) -> tuple[Array, ...]:
        assert knots is not None and slopes is not None  # noqa: PT018 - there was a forward pass
        grad = grad if kept is None else rates.dropout_backward(grad, kept, p)
        return (rates.curve_backward(grad, z, knots, slopes),)

    return a if kept is None else rates.dropout_forward(a, kept, p, True), backward


def full_weight(v: Array, g: Array | None, mask: Array | None = None) -> Array:
    """SYN-4, SYN-5: the weight before it is quantised, of v and, with weight norm, g."""
    w = v if g is None else reference.weight_norm_forward(v, g)
    return w if mask is None else w * mask


def quantised(weight: Array) -> Array:
    """SYN-4: the weight as it is used."""
    return reference.quantize_8bit(weight)


def dense(x: Array, v: Array, g: Array | None, mask: Array | None = None) -> tuple[Array, Backward]:
    """SYN-1, GRD-6: the dense synapse; backward gives the gradients with respect to x, v and g.

    That of g is empty without weight norm. Raises RangeError, ShapeError.
    """
    arrays.floats("x", x, ("N", v.shape[1], "T"))
    full = full_weight(v, g, mask)
    used = quantised(full)

    def backward(grad: Array) -> tuple[Array, ...]:
        gx, gw = reference.dense_backward(grad, x, used)
        gw = reference.quantize_8bit_backward(gw, full)
        gw = gw if mask is None else gw * mask
        return (gx, gw, NONE) if g is None else (gx, *reference.weight_norm_backward(gw, v, g))

    return reference.dense_forward(x, used), backward


def scalar(x: Array, weight: float | None, bias: float | None) -> tuple[Array, Backward]:
    """SYN-6, GRD-9: the input synapse; backward gives the gradients of x, weight and bias.

    A gradient is empty if its scalar is None. Raises RangeError.
    """
    arrays.floats("x", x)
    given = [None if value is None else np.array([value], np.float32) for value in (weight, bias)]
    used = [
        np.array([missing], np.float32) if value is None else quantised(value)
        for value, missing in zip(given, (1, 0), strict=True)
    ]
    qx = reference.quantize_8bit(x)

    def backward(grad: Array) -> tuple[Array, ...]:
        gx, *others = reference.input_backward(grad, qx, used[0])
        return reference.quantize_8bit_backward(gx, x), *(
            NONE if value is None else reference.quantize_8bit_backward(g, value)
            for g, value in zip(others, given, strict=True)
        )

    return reference.input_forward(qx, *used), backward


def layer(x: Array, mode: str, synapse: Forward, activate: Forward) -> tuple[Array, Backward]:
    """MOD-1, MOD-4, MOD-12, MOD-15: synapse, then `activate`, on T steps or on their mean.

    Backward gives x's gradient first, then the synapse's others.
    """
    count, bridged = x.shape[-1], not Mode[mode].spiking
    z, synapse_back = synapse(modes.mean_rate_forward(x) if bridged else x)
    y, back = activate(z)

    def backward(grad: Array) -> tuple[Array, ...]:
        gx, *others = synapse_back(*back(grad))
        return (modes.mean_rate_backward(gx, count) if bridged else gx, *others)

    return y, backward


def dense_block(
    mode: str, x: Array, grad: Array, v: Array, g: Array | None, *rest: object
) -> tuple[Array, ...]:
    """MOD-1, MOD-4: output of a dense block, and the gradients with respect to x, v, g.

    `rest` is knots, slopes, threshold, decays, delay shift, kept, p.
    """
    knots, slopes, threshold, i, w, shift, kept, p = rest
    of = cell(threshold, i, w)  # type: ignore[arg-type]

    def activate(z: Array) -> tuple[Array, Backward]:
        if Mode[mode].spiking:
            return spikes(z, of, shift, kept, p)  # type: ignore[arg-type]
        return analog(z, knots, slopes, kept, p)  # type: ignore[arg-type]

    y, backward = layer(x, mode, lambda x: dense(x, v, g), activate)
    return y, *backward(grad)


def dense_sample(x: Array, v: Array, g: Array | None, *rest: object) -> tuple[Array, ...]:
    """MOD-2, SAM-1: output of a dense block in SAMPLE mode, and the points (z, a) it notes.

    `rest` is threshold, decays, delay shift, kept, p.
    """
    threshold, i, w, shift, kept, p = rest
    of = cell(threshold, i, w)  # type: ignore[arg-type]
    z, _ = dense(x, v, g)
    y, _ = spikes(z, of, shift, kept, p)  # type: ignore[arg-type]
    return y, *rates.sample_points(z, spikes(z, of, False)[0])


def input_block(
    mode: str, x: Array, grad: Array, weight: float | None, bias: float | None, *rest: object
) -> tuple[Array, ...]:
    """SYN-6 in the modes: output of an input block, and gradients for x, weight and bias.

    `rest` is knots, slopes, threshold, decays, delay shift.
    """
    knots, slopes, threshold, i, w, shift = rest
    of = cell(threshold, i, w)  # type: ignore[arg-type]

    def activate(z: Array) -> tuple[Array, Backward]:
        if Mode[mode].spiking:
            return spikes(z, of, shift)  # type: ignore[arg-type]
        return analog(z, knots, slopes)  # type: ignore[arg-type]

    y, backward = layer(x, mode, lambda x: scalar(x, weight, bias), activate)
    return y, *backward(grad)


def affine_block(mode: str, x: Array, grad: Array, v: Array, g: Array | None) -> tuple[Array, ...]:
    """MOD-5: output of the read-out in `mode`, and the gradients with respect to x, v, g."""
    y, backward = layer(x, mode, lambda x: dense(x, v, g), lambda z: (z, lambda grad: (grad,)))
    return y, *backward(grad)
