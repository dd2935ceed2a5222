"""Chapter 4: weighted sums and the weights they use."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refboot.conformance.case import Case, Tolerance
from refboot.conformance.cases.ask import Draw, ask, f4, ulps


def cases() -> Iterator[Case]:
    """The questions of this chapter."""
    yield from sums()
    yield from learned()
    yield from inputs()


def sums() -> Iterator[Case]:
    """Weighted sums with weights as used."""
    draw = Draw(21)
    s = draw.spikes(2, 40, 5)
    yield ask("dense-spikes", "dense_forward", "SYN-1 SYN-2", x=s, weight=draw.grid(7, 40))
    ends = np.array([[-4.0] * 40, [3.96875] * 40, [-4.0, 3.96875] * 20], np.float32)
    yield ask(
        "dense-width", "dense_forward", "SYN-2", x=np.ones((1, 40, 2), np.float32), weight=ends
    )
    yield ask(
        "dense-no-spikes", "dense_forward", "SYN-1", x=np.zeros((1, 40, 2), np.float32), weight=ends
    )
    yield ask(
        "dense-one-step", "dense_forward", "SYN-1 SYN-2", x=s[..., :1], weight=draw.grid(3, 40)
    )
    real = draw.real(2, 9, 4, low=0)
    for name, clauses, weight in (
        ("rates", "SYN-1 SYN-3", draw.grid(6, 9)),
        ("identity", "SYN-3 SYN-12", draw.real(6, 9)),
    ):
        yield ask(
            f"dense-{name}",
            "dense_forward",
            clauses,
            in_any_order(real, weight),
            x=real,
            weight=weight,
        )


def in_any_order(x: np.ndarray, weight: np.ndarray) -> Tolerance:
    """F ulps of the largest sum of magnitudes, told in ulps of the largest sum (SYN-3)."""
    pairs = (np.abs(weight), np.abs(x)), (weight, x)
    magnitudes, sums = (
        np.abs(np.einsum("oi,nit->not", w, y, dtype=np.float64)).max() for w, y in pairs
    )
    return ulps(float(np.ceil(weight.shape[1] * magnitudes / sums)))


def learned() -> Iterator[Case]:
    """Weights from their parameters: norm, mask, quantisation."""
    draw = Draw(22)
    v, g, s = draw.real(5, 12), draw.real(5, low=-3, high=3), draw.spikes(2, 12, 3)
    yield ask("weight-norm", "weight_norm_forward", "SYN-5", ulps(4), v=v, g=g)
    long = v * f4([1e-12, 1e-3, 1, 1e3, 1e12])[:, None]
    yield ask(
        "weight-norm-sizes", "weight_norm_forward", "SYN-5", ulps(4), v=long, g=f4(1, 1, -1, 0, 2)
    )
    yield ask(
        "weight-norm-one-input", "weight_norm_forward", "SYN-5", ulps(4), v=v[:, :1].copy(), g=g
    )
    still = v * f4([1, 0, 1, 1, 0])[:, None]
    yield ask("weight-norm-zero-row", "weight_norm_forward", "SYN-5", ulps(4), v=still, g=g)
    mask = draw.spikes(5, 12, rate=0.5)
    ties = ((draw.whole(5, 12, low=-140, high=140) + 0.5) / 32).astype(np.float32)
    yield ask("synapse-plain", "dense_synapse", "SYN-4 NUM-2", x=s, v=v, g=None, mask=None)
    yield ask("synapse-ties", "dense_synapse", "SYN-4 NUM-2", x=s, v=ties, g=None, mask=None)
    yield ask("synapse-norm", "dense_synapse", "SYN-4 SYN-5", x=s, v=v, g=g, mask=None)
    yield ask("synapse-norm-clipped", "dense_synapse", "SYN-4 SYN-5", x=s, v=v, g=g * 6, mask=None)
    yield ask("synapse-mask", "dense_synapse", "SYN-4", x=s, v=v, g=None, mask=mask)
    yield ask(
        "synapse-norm-mask",
        "dense_synapse",
        "SYN-4 SYN-5",
        x=s,
        v=v,
        g=g,
        mask=draw.real(5, 12, low=0, high=2),
    )
    yield ask(
        "refused-input-width",
        "dense_synapse",
        "SYN-1",
        reject="shape",
        x=s[:, :11],
        v=v,
        g=None,
        mask=None,
    )
    yield ask(
        "refused-input-axes",
        "dense_synapse",
        "SYN-1",
        reject="shape",
        x=s[0],
        v=v,
        g=None,
        mask=None,
    )


def inputs() -> Iterator[Case]:
    """The input layer's scalars."""
    x = Draw(23).real(2, 8, 2)
    x[0, 0] = 0.015625, 0.046875
    yield ask(
        "input-sums",
        "input_forward",
        "SYN-6",
        x=np.rint(x * 32) / np.float32(32),
        weight=f4([2.5]),
        bias=f4([-0.125]),
    )
    for name, weight, bias in (
        ("both", 1.37, 0.171),
        ("no-bias", 1.37, None),
        ("no-weight", None, 0.171),
        ("neither", None, None),
    ):
        yield ask(f"input-{name}", "input_synapse", "SYN-6 NUM-2", x=x, weight=weight, bias=bias)
    yield ask("input-clipped", "input_synapse", "SYN-6 NUM-2", x=x * 6, weight=5.0, bias=-5.0)
