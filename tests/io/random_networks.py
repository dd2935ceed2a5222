"""Random networks of every kind that an exchange file can hold, small, sampled and fitted, and
inputs for them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from refboot.arrays import Floats
from refboot.block import cuba
from refboot.network import Layer, Network
from refboot.neuron.norm import MeanOnlyBatchNorm
from refboot.routine import LayerMode, Mode


class Case(NamedTuple):
    """A network in evaluation and inputs (N, *input_shape) for it."""

    network: Network
    x: Floats


@st.composite
def neurons(draw: Any, norms: bool = True) -> dict[str, Any]:
    """Arguments of a CUBA neuron, with a norm now and then."""
    norm = draw(st.sampled_from([None, MeanOnlyBatchNorm])) if norms else None
    decay = 1.0 if norm else draw(st.sampled_from([1.0, 0.5, 0.1]))
    threshold = draw(st.integers(16, 160)) / 64
    return {
        "threshold": threshold,
        "current_decay": decay,
        "voltage_decay": draw(st.sampled_from([0.0, 0.03, 0.4])),
        "norm": norm,
    }


@st.composite
def windows(draw: Any) -> dict[str, Any]:
    """Arguments of a convolution that fits pictures of at least 6 x 5."""
    pair = st.tuples(st.integers(1, 3), st.integers(1, 2))
    return {
        "kernel_size": draw(pair),
        "stride": draw(pair),
        "padding": draw(st.tuples(st.integers(0, 1), st.integers(0, 1))),
    }


def picture_layers(draw: Any, rng: np.random.Generator, channels: int) -> list[Layer]:
    """A convolution, perhaps in groups, perhaps a pool behind it, and a Flatten."""
    groups = draw(st.sampled_from([1, channels]))
    conv = cuba.Conv(
        draw(neurons()),
        channels,
        2 * channels,
        **draw(windows()),
        groups=groups,
        weight_scale=4,
        rng=rng,
    )
    pool: list[Layer] = (
        [cuba.Pool(draw(neurons(norms=False)), 1, weight_scale=1.5, rng=rng)]
        if draw(st.booleans())
        else []
    )
    return [conv, *pool, cuba.Flatten()]


def dense_layers(draw: Any, rng: np.random.Generator, inputs: int) -> list[Layer]:
    """Dense layers between `inputs` and a read-out, or a dense layer that spikes."""
    sizes = [inputs, *draw(st.lists(st.integers(2, 6), max_size=2))]
    layers: list[Layer] = []
    for pair in pairwise(sizes):
        options = {"weight_norm": draw(st.booleans()), "delay_shift": draw(st.booleans())}
        layers.append(cuba.Dense(draw(neurons()), *pair, weight_scale=4, **options, rng=rng))
    last = draw(st.sampled_from([cuba.Affine, cuba.Dense]))
    return [
        *layers,
        last(draw(neurons(norms=False)), sizes[-1], 3, weight_scale=4, weight_norm=True, rng=rng),
    ]


@st.composite
def networks(draw: Any) -> Case:
    """A case; the network has sampled and fitted its curves in training, if it has any, and moved
    its norms.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    plain = draw(neurons(norms=False)) | {"current_decay": 1.0}
    blocks: list[Layer] = [
        cuba.Input(plain, draw(st.integers(16, 120)) / 64, draw(st.integers(-60, 60)) / 64, rng=rng)
    ]
    shape: tuple[int, ...] = (draw(st.integers(1, 6)),)
    if draw(st.booleans()):
        shape = draw(st.integers(1, 2)), draw(st.integers(6, 8)), draw(st.integers(5, 7))
        blocks += picture_layers(draw, rng, shape[0])
    inputs = Network(blocks, shape).shapes[-1][0]
    network = Network([*blocks, *dense_layers(draw, rng, inputs)], shape, draw(st.integers(1, 6)))
    x = rng.uniform(-1, 1.5, (3, *shape)).astype(np.float32)
    if draw(st.booleans()):
        for mode in (Mode.SAMPLE, Mode.FIT):
            network.forward(x, LayerMode(0, mode))
    network.eval()
    return Case(network, x)
