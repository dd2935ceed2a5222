"""Chapters 2 and 3: the leaky integrator, the neuron and its spikes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refboot.conformance.case import Case
from refboot.conformance.cases.ask import Draw, ask, f4, i8

DECAYS = i8(0, 1, 123, 2048, 4095, 4096)
STATE = 4096


def cases() -> Iterator[Case]:
    """The questions of these chapters."""
    yield from leaky()
    yield from spikes()
    yield from cuba()
    yield from neurons()
    yield from refused()


def zeros(*shape: int) -> np.ndarray:
    """A state at rest."""
    return np.zeros(shape, np.int64)


def leaky() -> Iterator[Case]:
    """The integrator alone, without a threshold and with one."""
    draw, run, step = Draw(11), "LIF-2", "LIF-1 LIF-2 NUM-8"
    drive = draw.whole(2, 6, 12, low=-5000, high=5000)
    start = draw.whole(2, 6, low=-9000, high=9000)
    yield ask(
        "leaky-shared",
        "leaky_forward",
        f"{step} LIF-3",
        drive=drive,
        decay=i8([123]),
        state=zeros(2, 6),
        threshold=None,
    )
    yield ask(
        "leaky-channels",
        "leaky_forward",
        f"{step} LIF-3",
        drive=drive,
        decay=DECAYS,
        state=start,
        threshold=None,
    )
    yield ask(
        "leaky-reset",
        "leaky_forward",
        f"{step} LIF-3 LIF-6",
        drive=drive,
        decay=DECAYS,
        state=start,
        threshold=5120,
    )
    yield ask(
        "leaky-one-step",
        "leaky_forward",
        step,
        drive=drive[..., :1],
        decay=DECAYS,
        state=start,
        threshold=5120,
    )
    hit = i8([[[5120, 0, 1, 5119, 1, 1], [-5120, 0, 10241, 5120, 5121, 0]]])
    yield ask(
        "leaky-at-threshold",
        "leaky_forward",
        f"{run} LIF-5 LIF-6",
        drive=hit,
        decay=i8([0]),
        state=zeros(1, 2),
        threshold=5120,
    )
    minus = i8([[[-1, 0, 0, 0], [-4097, 0, 0, 0], [4097, 0, 0, 0]]])
    yield ask(
        "leaky-negative",
        "leaky_forward",
        step,
        drive=minus,
        decay=i8([1]),
        state=zeros(1, 3),
        threshold=None,
    )
    far = i8([[2**19, -(2**19), 2**30 + 1, -(2**45) - 4095]])
    wide = "LIF-1 LIF-10"
    yield ask(
        "leaky-wide",
        "leaky_forward",
        wide,
        drive=zeros(1, 4, 5),
        decay=i8([123]),
        state=far,
        threshold=None,
    )


def spikes() -> Iterator[Case]:
    """Around the threshold, small and large."""
    for threshold in (1, 64, 5120, 64 * STATE, 100 * STATE, 4096 * STATE):
        around = threshold + i8(
            [[[-threshold - 5000, -2 * threshold - 1, -2, -1, 0, 1, 2, threshold]]]
        )
        clauses = "SPK-1 LIF-5" + (" SPK-3" if threshold >= 64 * STATE else "")
        yield ask(
            f"spike-{threshold}", "spike_forward", clauses, voltage=around, threshold=threshold
        )
        yield ask(
            f"graded-{threshold}",
            "graded_forward",
            clauses.replace("SPK-1", "SPK-2"),
            voltage=around,
            threshold=threshold,
        )


def cuba() -> Iterator[Case]:
    """The neuron on integer parameters."""
    draw = Draw(12)
    z, rest = draw.real(2, 6, 16, low=-0.6, high=1.2), zeros(2, 6)
    shared: dict[str, Any] = {
        "i_decay": i8([1024]),
        "v_decay": i8([123]),
        "threshold": 5120,
        "u": rest,
        "v": rest,
    }

    def case(name: str, clauses: str, **change: Any) -> Case:
        return ask(
            f"cuba-{name}", "cuba_forward", f"LIF-4 {clauses}", **({"z": z} | shared | change)
        )

    yield case("random", "LIF-7")
    yield case("channels", "LIF-3", i_decay=DECAYS, v_decay=DECAYS[::-1].copy())
    start = {
        "u": draw.whole(2, 6, low=-6000, high=6000),
        "v": draw.whole(2, 6, low=-6000, high=5120),
    }
    yield case("carried", "LIF-8", **start)
    yield case("one-step", "LIF-7 LIF-8", z=z[..., :1], **start)
    yield case("full-current-decay", "LIF-9", i_decay=i8([4096]))
    yield case("full-voltage-decay", "LIF-4", v_decay=i8([4096]))
    yield case(
        "no-decay",
        "LIF-6",
        i_decay=i8([0]),
        v_decay=i8([0]),
        z=draw.real(2, 6, 16, low=-0.1, high=0.2),
    )
    yield case("silent", "LIF-4", z=-np.abs(z))
    yield case("every-step", "LIF-6", z=np.abs(z) + 2, i_decay=i8([4096]))
    flat = f4([[[1.25] * 4, [1.25 + 1 / 4096] * 4, [0.625] * 4, [-1.25, 2.5, 1.25, 0]]])
    at: dict[str, Any] = {
        "i_decay": i8([4096]),
        "v_decay": i8([0]),
        "u": zeros(1, 4),
        "v": zeros(1, 4),
    }
    yield case("at-threshold", "LIF-5 LIF-6", z=flat, **at)
    impulse = f4(
        [[[0, 3, 0, 0, 0, 0], [0, 0, 1.3, 0, 0, 0], [2.6, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1.3]]]
    )
    yield case(
        "impulse",
        "LIF-7",
        z=impulse,
        i_decay=i8([2048]),
        v_decay=i8([123]),
        u=zeros(1, 4),
        v=zeros(1, 4),
    )
    for threshold in (64, 100, 1000):
        exact = f4(
            [
                [
                    [threshold] * 3,
                    [threshold + 1 / 64] * 3,
                    [threshold / 2] * 3,
                    [threshold - 1 / 64] * 3,
                ]
            ]
        )
        yield case(
            f"threshold-{threshold}",
            "LIF-5 SPK-3",
            z=exact,
            **(at | {"threshold": threshold * STATE}),
        )


def neurons() -> Iterator[Case]:
    """The neuron on real parameters, its state carried from call to call."""
    z = Draw(13).real(2, 5, 16, low=-0.6, high=1.4)
    tutorial: dict[str, Any] = {
        "threshold": 1.25,
        "current_decay": 1.0,
        "voltage_decay": 0.03,
        "graded": False,
        "calls": 1,
    }

    def case(name: str, clauses: str, **change: Any) -> Case:
        return ask(f"neuron-{name}", "neuron_forward", clauses, **({"z": z} | tutorial | change))

    yield case("tutorial", "LIF-4 NUM-4 NUM-5")
    yield case(
        "cut-threshold",
        "NUM-4",
        threshold=0.515,
        voltage_decay=0.0,
        z=f4([[[0.5, 0.25, 0.2578125, 0.51, 0.0, 0.50025]]]),
    )
    yield case("rounded-decays", "NUM-5", current_decay=0.2999, voltage_decay=0.0999, threshold=2.0)
    yield case(
        "decays-of-half-a-step",
        "NUM-5",
        current_decay=2.5 / 4096,
        voltage_decay=0.5 / 4096,
        threshold=100.0,
        z=z * 20,
    )
    beside = {"current_decay": (0.5 + 1e-9) / 4096, "voltage_decay": (1.5 - 1e-9) / 4096}
    yield case("decays-beside-half-a-step", "NUM-5", graded=True, z=z * 20, **beside)
    yield case("two-calls", "LIF-8", current_decay=0.1, voltage_decay=0.05, calls=2)
    yield case("sixteen-calls", "LIF-8", current_decay=0.1, voltage_decay=0.05, calls=16)
    yield case("graded", "SPK-2", current_decay=0.25, graded=True)
    yield case("graded-two-calls", "SPK-2 LIF-8", current_decay=0.25, graded=True, calls=2)
    yield case("saturated", "LIF-6", z=np.abs(z) + 3)
    yield case("smallest-threshold", "NUM-4 LIF-5", threshold=1 / 64, z=z / 64)
    yield case(
        "near-overflow",
        "LIF-10",
        threshold=2.0**20,
        voltage_decay=0.0,
        z=f4([[[2.0**35, -(2.0**35), 2.0**34], [-(2.0**35), 0, 1]]]),
    )
    yield case(
        "large-threshold",
        "SPK-3 NUM-4",
        threshold=70.01,
        voltage_decay=0.0,
        z=f4([[[70, 0, 1 / 64, 35, 35, 70.015]]]),
    )


def refused() -> Iterator[Case]:
    """Parameters and inputs that must be rejected."""
    good: dict[str, Any] = {
        "z": f4([[[0.5, 1.0]]]),
        "threshold": 1.25,
        "current_decay": 0.5,
        "voltage_decay": 0.03,
        "graded": False,
        "calls": 1,
    }

    def case(name: str, clause: str, **change: Any) -> Case:
        return ask(f"refused-{name}", "neuron_forward", clause, reject="range", **(good | change))

    yield case("threshold-zero", "LIF-12", threshold=0.0)
    yield case("threshold-negative", "LIF-12", threshold=-1.25)
    yield case("threshold-below-grid", "LIF-12", threshold=0.0156)
    yield case("current-decay-negative", "LIF-12", current_decay=-0.01)
    yield case("current-decay-above-one", "LIF-12", current_decay=1.01)
    yield case("voltage-decay-negative", "LIF-12", voltage_decay=-0.01)
    yield case("voltage-decay-above-one", "LIF-12", voltage_decay=1.01)
    yield case("overflow", "LIF-10", z=f4([[[2.0**37, 0.0]]]))
    yield case("overflow-by-length", "LIF-10", z=np.full((1, 1, 64), 2.0**27, np.float32))
