"""Small networks of the tutorial's kind, the same for the same seed, and their modes."""

import numpy as np

from refboot import block
from refboot.network import Network
from refboot.routine import LayerMode, Mode

SNN, ANN, SAMPLE, FIT = (LayerMode(0, mode) for mode in (Mode.SNN, Mode.ANN, Mode.SAMPLE, Mode.FIT))
TUTORIAL = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}


def build(seed, sizes=(6, 5, 4, 3), time_steps=8, neuron=TUTORIAL, delay_shift=False, **dense):
    """Input, two Dense and an Affine block between layers of these sizes; weight norm unless
    `dense` says otherwise.
    """
    rng = np.random.default_rng(seed)
    options = {"weight_norm": True, "weight_scale": 2, **dense}
    i, h, k, o = sizes
    blocks = [
        block.cuba.Input(neuron, weight=1, bias=0, delay_shift=delay_shift, rng=rng),
        block.cuba.Dense(neuron, i, h, delay_shift=delay_shift, rng=rng, **options),
        block.cuba.Dense(neuron, h, k, delay_shift=delay_shift, rng=rng, **options),
        block.cuba.Affine(neuron, k, o, rng=rng, **options),
    ]
    return Network(blocks, (i,), time_steps)


def images_ni(seed, n, i):
    """N still inputs in [-1, 1], float32."""
    return np.random.default_rng(seed).uniform(-1, 1, (n, i)).astype(np.float32)


def movies_nit(seed, n, i, t):
    """N moving inputs in [-1, 1], float32."""
    return np.random.default_rng(seed).uniform(-1, 1, (n, i, t)).astype(np.float32)


def fitted(network, x):
    """The network after sampling x and fitting its curves."""
    network(x, SAMPLE)
    network(x, FIT)
    return network
