"""Convolution and pooling of chapter 4, with their gradients, and the norms of chapter 9."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refboot.conformance.case import Case, Tolerance
from refboot.conformance.cases.ask import Draw, ask, f4, i8, ulps
from refboot.conformance.cases.rates import KNOTS, SLOPES

PLAIN = {"stride": i8(1, 1), "padding": i8(0, 0), "dilation": i8(1, 1)}


def cases() -> Iterator[Case]:
    """The questions of these parts."""
    yield from convolutions()
    yield from pools()
    yield from backwards()
    yield from norms()
    yield from norm_gradients()


def convolutions() -> Iterator[Case]:
    """Convolutions over spikes."""
    draw = Draw(81)
    x, weight = draw.spikes(2, 4, 7, 6, 3), draw.grid(6, 4, 3, 2)

    def case(name: str, clauses: str, **change: Any) -> Case:
        given: dict[str, Any] = {"x": x, "weight": weight, "groups": 1} | PLAIN | change
        return ask(f"conv-{name}", "conv_forward", clauses, **given)

    yield case("plain", "SYN-7 SYN-8")
    yield case("stride", "SYN-7 SYN-8", stride=i8(2, 1))
    yield case("padding", "SYN-7 SYN-8", padding=i8(0, 2))
    yield case("dilation", "SYN-7 SYN-8", dilation=i8(2, 3))
    yield case("all", "SYN-7 SYN-8", stride=i8(3, 2), padding=i8(2, 1), dilation=i8(1, 2))
    yield case("groups", "SYN-9", groups=2, weight=draw.grid(6, 2, 3, 2))
    yield case("each-channel-alone", "SYN-9", groups=4, weight=draw.grid(8, 1, 3, 2))
    yield case("one-pixel", "SYN-7", weight=draw.grid(3, 4, 1, 1), x=x[..., :1])
    window: dict[str, Any] = {"groups": 1} | PLAIN
    yield ask(
        "conv-synapse",
        "conv_synapse",
        "SYN-4 SYN-7",
        x=x,
        v=draw.real(5, 4, 2, 2, low=-4.5, high=4.5),
        **window,
    )
    small = draw.real(5, 4, 8, 2)
    yield ask(
        "refused-kernel-too-large", "conv_synapse", "SYN-8", reject="shape", x=x, v=small, **window
    )
    yield ask(
        "refused-groups",
        "conv_synapse",
        "SYN-9",
        reject="range",
        x=x,
        v=draw.real(5, 2, 2, 2),
        **(window | {"groups": 2}),
    )
    yield ask(
        "refused-channels",
        "conv_synapse",
        "SYN-7",
        reject="shape",
        x=x,
        v=draw.real(5, 3, 2, 2),
        **window,
    )


def pools() -> Iterator[Case]:
    """Pooling over spikes."""
    x = Draw(82).spikes(2, 3, 6, 4, 3, rate=0.5)
    weight: dict[str, Any] = {
        "weight": np.full((2, 2), 1.25, np.float32),
        "padding": i8(0, 0),
        "dilation": i8(1, 1),
    }
    yield ask("pool-plain", "pool_forward", "SYN-10", x=x, stride=i8(2, 2), **weight)
    yield ask("pool-overlapping", "pool_forward", "SYN-10", x=x, stride=i8(1, 2), **weight)
    yield ask(
        "pool-rest", "pool_synapse", "SYN-10", x=x[:, :, :5], kernel=i8(2, 3), weight_scale=1.0
    )
    yield ask("pool-rest-of-two", "pool_synapse", "SYN-10", x=x, kernel=i8(4, 3), weight_scale=1.0)
    yield ask(
        "pool-quantised", "pool_synapse", "SYN-10 NUM-2", x=x, kernel=i8(2, 2), weight_scale=1.29
    )


def backwards() -> Iterator[Case]:
    """Back through both."""
    draw = Draw(83)
    x = draw.real(2, 4, 7, 6, 3, low=0)

    def case(name: str, size: tuple[int, int], **change: Any) -> Case:
        given: dict[str, Any] = (
            {"x": x, "weight": draw.grid(6, 4, 3, 2), "groups": 1} | PLAIN | change
        )
        return ask(
            f"conv-back-{name}",
            "conv_backward",
            "GRD-10",
            ulps(64),
            grad=draw.real(2, 6, *size, 3),
            **given,
        )

    yield case("plain", (5, 5))
    yield case("all", (3, 3), stride=i8(3, 2), padding=i8(2, 1), dilation=i8(1, 2))
    yield case("groups", (5, 5), groups=2, weight=draw.grid(6, 2, 3, 2))
    pool: dict[str, Any] = {
        "weight": np.full((2, 3), 0.75, np.float32),
        "padding": i8(0, 0),
        "dilation": i8(1, 1),
        "size": i8(5, 4),
    }
    yield ask(
        "pool-back",
        "pool_backward",
        "GRD-11",
        ulps(8),
        grad=draw.real(2, 3, 3, 2, 3),
        stride=i8(2, 3),
        **pool,
    )
    overlapping = draw.real(2, 3, 5, 4, 3)
    yield ask(
        "pool-back-overlapping",
        "pool_backward",
        "GRD-11",
        ulps(8),
        grad=overlapping,
        stride=i8(1, 1),
        **pool,
    )


def norms() -> Iterator[Case]:
    """Norms in training and evaluation."""
    draw = Draw(84)
    x = draw.whole(3, 4, 5, low=-200, high=300).astype(np.float32) / np.float32(64)
    plan: dict[str, Any] = {
        "x": x,
        "running_mean": draw.real(4),
        "running_var": f4([0.7]),
        "momentum": 0.1,
    }

    def case(name: str, clauses: str, scaled: bool, training: bool, **change: Any) -> Case:
        return ask(
            f"norm-{name}",
            "batch_norm",
            clauses,
            ulps(4),
            **(plan | {"scaled": scaled, "training": training} | change),
        )

    yield case("training", "NRM-1 NRM-2", False, True)
    yield case("clipped-mean", "NRM-1", False, True, x=x + np.float32(8))
    yield case("evaluation", "NRM-3", False, False)
    yield case("scaled-training", "NRM-5 NRM-2", True, True)
    yield case("scaled-evaluation", "NRM-5", True, False)
    yield case("scaled-wide", "NRM-5 NRM-6", True, True, x=x * np.float32(16))
    yield case("momentum", "NRM-2", True, True, momentum=0.5)
    for i, variance in enumerate((0.0, 1e-5, 0.24, 0.9, 1.0, 3.99998, 4.0, 17.0, 1e9)):
        yield ask(f"norm-exponent-{i}", "norm_exponent", "NRM-6", variance=f4([variance]))
    yield ask("norm-statistics", "norm_statistics", "NRM-1 NRM-5", ulps(2), x=x)
    yield ask(
        "exchange-norm-bias",
        "exchange_norm",
        "NRM-11",
        running_mean=f4(0.19, -0.5, 9, -9, 0.046875),
    )


def norm_gradients() -> Iterator[Case]:
    """Back through norms, and norms in their layers."""
    draw = Draw(85)
    x = draw.whole(3, 4, 5, low=-200, high=300).astype(np.float32) / np.float32(64)
    x[:, 3] += 8
    grad = draw.real(3, 4, 5)
    for name, scaled, training in (
        ("training", False, True),
        ("evaluation", False, False),
        ("scaled", True, True),
    ):
        clauses = "NRM-7" if scaled else "NRM-4"
        yield ask(
            f"norm-back-{name}",
            "batch_norm_backward",
            clauses,
            ulps(8),
            grad=grad,
            x=x,
            scaled=scaled,
            training=training,
        )
    spikes, v = draw.spikes(3, 6, 8, rate=0.5), draw.real(4, 6, low=-1, high=2)
    for name, scaled in (("plain", False), ("scaled", True)):
        neuron: dict[str, Any] = {"threshold": 1.25, "voltage_decay": 0.03, "scaled": scaled}
        yield ask(
            f"normed-sample-{name}",
            "normed_sample",
            "NRM-8",
            Tolerance("ulps", 4),
            x=spikes,
            v=v,
            **neuron,
        )
        rates: dict[str, Any] = {"knots": KNOTS, "slopes": SLOPES, "scaled": scaled}
        yield ask(
            f"normed-rates-{name}",
            "normed_rates",
            "NRM-8",
            ulps(32),
            x=draw.real(3, 6, 1, low=0),
            v=v,
            **rates,
        )
