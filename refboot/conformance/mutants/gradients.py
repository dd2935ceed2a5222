"""Mistakes in backward passes."""

from __future__ import annotations

import numpy as np

from refboot import reference
from refboot.conformance.definition import layers
from refboot.conformance.mutants.mutant import Mutant
from refboot.reference import leaky, modes, numbers, spike, synapse

Array = np.ndarray
quantize_backward, leaky_backward = numbers.quantize_8bit_backward, leaky.leaky_backward
spike_backward, decay_backward = spike.spike_backward, leaky.leaky_decay_backward
dense_backward, norm_backward, input_backward = (
    synapse.dense_backward,
    synapse.weight_norm_backward,
    synapse.input_backward,
)
dense = layers.dense


def unrounded_clip(grad: Array, x: Array) -> Array:
    """The clip decided before the rounding."""
    return np.where((x >= -4) & (x <= 3.96875), grad, 0)


def one_sided(grad: Array, voltage: Array, threshold: float, tau: float, scale: float) -> Array:
    """The surrogate without the absolute value."""
    return grad * scale / (2 * tau) * np.exp(-(voltage - threshold) / tau)


def box(grad: Array, voltage: Array, threshold: float, tau: float, scale: float) -> Array:
    """A rectangle as surrogate."""
    return grad * scale / (2 * tau) * (np.abs(voltage - threshold) < tau)


def sigmoid(grad: Array, voltage: Array, threshold: float, tau: float, scale: float) -> Array:
    """The derivative of a sigmoid as surrogate."""
    s = 1 / (1 + np.exp(-(voltage - threshold) / tau))
    return grad * scale / tau * s * (1 - s)


def squared(grad: Array, voltage: Array, threshold: float, tau: float, scale: float) -> Array:
    """A bell curve as surrogate."""
    return grad * scale / (2 * tau) * np.exp(-(((voltage - threshold) / tau) ** 2))


def stops_at_spikes(
    grad: Array,
    voltage: Array,
    i_decay: Array,
    v_decay: Array,
    threshold: float,
    tau: float,
    scale: float,
) -> Array:  # the reset multiplies the old voltage by zero
    """The gradient of the neuron with the reset taken into account."""
    gv = spike_backward(grad, voltage, threshold, tau, scale)
    keep = leaky.per_channel(1 - v_decay / 4096, grad.ndim - 1)
    later, gu = np.zeros_like(gv[..., 0]), np.empty_like(gv)
    for t in reversed(range(gv.shape[-1])):
        later = gv[..., t] + keep * later * (voltage[..., t] <= threshold)
        gu[..., t] = later
    return leaky_backward(gu, i_decay)


def one_step_leak(grad: Array, decay: Array) -> Array:
    """The leak's gradient over one step only."""
    keep = leaky.per_channel(1 - decay / 4096, grad.ndim - 1)[..., None]
    return grad + keep * modes.delay_backward(grad)


def no_leak(grad: Array, decay: Array) -> Array:
    """The leak's gradient within the step only."""
    return grad.copy()


def decay_of_this_step(gx: Array, y: Array, shared: bool) -> Array:
    """The decay's gradient with y[t] in place of y[t-1]."""
    return decay_backward(gx, np.concatenate([y[..., 1:], y[..., :1]], axis=-1), shared)


def averaged(grad: Array, x: Array, weight: Array) -> tuple[Array, Array]:
    """The weight's gradient averaged over samples."""
    gx, gw = dense_backward(grad, x, weight)
    return gx, gw / len(x)


def last_step(grad: Array, x: Array, weight: Array) -> tuple[Array, Array]:
    """The weight's gradient of the last step only."""
    return dense_backward(grad, x, weight)[0], dense_backward(grad[..., -1:], x[..., -1:], weight)[
        1
    ]


def norm_not_projected(grad: Array, v: Array, g: Array) -> tuple[Array, Array]:
    """The gradient for v with the length taken as a constant."""
    return grad * (g / synapse.row_norm(v))[:, None], norm_backward(grad, v, g)[1]


def g_not_normed(grad: Array, v: Array, g: Array) -> tuple[Array, Array]:
    """The gradient for g as <gw, v>, not divided by the length."""
    gv, gg = norm_backward(grad, v, g)
    return gv, gg * synapse.row_norm(v)


def dense_as(*, masked: bool = True, real_weight: bool = False):  # type: ignore[no-untyped-def]
    """The dense synapse with a backward pass that forgets the mask, or that goes through the
    unquantised weight.
    """

    def forward(
        x: Array, v: Array, g: Array | None, mask: Array | None = None
    ) -> tuple[Array, layers.Backward]:
        z, _ = dense(x, v, g, mask)
        full = layers.full_weight(v, g, mask)

        def backward(grad: Array) -> tuple[Array, ...]:
            gx, gw = dense_backward(grad, x, full if real_weight else reference.quantize_8bit(full))
            gw = quantize_backward(gw, full)
            gw = gw * mask if masked and mask is not None else gw
            return (gx, gw, layers.NONE) if g is None else (gx, *norm_backward(gw, v, g))

        return z, backward

    return forward


def input_of_real(grad: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """The input layer's weight gradient without x."""
    gx, _, gb = input_backward(grad, x, weight)
    return gx, gb, gb


def graded_as_spike(
    grad: Array, voltage: Array, threshold: float, tau: float, scale: float
) -> Array:
    """The graded spike's gradient with the spike's surrogate."""
    return spike_backward(grad, voltage, threshold, tau, scale)


def graded_straight(
    grad: Array, voltage: Array, threshold: float, tau: float, scale: float
) -> Array:
    """The graded spike's gradient as one above the threshold, zero below."""
    return grad * scale * (voltage > threshold)


MUTANTS = [
    Mutant(
        "straight-through missing",
        "GRD-5",
        "the gradient of rounding is zero",
        {"quantize_8bit_backward": lambda g, x: g * 0},
    ),
    Mutant(
        "clip gradient passed",
        "GRD-5",
        "clipped weights get a gradient",
        {"quantize_8bit_backward": lambda g, x: g},
    ),
    Mutant(
        "clip decided before rounding",
        "GRD-5",
        "the bounds are compared with the unrounded weight",
        {"quantize_8bit_backward": unrounded_clip},
    ),
    Mutant(
        "surrogate scale",
        "SPK-6",
        "not divided by 2 tau",
        {"spike_backward": lambda g, v, th, tau, c: 2 * tau * spike_backward(g, v, th, tau, c)},
    ),
    Mutant(
        "surrogate twice as high",
        "SPK-6",
        "divided by tau, not 2 tau",
        {"spike_backward": lambda g, v, th, tau, c: 2 * spike_backward(g, v, th, tau, c)},
    ),
    Mutant("surrogate abs missing", "SPK-6", "exp(-(v - th) / tau)", {"spike_backward": one_sided}),
    Mutant(
        "surrogate around zero",
        "SPK-6",
        "the threshold is not subtracted",
        {"spike_backward": lambda g, v, th, tau, c: spike_backward(g, v, 0.0, tau, c)},
    ),
    Mutant(
        "surrogate a rectangle",
        "SPK-6",
        "scale/(2 tau) within tau of the threshold",
        {"spike_backward": box},
    ),
    Mutant(
        "surrogate a sigmoid", "SPK-6", "the derivative of a sigmoid", {"spike_backward": sigmoid}
    ),
    Mutant("surrogate a bell", "SPK-6", "exp(-((v - th) / tau)^2)", {"spike_backward": squared}),
    Mutant(
        "surrogate of the reset voltage",
        "SPK-6",
        "spikes count as voltage zero",
        {
            "spike_backward": lambda g, v, th, tau, c: spike_backward(
                g, np.where(v > th, 0, v), th, tau, c
            )
        },
    ),
    Mutant(
        "graded gradient of a spike",
        "SPK-7",
        "the spike's surrogate",
        {"graded_backward": graded_as_spike},
    ),
    Mutant(
        "graded gradient without surrogate",
        "SPK-7",
        "zero below the threshold",
        {"graded_backward": graded_straight},
    ),
    Mutant(
        "gradient stops at the reset",
        "GRD-3",
        "the reset is differentiated",
        {"cuba_backward": stops_at_spikes},
    ),
    Mutant(
        "gradient of one leak step",
        "GRD-2",
        "no further back than one step",
        {"leaky_backward": one_step_leak},
    ),
    Mutant(
        "gradient without leak", "GRD-2", "nothing goes back in time", {"leaky_backward": no_leak}
    ),
    Mutant(
        "gradient keeps the decay",
        "GRD-2",
        "decay/4096 in place of 1 - decay/4096",
        {"leaky_backward": lambda g, d: leaky_backward(g, 4096 - d)},
    ),
    Mutant(
        "gradient forward in time",
        "GRD-2",
        "the recurrence runs from the first step",
        {"leaky_backward": lambda g, d: leaky_backward(g[..., ::-1], d)[..., ::-1].copy()},
    ),
    Mutant(
        "decay gradient uphill",
        "GRD-4",
        "-4096 times the derivative, as lava-dl has it",
        {"leaky_decay_backward": lambda g, y, s: -4096 * decay_backward(g, y, s)},
    ),
    Mutant(
        "decay gradient per fraction",
        "GRD-4",
        "the derivative for the decay, not for 4096 times it",
        {"leaky_decay_backward": lambda g, y, s: 4096 * decay_backward(g, y, s)},
    ),
    Mutant(
        "decay gradient of this step",
        "GRD-4",
        "y[t] in place of y[t-1]",
        {"leaky_decay_backward": decay_of_this_step},
    ),
    Mutant(
        "weight gradient averaged",
        "GRD-6",
        "divided by the number of samples",
        {"dense_backward": averaged},
    ),
    Mutant(
        "weight gradient of the last step",
        "GRD-6",
        "not summed over time",
        {"dense_backward": last_step},
    ),
    Mutant(
        "gradient through the unquantised weight",
        "GRD-6",
        "gx with w, not q(w)",
        {"dense": dense_as(real_weight=True)},
    ),
    Mutant(
        "mask not in the gradient",
        "GRD-8",
        "masked weights learn",
        {"dense": dense_as(masked=False)},
    ),
    Mutant(
        "weight norm's length a constant",
        "GRD-7",
        "gv without its projection",
        {"weight_norm_backward": norm_not_projected},
    ),
    Mutant(
        "weight norm's g gradient",
        "GRD-7",
        "<gw, v>, not divided by ||v||",
        {"weight_norm_backward": g_not_normed},
    ),
    Mutant(
        "input weight gradient", "GRD-9", "without the input", {"input_backward": input_of_real}
    ),
    Mutant(
        "input gradient",
        "GRD-9",
        "gx without the weight",
        {"input_backward": lambda g, x, w: (g, *input_backward(g, x, w)[1:])},
    ),
    Mutant(
        "bridge gradient not shared",
        "GRD-12",
        "each step gets all of it",
        {"mean_rate_backward": lambda g, steps: np.repeat(g, steps, axis=-1)},
    ),
    Mutant(
        "delay gradient not shifted",
        "GRD-13",
        "the gradient stays at its step",
        {"delay_backward": lambda g: g},
    ),
    Mutant(
        "delay gradient shifted forward",
        "GRD-13",
        "shifted as the spikes were",
        {"delay_backward": modes.delay_forward},
    ),
    Mutant(
        "dropout gradient not masked",
        "GRD-14",
        "dropped neurons learn",
        {"dropout_backward": lambda g, kept, p: g},
    ),
    Mutant(
        "dropout gradient not scaled",
        "GRD-14",
        "masked, not scaled",
        {"dropout_backward": lambda g, kept, p: g * kept[..., None]},
    ),
]
