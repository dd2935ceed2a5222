"""Each kind of layer with each kind of neuron: its fitted curve gives, for inputs it has not seen,
the rates at which it spikes.

Held inputs, 16 steps, curves fitted to 80 samples. The stated bound is on the mean difference
between the rates of ANN and SNN mode: three quarters of a count (0.75 / T), whatever the neuron.
Pooling with reset to zero has two counts (2 / T), since its inputs lie where the stairs are
steepest (see test_rate_curve). Measured over three seeds: 0.54 and 1.7 counts. A curve that is
stretched by half along z misses both.
"""

from collections.abc import Callable

import numpy as np
import pytest
from small_networks import TUTORIAL

from refboot.block import Block, cuba
from refboot.neuron import alif, integrate_fire, norm
from refboot.reference.fit import Curve
from refboot.routine import Mode

T = 16
SEEDS = [0, 1, 2]
NEURONS: dict[str, Callable[[], object]] = {
    "reset to zero": lambda: TUTORIAL,
    "reset by subtraction": lambda: TUTORIAL | {"reset": "subtract"},
    "no reset": lambda: TUTORIAL | {"reset": "none", "voltage_decay": 0.5},
    "integrate-and-fire": lambda: integrate_fire.Neuron(1.25),
    "adaptive threshold": lambda: alif.Neuron(1.25, 0.25, 1, 0.03, 0.1, 0.5),
    "own decays": lambda: TUTORIAL | {"voltage_decay": (0.02, 0.04), "shared_param": False},
    "Loihi's limits": lambda: TUTORIAL | {"loihi_limits": True},
    "mean norm": lambda: TUTORIAL | {"norm": norm.MeanOnlyBatchNorm},
    "scale norm": lambda: TUTORIAL | {"norm": norm.WgtScaleBatchNorm},
}
LAYERS: dict[str, tuple[Callable[..., Block], tuple[int, ...]]] = {
    "conv": (
        lambda neuron, rng: cuba.Conv(neuron, 2, 6, 3, weight_scale=2, weight_norm=True, rng=rng),
        (2, 7, 7),
    ),
    "pool": (lambda neuron, rng: cuba.Pool(neuron, 2, weight_scale=0.5, rng=rng), (6, 8, 8)),
    "dense": (
        lambda neuron, rng: cuba.Dense(neuron, 30, 40, weight_scale=2, weight_norm=True, rng=rng),
        (30,),
    ),
}
TO_ZERO = {"reset to zero", "own decays", "Loihi's limits", "mean norm", "scale norm"}


def held(rng, shape, rates):
    x = rng.uniform(0 if rates else -1, 1, (40, *shape, 1)).astype(np.float32)
    return np.broadcast_to(x, (*x.shape[:-1], T))


def fitted(layer, neuron, seed):
    """A block whose curve is fitted, in evaluation, and inputs that it has not seen; pooling gets
    rates.
    """
    (make, shape), rng = LAYERS[layer], np.random.default_rng(seed)
    block = make(NEURONS[neuron](), rng)
    block.build(shape)
    for _ in range(2):
        block(held(rng, shape, layer == "pool"), Mode.SAMPLE)
    block.fit()
    block.training = False
    return block, held(rng, shape, layer == "pool")


def distance(block, x):
    """The mean difference of the rates, in counts of T."""
    spiking = block(x, Mode.SNN).mean(axis=-1)
    assert spiking.std() > 1.5 / T, "rates that hardly differ would agree with anything"
    return np.abs(block(x, Mode.ANN)[..., 0] - spiking).mean() * T


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_rates_of_both_modes_agree(layer, neuron, seed):
    block, x = fitted(layer, neuron, seed)
    bound = 2.0 if layer == "pool" and neuron in TO_ZERO else 0.75
    assert distance(block, x) <= bound
    block.f.curve = Curve(block.f.curve.knots * np.array([1.5, 1]), block.f.curve.slopes / 1.5)
    assert distance(block, x) > bound


@pytest.mark.parametrize("neuron", NEURONS)
def test_rate_modes_need_no_neuron_and_leave_its_state_alone(neuron):
    block, x = fitted("dense", neuron, 0)
    before = block(x, Mode.SNN)
    block(x, Mode.ANN)
    block.backward(np.ones((40, 40, 1), np.float32))
    np.testing.assert_array_equal(block(x, Mode.SNN), before)
