"""Chapters 9 and 10: dropout, blocks in the four modes, the schedule and the hybrid bridge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refboot.conformance.case import Case
from refboot.conformance.cases.ask import Draw, ask, i8, ulps
from refboot.conformance.cases.rates import KNOTS, SLOPES

NEURON: dict[str, Any] = {
    "threshold": 1.25,
    "current_decay": 0.5,
    "voltage_decay": 0.03,
    "delay_shift": False,
}
CURVE: dict[str, Any] = {"knots": KNOTS, "slopes": SLOPES}
UNFITTED: dict[str, Any] = {"knots": None, "slopes": None}
WHOLE: dict[str, Any] = {"kept": None, "p": 0.0}


def cases() -> Iterator[Case]:
    """The questions of these chapters."""
    yield from small_steps()
    yield from dense_blocks()
    yield from sampling()
    yield from input_blocks()
    yield from affine_blocks()
    yield from schedules()


def small_steps() -> Iterator[Case]:
    """Dropout, delay, bridge and shapes alone."""
    draw = Draw(51)
    x, kept = draw.real(2, 4, 7), draw.spikes(2, 4, rate=0.6)
    yield ask("dropout", "dropout_forward", "NRM-9 NRM-10", x=x, kept=kept, p=0.3, training=True)
    yield ask(
        "dropout-evaluation", "dropout_forward", "NRM-10", x=x, kept=kept, p=0.3, training=False
    )
    yield ask("delay", "delay_forward", "MOD-7", x=x)
    yield ask("delay-one-step", "delay_forward", "MOD-7", x=x[..., :1])
    yield ask("bridge", "mean_rate", "MOD-12 TRN-3", ulps(4), x=x)
    yield ask("bridge-spikes", "mean_rate", "MOD-12 SPK-4", ulps(1), x=draw.spikes(2, 4, 16))
    yield ask("bridge-one-step", "mean_rate", "MOD-12", x=x[..., :1])
    yield ask("flatten", "flatten", "MOD-6", x=draw.real(2, 3, 2, 4, 5))
    yield ask("hold-spiking", "hold", "MOD-13", x=x[..., 0], steps=5, spiking=True)
    yield ask("hold-rates", "hold", "MOD-13", x=x[..., 0], steps=5, spiking=False)


def dense_blocks() -> Iterator[Case]:
    """The dense block: output and gradients."""
    draw = Draw(52)
    spikes, rates = draw.spikes(2, 8, 10), draw.real(2, 8, 1, low=0)
    v, g, one, ten = (
        draw.real(5, 8),
        draw.real(5, low=0.5, high=2.5),
        draw.real(2, 5, 1),
        draw.real(2, 5, 10),
    )

    def case(name: str, clauses: str, mode: str, **change: Any) -> Case:
        spiking = mode == "SNN"
        given: dict[str, Any] = {
            "x": spikes if spiking else rates,
            "grad": ten if spiking else one,
            "v": v,
            "g": g,
        }
        return ask(
            f"dense-{name}",
            "dense_block",
            clauses,
            ulps(32),
            mode=mode,
            **(given | NEURON | CURVE | WHOLE | change),
        )

    yield case("snn", "MOD-1 MOD-15", "SNN")
    yield case("snn-unfitted", "MOD-1", "SNN", **UNFITTED)
    yield case("snn-no-norm", "MOD-1 GRD-5", "SNN", v=v * 5, g=None)
    yield case("snn-delay", "MOD-1 MOD-7 GRD-13", "SNN", delay_shift=True)
    kept = {"kept": draw.spikes(2, 5, rate=0.5), "p": 0.5}
    yield case("snn-dropout", "MOD-1 NRM-9 GRD-14", "SNN", **kept)
    yield case("snn-dropout-delay", "MOD-1 MOD-7 NRM-9", "SNN", delay_shift=True, **kept)
    yield case("ann", "MOD-4 MOD-15", "ANN")
    yield case("ann-no-norm", "MOD-4 GRD-5", "ANN", v=v * 2, g=None)
    yield case("ann-delay", "MOD-7", "ANN", delay_shift=True)
    yield case("ann-dropout", "MOD-4 NRM-9 NRM-10", "ANN", **kept)
    yield case("ann-bridge", "MOD-12 GRD-12", "ANN", x=spikes)
    yield ask(
        "refused-unfitted",
        "dense_block",
        "MOD-14 ACT-7",
        reject="order",
        mode="ANN",
        x=rates,
        grad=one,
        v=v,
        g=g,
        **(NEURON | UNFITTED | WHOLE),
    )


def sampling() -> Iterator[Case]:
    """What a block's sampler takes, before dropout and delay."""
    draw = Draw(53)
    given: dict[str, Any] = {
        "x": draw.spikes(2, 8, 10, rate=0.5),
        "v": draw.real(5, 8),
        "g": draw.real(5, low=0.5, high=2.5),
    }

    def case(name: str, clauses: str, **change: Any) -> Case:
        return ask(
            f"sample-{name}", "dense_sample", clauses, ulps(4), **(given | NEURON | WHOLE | change)
        )

    yield case("plain", "MOD-2 SAM-1 SAM-2")
    yield case("delayed", "MOD-2 SAM-1", delay_shift=True)
    yield case("dropped", "MOD-2 SAM-1", kept=draw.spikes(2, 5, rate=0.5), p=0.5)


def input_blocks() -> Iterator[Case]:
    """The input block: output and gradients."""
    draw = Draw(54)
    still, one, ten = draw.real(2, 6, 1), draw.real(2, 6, 1), draw.real(2, 6, 10)

    def case(name: str, clauses: str, mode: str, **change: Any) -> Case:
        spiking = mode == "SNN"
        x, grad = np.repeat(still, 10, axis=-1) if spiking else still, ten if spiking else one
        given: dict[str, Any] = {"x": x, "grad": grad, "weight": 1.37, "bias": 0.171}
        return ask(
            f"input-{name}",
            "input_block",
            clauses,
            ulps(32),
            mode=mode,
            **(given | NEURON | CURVE | change),
        )

    yield case("snn", "SYN-6 MOD-1", "SNN")
    yield case("snn-bare", "SYN-6 MOD-1", "SNN", weight=None, bias=None)
    yield case("snn-delay", "MOD-7", "SNN", delay_shift=True)
    yield case("ann", "SYN-6 MOD-4", "ANN")
    yield case("ann-bridge", "SYN-6 MOD-12", "ANN", x=draw.real(2, 6, 10))


def affine_blocks() -> Iterator[Case]:
    """The read-out: its synapse alone in every mode."""
    draw = Draw(55)
    given: dict[str, Any] = {"v": draw.real(3, 8), "g": draw.real(3, low=0.5, high=2.5)}
    spikes, one, ten = draw.spikes(2, 8, 10), draw.real(2, 3, 1), draw.real(2, 3, 10)
    yield ask(
        "affine-snn",
        "affine_block",
        "MOD-5 SYN-1",
        ulps(32),
        mode="SNN",
        x=spikes,
        grad=ten,
        **given,
    )
    yield ask(
        "affine-sample",
        "affine_block",
        "MOD-5 SAM-6",
        ulps(32),
        mode="SAMPLE",
        x=spikes,
        grad=ten,
        **given,
    )
    yield ask(
        "affine-fit",
        "affine_block",
        "MOD-5 SAM-6",
        ulps(32),
        mode="FIT",
        x=draw.real(2, 8, 1, low=0),
        grad=one,
        **given,
    )
    yield ask(
        "affine-ann",
        "affine_block",
        "MOD-5",
        ulps(32),
        mode="ANN",
        x=draw.real(2, 8, 1, low=0),
        grad=one,
        **given,
    )
    yield ask(
        "affine-bridge",
        "affine_block",
        "MOD-5 MOD-12",
        ulps(32),
        mode="ANN",
        x=spikes,
        grad=one,
        **given,
    )


def schedules() -> Iterator[Case]:
    """Tables of modes by epoch and iteration."""
    epochs, iterations, train = (
        a.ravel().astype(np.int64) for a in np.meshgrid(range(7), range(5), range(2), indexing="ij")
    )

    def case(
        name: str,
        clauses: str,
        samples: int,
        period: int,
        crossover: list[int],
        order: np.ndarray | slice = slice(None),
    ) -> Case:
        asked: dict[str, Any] = {
            "epochs": epochs[order],
            "iterations": iterations[order],
            "train": train[order],
        }
        plan: dict[str, Any] = {
            "num_sample_iter": samples,
            "sample_period": period,
            "crossover_epochs": i8(crossover),
            "layers": 4,
        }
        return ask(f"schedule-{name}", "schedule", clauses, **plan, **asked)

    yield case("plain", "MOD-8 MOD-9 MOD-10", 3, 3, [])
    yield case("every-epoch", "MOD-8 MOD-9", 2, 1, [])
    yield case("no-samples", "MOD-8", 0, 3, [])
    yield case("crossover", "MOD-10 MOD-11", 2, 2, [1, 3, 4])
    yield case("crossover-from-the-start", "MOD-10 MOD-11", 2, 3, [0])
    yield case("crossover-twice-named", "MOD-11", 2, 3, [2, 2, 5])
    yield case("crossover-beyond-the-layers", "MOD-10", 2, 3, [0, 1, 2, 3, 4, 5])
    yield case("asked-in-any-order", "MOD-11", 2, 2, [1, 3, 4], Draw(56).permutation(len(epochs)))
    good: dict[str, Any] = {
        "num_sample_iter": 2,
        "sample_period": 2,
        "crossover_epochs": i8([]),
        "layers": 2,
    }
    asked: dict[str, Any] = {"epochs": i8([0]), "iterations": i8([0]), "train": i8([1])}
    yield ask(
        "refused-period-zero",
        "schedule",
        "MOD-8",
        reject="range",
        **(good | asked | {"sample_period": 0}),
    )
    yield ask(
        "refused-period-broken",
        "schedule",
        "MOD-8",
        reject="dtype",
        **(good | asked | {"sample_period": 2.5}),
    )
    yield ask(
        "refused-samples-negative",
        "schedule",
        "MOD-8",
        reject="range",
        **(good | asked | {"num_sample_iter": -1}),
    )
    yield ask(
        "refused-epoch-negative",
        "schedule",
        "MOD-8",
        reject="range",
        **(good | asked | {"epochs": i8([-1])}),
    )
    yield ask(
        "refused-crossover-negative",
        "schedule",
        "MOD-11",
        reject="range",
        **(good | asked | {"crossover_epochs": i8([-1])}),
    )
