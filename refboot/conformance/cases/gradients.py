"""Chapter 8, and the gradients of chapters 3 to 7."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refboot.conformance.case import Case, Tolerance
from refboot.conformance.cases.ask import Draw, ask, f4, i8, ulps
from refboot.conformance.cases.neuron import DECAYS
from refboot.conformance.cases.rates import KNOTS, SLOPES


def cases() -> Iterator[Case]:
    """The questions of this chapter."""
    yield from straight_through()
    yield from surrogates()
    yield from leaks()
    yield from neurons()
    yield from weights()
    yield from inputs()
    yield from curves()
    yield from shapes()


def straight_through() -> Iterator[Case]:
    """Rounding passes the gradient, the clip does not."""
    edges = f4(
        127.4, 127.5, 127.6, 128, 200, 127, -128, -128.4, -128.5, -128.6, -129, -300, 0.5, 0
    ) / np.float32(32)
    yield ask("straight-edges", "quantize_8bit_backward", "GRD-5", grad=Draw(41).real(14), x=edges)
    yield ask(
        "straight-random",
        "quantize_8bit_backward",
        "GRD-5",
        grad=Draw(42).real(100),
        x=Draw(43).real(100, low=-5, high=5),
    )


def surrogates() -> Iterator[Case]:
    """The smooth stand-ins for the spike."""
    draw = Draw(44)
    for name, threshold, tau, scale in (
        ("tutorial", 1.25, 125.0, 0.1),
        ("narrow", 1.25, 0.5, 3.0),
        ("large", 100.0, 25.0, 0.1),
    ):
        voltage = draw.real(2, 3, 9, low=-2 * threshold, high=3 * threshold)
        voltage[0, 0, :3] = threshold, np.nextafter(np.float32(threshold), np.float32(0)), 0
        inputs: dict[str, Any] = {
            "grad": draw.real(2, 3, 9),
            "voltage": voltage,
            "threshold": threshold,
            "tau": tau,
            "scale": scale,
        }
        yield ask(f"surrogate-{name}", "spike_backward", "SPK-6", ulps(4), **inputs)
        yield ask(f"surrogate-graded-{name}", "graded_backward", "SPK-7", ulps(4), **inputs)


def leaks() -> Iterator[Case]:
    """Back through the integrator, and to its decays."""
    draw = Draw(45)
    grad, y = draw.real(2, 6, 12), draw.whole(2, 6, 12, low=-6000, high=8000)
    yield ask("leaky-back", "leaky_backward", "GRD-2 GRD-3 GRD-15", grad=grad, decay=i8([123]))
    yield ask("leaky-back-channels", "leaky_backward", "GRD-2 LIF-3", grad=grad, decay=DECAYS)
    yield ask("leaky-back-one-step", "leaky_backward", "GRD-2", grad=grad[..., :1], decay=DECAYS)
    grad, y = draw.real(2, 6, 12, low=-0.2), draw.whole(2, 6, 12, low=-2000, high=8000)
    yield ask("decay-gradient", "leaky_decay_backward", "GRD-4", ulps(8), gx=grad, y=y, shared=True)
    yield ask(
        "decay-gradient-channels",
        "leaky_decay_backward",
        "GRD-4",
        ulps(8),
        gx=grad,
        y=y,
        shared=False,
    )
    yield ask(
        "decay-gradient-one-step",
        "leaky_decay_backward",
        "GRD-4",
        ulps(8),
        gx=grad[..., :1],
        y=y[..., :1],
        shared=True,
    )


def neurons() -> Iterator[Case]:
    """Back through the neuron."""
    draw = Draw(46)
    grad, z = draw.real(2, 6, 16), draw.real(2, 6, 16, low=-0.6, high=1.6)
    back: dict[str, Any] = {
        "grad": grad,
        "voltage": draw.real(2, 6, 16, low=-1, high=3),
        "threshold": 1.25,
        "tau": 0.7,
        "scale": 1.0,
    }
    yield ask(
        "cuba-back",
        "cuba_backward",
        "GRD-1 GRD-3",
        ulps(8),
        i_decay=i8([1024]),
        v_decay=i8([123]),
        **back,
    )
    yield ask(
        "cuba-back-channels",
        "cuba_backward",
        "GRD-1",
        ulps(8),
        i_decay=DECAYS,
        v_decay=DECAYS[::-1].copy(),
        **back,
    )
    yield ask(
        "cuba-back-full-decay",
        "cuba_backward",
        "GRD-1",
        ulps(8),
        i_decay=i8([4096]),
        v_decay=i8([4096]),
        **back,
    )
    tutorial: dict[str, Any] = {
        "threshold": 1.25,
        "current_decay": 1.0,
        "voltage_decay": 0.03,
        "tau_grad": 0.03,
        "scale_grad": 3.0,
        "graded": False,
    }

    def case(name: str, clauses: str, **change: Any) -> Case:
        return ask(
            f"neuron-back-{name}",
            "neuron_backward",
            clauses,
            ulps(64),
            **({"grad": grad, "z": z} | tutorial | change),
        )

    yield case("tutorial", "GRD-1 SPK-5 GRD-16", tau_grad=0.03, scale_grad=3.0)
    yield case("plain", "GRD-1 SPK-5", tau_grad=1.0, scale_grad=1.0)
    yield case("cut-threshold", "SPK-5 NUM-4", threshold=0.515, tau_grad=0.003)
    yield case("narrow", "GRD-1 GRD-3 GRD-4", current_decay=0.25, tau_grad=0.002, scale_grad=1.0)
    yield case("graded", "SPK-7 GRD-4", current_decay=0.25, tau_grad=0.002, graded=True)


def weights() -> Iterator[Case]:
    """Back through the dense synapse, its norm and its mask."""
    draw = Draw(47)
    x, weight, grad = draw.real(3, 10, 4, low=0), draw.grid(6, 10), draw.real(3, 6, 4)
    yield ask("dense-back", "dense_backward", "GRD-6", ulps(16), grad=grad, x=x, weight=weight)
    yield ask(
        "dense-back-one-step",
        "dense_backward",
        "GRD-6",
        ulps(16),
        grad=grad[..., :1],
        x=x[..., :1],
        weight=weight,
    )
    v, g, gw = draw.real(6, 10), draw.real(6, low=-3, high=3), draw.real(6, 10)
    yield ask("weight-norm-back", "weight_norm_backward", "GRD-7", ulps(16), grad=gw, v=v, g=g)
    still = v * f4([1, 0, 1, 1, 0, 1])[:, None]
    yield ask(
        "weight-norm-back-zero-row",
        "weight_norm_backward",
        "GRD-7",
        ulps(16),
        grad=gw,
        v=still,
        g=g,
    )
    near = Tolerance("absolute", 1e-6)  # the gradient for v is zero, a difference of equals
    yield ask(
        "weight-norm-back-one-input",
        "weight_norm_backward",
        "GRD-7",
        near,
        grad=gw[:, :1],
        v=v[:, :1].copy(),
        g=g,
    )
    wide = (v * 6).astype(np.float32)
    synapse: dict[str, Any] = {"grad": grad, "x": x, "mask": None}
    yield ask(
        "synapse-back-clipped",
        "dense_synapse_backward",
        "GRD-5 GRD-6",
        ulps(16),
        v=wide,
        g=None,
        **synapse,
    )
    yield ask(
        "synapse-back-norm", "dense_synapse_backward", "GRD-5 GRD-7", ulps(16), v=v, g=g, **synapse
    )
    yield ask(
        "synapse-back-norm-clipped",
        "dense_synapse_backward",
        "GRD-5 GRD-7",
        ulps(16),
        v=v,
        g=g * 6,
        **synapse,
    )
    masked: dict[str, Any] = synapse | {
        "mask": draw.real(6, 10, low=0, high=2) * draw.spikes(6, 10, rate=0.5)
    }
    yield ask(
        "synapse-back-mask", "dense_synapse_backward", "GRD-8", ulps(16), v=wide, g=None, **masked
    )
    yield ask(
        "synapse-back-norm-mask",
        "dense_synapse_backward",
        "GRD-7 GRD-8",
        ulps(16),
        v=v,
        g=g,
        **masked,
    )


def inputs() -> Iterator[Case]:
    """Back through the input layer."""
    draw = Draw(48)
    grad, x = draw.real(2, 7, 3), draw.real(2, 7, 3)
    yield ask(
        "input-back-sums",
        "input_backward",
        "GRD-9",
        ulps(16),
        grad=grad,
        x=draw.grid(2, 7, 3),
        weight=f4([1.375]),
    )
    for name, weight, bias in (
        ("both", 1.37, 0.171),
        ("no-bias", 1.37, None),
        ("no-weight", None, 0.171),
        ("clipped", 5.0, -5.0),
    ):
        yield ask(
            f"input-back-{name}",
            "input_synapse_backward",
            "GRD-9 GRD-5",
            ulps(16),
            grad=grad,
            x=x,
            weight=weight,
            bias=bias,
        )
    yield ask(
        "input-back-wide",
        "input_synapse_backward",
        "GRD-9 GRD-5",
        ulps(16),
        grad=grad,
        x=x * 6,
        weight=1.0,
        bias=0.0,
    )


def curves() -> Iterator[Case]:
    """Back through the curve."""
    at = f4(KNOTS[:, 0])
    beside = np.concatenate(
        [at, np.nextafter(at, np.float32(9)), np.nextafter(at, np.float32(-9)), f4(-9, 9, 3e38)]
    )
    grad = Draw(49).real(len(beside))
    curve: dict[str, Any] = {"knots": KNOTS, "slopes": SLOPES}
    yield ask(
        "curve-back-knots",
        "pwl_backward",
        "ACT-4 ACT-6 ACT-1",
        grad=grad,
        z=beside,
        scale=1.75,
        eps=1e-5,
        **curve,
    )
    yield ask(
        "curve-back-other-eps",
        "pwl_backward",
        "ACT-4 ACT-6",
        grad=grad,
        z=beside,
        scale=0.5,
        eps=0.25,
        **curve,
    )
    yield ask("curve-back", "curve_backward", "ACT-4 ACT-5 ACT-6", grad=grad, z=beside, **curve)
    left = np.array([[-3.0, 0.0], [-2.0, 0.3], [-0.5, 0.8]]), np.array([0.3, 1 / 3])
    yield ask(
        "curve-back-left",
        "curve_backward",
        "ACT-5",
        grad=grad[:4],
        z=f4(-2.5, -1, -4, 0),
        knots=left[0],
        slopes=left[1],
    )
    zero = np.array([[-1.0, 0.0], [0.0, 1.0]])
    yield ask(
        "curve-back-zero",
        "curve_backward",
        "ACT-5",
        grad=grad[:3],
        z=f4(-0.5, -2, 0),
        knots=zero,
        slopes=np.array([1.0]),
    )


def shapes() -> Iterator[Case]:
    """Back through what only moves or shares."""
    draw = Draw(50)
    one, many = draw.real(2, 4, 1), draw.real(2, 4, 7)
    yield ask("bridge-back", "mean_rate_backward", "GRD-12", grad=one, steps=7)
    yield ask("bridge-back-one", "mean_rate_backward", "GRD-12", grad=one, steps=1)
    yield ask("delay-back", "delay_backward", "GRD-13", grad=many)
    yield ask("delay-back-one-step", "delay_backward", "GRD-13", grad=one)
    yield ask(
        "dropout-back",
        "dropout_backward",
        "GRD-14",
        grad=many,
        kept=draw.spikes(2, 4, rate=0.6),
        p=0.3,
    )
