"""Chapter 11: loss, optimisers, and short runs of training; and of chapter 12 what is numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from refboot.conformance.case import EXACT, Case, Tolerance
from refboot.conformance.cases.ask import Draw, ask, f4, i8, ulps

SIZE, BATCH, CLASSES = 8, 6, 3
TRACE = Tolerance("absolute", 1e-3)


def cases() -> Iterator[Case]:
    """The questions of these chapters."""
    yield from losses()
    yield from optimisers()
    yield from traces()
    yield from exchange()


def losses() -> Iterator[Case]:
    """The cross-entropy and its gradient."""
    draw = Draw(61)
    logits, labels = draw.real(5, 4, low=-3, high=3), i8([0, 3, 1, 1, 2])
    far = f4([[100, -100, 0], [-1000, 1000, 999], [0, 0, 0]])
    for name, x, y in (
        ("random", logits, labels),
        ("far", far, i8([0, 2, 1])),
        ("one", f4([[0.5, 0.5]]), i8([1])),
    ):
        yield ask(f"loss-{name}", "cross_entropy_forward", "TRN-1", ulps(8), logits=x, labels=y)
        yield ask(
            f"loss-checked-{name}", "cross_entropy", "TRN-1 TRN-2", ulps(8), logits=x, labels=y
        )
    softmax = f4([[0.25, 0.5, 0.25], [0, 0, 1], [0.125, 0.125, 0.75]])
    yield ask(
        "loss-back",
        "cross_entropy_backward",
        "TRN-2",
        ulps(4),
        softmax=softmax,
        labels=i8([1, 2, 0]),
    )
    refused = {
        "too-large": ("range", i8([0, 4, 1, 1, 2])),
        "negative": ("range", i8([0, -1, 1, 1, 2])),
        "few": ("shape", i8([0, 1])),
    }
    refused["broken"] = "dtype", f4(0, 1, 1.5, 2, 3)
    for name, (kind, wrong) in refused.items():
        yield ask(
            f"refused-labels-{name}",
            "cross_entropy",
            "TRN-14",
            reject=kind,
            logits=logits,
            labels=wrong,
        )
    yield ask(
        "refused-logits-nan",
        "cross_entropy",
        "NUM-9",
        reject="range",
        logits=logits * np.float32(np.nan),
        labels=labels,
    )
    yield ask(
        "predict", "predict", "TRN-13", logits=f4([[1, 2, 2], [3, 3, 3], [-1, -2, -3], [0, 0, 1]])
    )


def optimisers() -> Iterator[Case]:
    """Steps on one parameter, and its first values."""
    draw = Draw(62)
    p, grad, m, v = draw.real(12), draw.real(12), draw.real(12), draw.real(12, low=0)
    grad[:2] = 0, 1e-6
    zero = np.zeros(12, np.float32)
    yield ask("sgd", "sgd_step", "TRN-5", p=p, grad=grad, velocity=zero, lr=0.25, momentum=0.0)
    yield ask("sgd-momentum", "sgd_step", "TRN-5", p=p, grad=grad, velocity=m, lr=0.1, momentum=0.9)
    adam: dict[str, Any] = {
        "p": p,
        "grad": grad,
        "lr": 0.01,
        "beta1": 0.9,
        "beta2": 0.999,
        "eps": 1e-8,
    }
    yield ask("adam-first", "adam_step", "TRN-4", ulps(4), m=zero, v=zero, step=1, **adam)
    yield ask("adam-later", "adam_step", "TRN-4", ulps(4), m=m, v=v, step=7, **adam)
    yield ask(
        "adam-large-eps",
        "adam_step",
        "TRN-4",
        ulps(4),
        m=m,
        v=v,
        step=2,
        **(adam | {"eps": 0.5, "beta1": 0.5}),
    )
    small = f4(1.2e-38, -1.2e-38, 1.3e-37, 0)
    still: dict[str, Any] = {"p": p[:4], "grad": zero[:4], "m": small, "v": np.abs(small)}
    yield ask("adam-subnormal", "adam_step", "TRN-4", step=10**6, **(adam | still))
    yield ask(
        "initial-weight",
        "initial_weight",
        "TRN-7",
        ulps(4),
        uniform=draw.real(4, 9),
        weight_scale=2.0,
    )


def traces() -> Iterator[Case]:
    """Short runs: the modes, the losses, the gradients' lengths, and the spiking network in the
    end.
    """
    yield trace("sgd", "TRN-5 TRN-6 TRN-9 TRN-11 TRN-12 MOD-3 SAM-4 SYN-4", 71)
    yield trace("adam", "TRN-4 TRN-6 TRN-12 MOD-3", 72, optimizer="adam", lr=0.01)
    yield trace("hybrid", "TRN-12 MOD-10 MOD-11 MOD-12 GRD-12", 73, crossover_epochs=i8([1, 2]))
    yield trace("delayed", "TRN-12 MOD-7", 74, delay_shift=True)
    yield trace("all-spiking", "TRN-12 MOD-1", 75, num_sample_iter=8, sample_period=1)
    for name, seed, change in (
        ("sgd", 71, {}),
        ("adam", 72, {"optimizer": "adam", "lr": 0.01}),
        ("hybrid", 73, {"crossover_epochs": i8([1, 2])}),
    ):
        run = trace(name, "TRN-15 NUM-11 NUM-12", seed, **change)
        yield replace(run, id=f"state-{name}", op="training_state", tolerance=EXACT)


def trace(name: str, clauses: str, seed: int, **change: Any) -> Case:
    """A run of 3 epochs of 4 iterations, sampled in epochs 0 and 2."""
    draw, steps = Draw(seed), 12
    layers = {f"v{i}": draw.real(n, SIZE) for i, n in ((1, SIZE), (2, SIZE), (3, CLASSES))}
    lengths = {
        f"g{i}": draw.real(n, low=1, high=2.5) for i, n in ((1, SIZE), (2, SIZE), (3, CLASSES))
    }
    labels = draw.whole(steps, BATCH, low=0, high=CLASSES)
    x = draw.real(steps, BATCH, SIZE) * np.float32(0.5)
    x += (labels[..., None] == np.arange(SIZE) % CLASSES).astype(np.float32) * np.float32(0.75)
    plan: dict[str, Any] = {
        "iterations": 4,
        "num_sample_iter": 2,
        "sample_period": 2,
        "crossover_epochs": i8([]),
        "time_steps": 8,
    }
    neuron: dict[str, Any] = {
        "threshold": 1.25,
        "current_decay": 0.75,
        "voltage_decay": 0.1,
        "delay_shift": False,
    }
    rule: dict[str, Any] = {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9}
    scalars = {"weight": 1.37, "bias": 0.171}
    given = (
        {"x": x, "labels": labels, "permutations": orders(draw, 3)}
        | scalars
        | layers
        | lengths
        | plan
        | neuron
        | rule
    )
    return ask(f"trace-{name}", "training_trace", clauses, TRACE, **(given | change))


def orders(draw: Draw, layers: int) -> np.ndarray:
    """The permutations of two fits: of 2 batches, and of half of them with 2 more; -1 where the
    first is shorter.
    """
    points = [2 * BATCH * SIZE, 3 * BATCH * SIZE]
    found = np.full((2, layers, points[1]), -1, np.int64)
    for i, n in enumerate(points):
        for j in range(layers):
            found[i, j, :n] = draw.permutation(n)
    return found


def exchange() -> Iterator[Case]:
    """The integers of a network file, and stored curves."""
    draw = Draw(63)
    v, g = draw.real(4, 6), draw.real(4, low=-6, high=6)
    neuron: dict[str, Any] = {"threshold": 1.24, "current_decay": 0.25, "voltage_decay": 0.03}
    written = "NET-3 NET-4 NET-5 NUM-3"
    yield ask("exchange-dense", "exchange_dense", written, v=v * 5, g=None, **neuron)
    yield ask("exchange-norm", "exchange_dense", written, v=v, g=g, **neuron)
    yield ask("exchange-input", "exchange_input", "NET-6", weight=1.37, bias=-0.171)
    yield ask("exchange-input-clipped", "exchange_input", "NET-6", weight=9.0, bias=-9.0)
    pixels = draw.real(2, 5, 3, low=-1.5, high=1.5)
    pixels[0, 0] = 9, -9, 0.046875
    yield ask("input-drive", "input_drive", "NET-10", x=pixels, weight=88, bias=-22)
    mantissas = 2 * draw.whole(5, 30, low=-128, high=128)
    yield ask("exchange-drive", "integer_drive", "NET-9", s=draw.spikes(2, 30, 3), weight=mantissas)
    knots, slopes = np.array([[0.0, 0.0], [0.5, 0.25], [1.0, 0.875]]), np.array([0.5, 1.25])
    yield ask("curve-stored", "load_curve", "NET-16", knots=knots, slopes=slopes)
    wrong = {
        "falling": (knots[::-1].copy(), slopes),
        "slope-zero": (knots, np.array([0.5, 0.0])),
        "slope-missing": (knots, slopes[:1]),
        "nan": (np.where(knots == 0.25, np.nan, knots), slopes),
        "flat-at-zero": (knots * [1, 0], slopes),
    }
    for name, (k, s) in wrong.items():
        yield ask(
            f"refused-curve-{name}", "load_curve", "NET-16", reject="format", knots=k, slopes=s
        )
