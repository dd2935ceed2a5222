"""A small network, trained by the bootstrap routine, gives as an ANN what it gives as an SNN.

The stated bounds, for 16 steps, curves fitted afresh to the trained network, and images that it was
not trained on:
 - in every hidden layer, rates of ANN and SNN mode differ by 0.1 (1.6 counts of 16) at most, on the
 mean over neurons and images;
 - read-outs differ by 0.4 of their own spread (root mean square);
 - 96 % of the answers are the same, and both modes answer 95 % right, of four classes.
Measured over seeds 0 to 3: 0.083, 0.34, 97.9 %, 97.3 %. Curves that lie 2/T higher or lower miss
the first bound in the layers that hear other curves. It is no multiple of 1/T: at 64 steps it is
0.081 still, the neuron's own stairs (see test_rate_curve).
"""

from functools import lru_cache

import numpy as np
import pytest
from small_networks import ANN, FIT, SAMPLE, SNN, build

from refboot.loss import cross_entropy
from refboot.optim import Adam
from refboot.reference.fit import Curve
from refboot.routine import Scheduler

T, CLASSES, INPUTS, BATCH = 16, 4, 12, 32
RATES, READ_OUT, SAME, RIGHT = 0.1, 0.4, 0.96, 0.95
SEEDS = [0, 1, 2]


def task(seed, count=512):
    """Four random centres in [-1, 1]^12 with noise of a third of the range about them, and which
    centre it was.
    """
    rng, centres = (
        np.random.default_rng(seed),
        np.random.default_rng(7).uniform(-1, 1, (CLASSES, INPUTS)),
    )
    labels = rng.integers(0, CLASSES, count)
    return np.clip(centres[labels] + rng.normal(0, 0.35, (count, INPUTS)), -1, 1).astype(
        np.float32
    ), labels


def train_step(network, optimizer, x, labels, mode):
    output = network(x, mode)
    loss, grad = cross_entropy(output.mean(axis=-1), labels)
    optimizer.zero_grad()
    network.backward(
        np.repeat(grad[..., None] / np.float32(output.shape[-1]), output.shape[-1], axis=-1)
    )
    optimizer.step()
    return loss


@lru_cache
def trained(seed):
    """A network after twelve epochs, sampling in every third, and the losses of its steps."""
    network, (x, labels) = build(seed, (INPUTS, 48, 48, CLASSES), T), task(1)
    optimizer, scheduler, rng = (
        Adam(network.parameters(), 2e-3),
        Scheduler(3, 3),
        np.random.default_rng(seed),
    )
    losses = []
    for epoch in range(12):
        for i, batch in enumerate(np.split(rng.permutation(len(x)), len(x) // BATCH)):
            losses.append(
                train_step(network, optimizer, x[batch], labels[batch], scheduler.mode(epoch, i))
            )
    network.eval()
    return network, losses


def refitted(seed):
    """The trained network with curves fitted to what it is now, without the memory of earlier
    fits.
    """
    network, _ = trained(seed)
    for b in network.blocks[:-1]:
        b.f.curve = None
        b.f.clear()
    network(task(1)[0], SAMPLE)
    network(task(1)[0], FIT)
    return network


def rates(network, x, mode):
    """The mean output over time of every block."""
    found, h = [], network.over_time(x, mode)
    for b, m in zip(network.blocks, mode, strict=False):
        h = b(h, m)
        found.append(h.mean(axis=-1))
    return found


def distances(network, x):
    """The mean difference of the rates of ANN and SNN mode, by hidden layer."""
    return [
        float(np.abs(a - s).mean())
        for a, s in zip(rates(network, x, ANN)[:-1], rates(network, x, SNN)[:-1], strict=True)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_rates_of_both_modes_agree_in_every_hidden_layer(seed):
    network, (x, _) = refitted(seed), task(2)
    spiking = rates(network, x, SNN)[:-1]
    assert all(rate.std() > 2 * RATES for rate in spiking), (
        "rates that hardly differ would agree with anything"
    )
    assert max(distances(network, x)) <= RATES


@pytest.mark.parametrize("by", [2 / T, -2 / T])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_bound_on_the_rates_is_missed_by_curves_that_lie_elsewhere(seed, by):
    network, (x, _) = refitted(seed), task(2)
    for b in network.blocks[:-1]:
        b.f.curve = Curve(b.f.curve.knots + np.array([0, by]), b.f.curve.slopes)
    assert max(distances(network, x)) > RATES


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_of_both_modes_agree_and_are_right(seed):
    network, (x, labels) = refitted(seed), task(2)
    ann, snn = (rates(network, x, mode)[-1] for mode in (ANN, SNN))
    assert np.sqrt(np.square(ann - snn).mean()) <= READ_OUT * ann.std()
    assert (ann.argmax(axis=1) == snn.argmax(axis=1)).mean() >= SAME
    for answer in (ann, snn):
        assert (answer.argmax(axis=1) == labels).mean() >= RIGHT


def test_training_learns_and_the_same_seed_trains_the_same_network():
    network, losses = trained(0)
    assert np.mean(losses[-16:]) < 0.1 * np.mean(losses[:16])
    weights = {name: p.data.copy() for name, p in network.named_parameters().items()}
    trained.cache_clear()
    again, same = trained(0)
    assert same == losses
    for name, p in again.named_parameters().items():
        np.testing.assert_array_equal(p.data, weights[name], err_msg=name)
