"""refboot: the golden reference of Bootstrap SNN training, in NumPy and Numba."""

from refboot import (
    ann_sampler,
    block,
    classifier,
    loss,
    neuron,
    ops,
    optim,
    routine,
    stats,
    synapse,
)
from refboot.network import Network
from refboot.routine import Mode

__version__ = "0.1.0"

__all__ = [
    "Mode",
    "Network",
    "ann_sampler",
    "block",
    "classifier",
    "loss",
    "neuron",
    "ops",
    "optim",
    "routine",
    "stats",
    "synapse",
]
