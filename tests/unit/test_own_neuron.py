"""A neuron from outside the package, bootstrapped in a network: sampling and the fit need to know
nothing about it.
"""

import numpy as np
import pytest

from refboot import Network
from refboot.block import cuba
from refboot.neuron import Spiking
from refboot.optim import Adam
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.stats import LearningStat
from refboot.training import train_step


class Stubborn(Spiking):
    """A float neuron that leaks, fires at 1, falls below rest after a spike, and then rests for a
    step.
    """

    def __init__(self, leak, training=False):
        self.leak, self.training = leak, training

    def forward(self, z):
        self.v, spikes, last = (
            np.zeros_like(z),
            np.zeros_like(z),
            np.zeros(z.shape[:-1], np.float32),
        )
        for t in range(z.shape[-1]):
            resting = spikes[..., t - 1] > 0 if t else False
            self.v[..., t] = np.where(resting, last, self.leak * last + z[..., t])
            spikes[..., t] = self.v[..., t] > 1
            last = np.where(spikes[..., t] > 0, -0.2, self.v[..., t]).astype(np.float32)
        return spikes

    def backward(self, grad):
        gz, later = np.zeros_like(grad), 0.0
        for t in reversed(range(grad.shape[-1])):
            later = grad[..., t] / (1 + np.abs(self.v[..., t] - 1)) ** 2 + self.leak * later
            gz[..., t] = later
        return gz


T, CLASSES, INPUTS, BATCH = 16, 4, 12, 32


def task(seed, count):
    rng, centres = (
        np.random.default_rng(seed),
        np.random.default_rng(7).uniform(-1, 1, (CLASSES, INPUTS)),
    )
    labels = rng.integers(0, CLASSES, count)
    return np.clip(centres[labels] + rng.normal(0, 0.35, (count, INPUTS)), -1, 1).astype(
        np.float32
    ), labels


@pytest.fixture(scope="module")
def network():
    """Trained for twelve epochs, sampling in every third."""
    rng = np.random.default_rng(0)
    hidden = [
        cuba.Dense(Stubborn(0.9), i, o, weight_norm=True, weight_scale=2, rng=rng)
        for i, o in ((INPUTS, 32), (32, 32))
    ]
    read_out = cuba.Affine(Stubborn(0.9), 32, CLASSES, weight_norm=True, weight_scale=2, rng=rng)
    made = Network([cuba.Input(Stubborn(0.9), 1, 0, rng=rng), *hidden, read_out], (INPUTS,), T)
    optimizer, scheduler, (x, labels) = Adam(made.parameters(), 2e-3), Scheduler(3, 3), task(1, 512)
    for epoch in range(12):
        for i, batch in enumerate(np.split(rng.permutation(len(x)), len(x) // BATCH)):
            train_step(
                made, optimizer, x[batch], labels[batch], scheduler.mode(epoch, i), LearningStat()
            )
    made.eval()
    return made


def accuracy(network, mode):
    x, labels = task(2, 512)
    return (network.forward(x, LayerMode(0, mode)).mean(axis=-1).argmax(axis=1) == labels).mean()


def test_it_is_right_as_an_snn_and_as_an_ann(network):
    assert accuracy(network, Mode.SNN) >= 0.95
    assert accuracy(network, Mode.ANN) >= 0.95


def test_its_curve_saturates_at_every_second_step(network):
    """It rests after each spike, so its highest rate is a half; the sampler's least saturation is
    0.8 all the same.
    """
    rates = network.blocks[0].forward(np.ones((1, INPUTS, T), np.float32) * 3, Mode.SNN)
    assert rates.mean() == 0.5
    assert all(block.f.curve is not None and block.f.max == 0.8 for block in network.blocks[:-1])


def test_it_has_no_parameters_and_the_block_saves_only_its_own(network):
    assert set(network.blocks[1].parameters()) == {"synapse.weight_g", "synapse.weight_v"}
    assert network.blocks[1].neuron.device_params == {}
