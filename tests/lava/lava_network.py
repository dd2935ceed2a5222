"""The tutorial's network, in any size, and the state of lava-dl's put into refboot's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from lava_vectors import Array

from refboot.arrays import Floats
from refboot.block import Block, cuba
from refboot.network import Network
from refboot.routine import LayerMode, Mode

# lava-dl's state replaces the weights that this draws.
WEIGHT_SEED = 0


def build(
    neuron: Mapping[str, Any], sizes: Sequence[int], time_steps: int, delay_shift: bool
) -> Network:
    """The tutorial's layers: an affine input, dense layers between `sizes`, and a read-out for the
    last of them.
    """
    rng = np.random.default_rng(WEIGHT_SEED)
    *hidden, (inputs, outputs) = pairwise(sizes)
    blocks: list[Block] = [cuba.Input(neuron, weight=1, bias=0, delay_shift=delay_shift, rng=rng)]
    blocks += [
        cuba.Dense(
            neuron, *pair, weight_norm=True, weight_scale=2, delay_shift=delay_shift, rng=rng
        )
        for pair in hidden
    ]
    blocks.append(cuba.Affine(neuron, inputs, outputs, weight_norm=True, weight_scale=2, rng=rng))
    return Network(blocks, (sizes[0],), time_steps)


def load_block(block: Block, state: Mapping[str, Array]) -> None:
    """Put lava-dl's arrays by path (`synapse/weight_v`) into the parameters of `block`."""
    for name, parameter in block.parameters().items():
        parameter.data[...] = state[name.replace(".", "/")].reshape(parameter.data.shape)


def load_network(network: Network, state: Mapping[str, Array]) -> None:
    """Put lava-dl's arrays by path (`1/synapse/weight_v`) into the blocks of `network`."""
    network.load_state({f"blocks.{path.replace('/', '.')}": array for path, array in state.items()})


def spiking_rates(network: Network, x: Floats) -> Floats:
    """The rates (N, K) of the read-out with every layer spiking, 100 images at a time."""
    parts = [network.forward(x[i : i + 100], LayerMode(0, Mode.SNN)) for i in range(0, len(x), 100)]
    return np.concatenate(parts).mean(axis=-1)
