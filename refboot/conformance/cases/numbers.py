"""Chapter 1: numbers and how they land on the grids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refboot.conformance.case import Case
from refboot.conformance.cases.ask import Draw, ask, f4, i8

THRESHOLDS = {
    "tutorial": 1.25,
    "cut": 1.24,
    "smallest": 1 / 64,
    "third": 1 / 3,
    "almost-two": 1.99999,
    "64": 64.0,
    "above-64": 64.999,
    "large": 100000.7,
}


def cases() -> Iterator[Case]:
    """The questions of this chapter."""
    yield from weights()
    yield from thresholds_and_decays()
    yield from states()
    yield from functions()
    yield from draws()


def weights() -> Iterator[Case]:
    """Rounding and clipping of weights."""
    quantise = "NUM-1 NUM-2 NUM-3"
    yield ask(
        "quantize-ties",
        "quantize_8bit",
        quantise,
        x=((np.arange(-131, 131) + 0.5) / 32).astype(np.float32),
    )
    yield ask(
        "quantize-grid", "quantize_8bit", quantise, x=(np.arange(-128, 128) / 32).astype(np.float32)
    )
    clipped = f4(
        3.96875, 3.98, 3.984375, 3.99, 4, 100, 3e38, -4, -4.01, -4.015625, -4.02, -5, -100, -3e38
    )
    yield ask("quantize-clip", "quantize_8bit", quantise, x=clipped)
    yield ask(
        "quantize-tiny",
        "quantize_8bit",
        quantise,
        x=f4(0, 1e-45, -1e-45, 1e-38, -1e-38, 0.015624999, 0.015625001, -0.015625001),
    )
    yield ask("quantize-random", "quantize_8bit", quantise, x=Draw(1).real(200, low=-4.5, high=4.5))


def thresholds_and_decays() -> Iterator[Case]:
    """Thresholds are cut off, decays are rounded."""
    for name, threshold in THRESHOLDS.items():
        yield ask(f"threshold-{name}", "threshold_mantissa", "NUM-1 NUM-4", threshold=threshold)
    ties = f4(0.5, 1.5, 2.5, 4094.5, 4095.5, 0.49999997, 122.88, 4095.4)
    yield ask("decay-ties", "decay_mantissa", "NUM-1 NUM-5", decay=ties)
    yield ask(
        "decay-clamp", "decay_mantissa", "NUM-5", decay=f4(0, 4096, 4096.5, 5000, -0.4, -0.6, -3)
    )


def states() -> Iterator[Case]:
    """Onto the state grid, off it, and the shift."""
    step = 1 / 4096
    edge = [
        1.0,
        0.0003,
        -0.0003,
        step,
        -step,
        step * 0.9999999,
        -step * 0.9999999,
        1.5 * step,
        -1.5 * step,
        0.0,
        1000.7,
        -1000.7,
    ]
    yield ask("state-edges", "to_state", "NUM-1 NUM-6", x=f4(edge))
    yield ask("state-random", "to_state", "NUM-6", x=Draw(2).real(100, low=-3, high=3))
    large = [
        2**24,
        2**24 + 1,
        2**24 + 2,
        2**24 + 3,
        -(2**24) - 1,
        -(2**24) - 3,
        2**40 + 2**15 + 1,
        2**40 + 2**16,
    ]
    yield ask("real-edges", "to_real", "NUM-7", state=i8([0, 1, -1, 4095, 4096, -4097, *large]))
    edges = [
        0,
        1,
        -1,
        4095,
        -4095,
        4096,
        -4096,
        8191,
        -8191,
        2**31,
        -(2**31) - 1,
        2**50 + 4095,
        -(2**50) - 4095,
    ]
    yield ask("shift-edges", "shift_to_zero", "NUM-8", product=i8(edges))
    z = f4([[[0.1, np.nan, 0.2]]])
    neuron: dict[str, Any] = {
        "threshold": 1.25,
        "current_decay": 0.5,
        "voltage_decay": 0.03,
        "graded": False,
        "calls": 1,
    }
    yield ask("nan-input", "neuron_forward", "NUM-9", reject="range", z=z, **neuron)
    yield ask(
        "infinite-input",
        "neuron_forward",
        "NUM-9",
        reject="range",
        z=f4([[[0.1, -np.inf]]]),
        **neuron,
    )
    yield ask(
        "beyond-float32",
        "neuron_forward",
        "NUM-9",
        reject="range",
        z=np.array([[[1e39]]]),
        **neuron,
    )
    yield ask(
        "threshold-as-text",
        "neuron_forward",
        "NUM-9",
        reject="dtype",
        z=f4([[[0.1]]]),
        **(neuron | {"threshold": "one"}),
    )
    yield ask(
        "nan-to-dense",
        "dense_synapse",
        "NUM-9",
        reject="range",
        x=z,
        v=f4([[1.0]]),
        g=None,
        mask=None,
    )


def functions() -> Iterator[Case]:
    """The polynomials and the powers, in every bit."""
    draw = Draw(3)
    edges = f4(0, -1e-8, -0.34657359, -0.3465736, -1, -86.99999, -87, -87.00001, -1e4)
    yield ask("exp-edges", "exp_negative", "NUM-13", x=edges)
    yield ask("exp-random", "exp_negative", "NUM-13", x=draw.real(200, low=-90, high=0))
    edges = f4(0, 2**-126, 0.5, 0.70710677, 0.7071068, 0.99999994, 1, 1.0000001, 2, 10, 3e38)
    yield ask("log-edges", "log", "NUM-13", x=edges)
    yield ask("log-random", "log", "NUM-13", x=draw.real(200, low=0, high=100))
    for base, exponent in ((0.9, 1), (0.9, 7), (0.999, 1000), (0.999, 187_500), (0.5, 0)):
        yield ask(f"power-{exponent}", "power", "NUM-13", base=base, exponent=exponent)


def draws() -> Iterator[Case]:
    """Draws from a seed, in every bit."""
    for seed in (0, 7):
        yield ask(f"words-{seed}", "draw_words", "NUM-15", seed=seed, count=20)
    yield ask("uniform", "draw_uniform", "NUM-15", seed=7, count=50, low=-0.125, high=0.125)
    yield ask("permutation", "draw_permutation", "NUM-15", seed=7, count=50)
    for count in (1, 2, 63, 64, 65, 200):
        yield ask(f"half-of-{count}", "draw_half", "NUM-15 SAM-4", seed=count, count=count)
