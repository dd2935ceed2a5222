"""A short training run follows lava-dl's: sampled, fitted, trained as rates, and read as spikes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import lava_network
import numpy as np
import pytest
from lava_vectors import Array, Case, assert_equal, cases

from refboot.network import Network
from refboot.optim import Adam
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.stats import LearningStat
from refboot.training.step import train_step

# In float32 a run amplifies the last bit: two runs are compared, not their bits. 3e-7 was seen in
# losses and parameters, 0 in the rest.
TOLERANCE = 1e-3


class Run(NamedTuple):
    """The trained network, and loss and base mode of every step."""

    network: Network
    losses: Array
    modes: Array


def make_network(params: Mapping[str, Any], given: Mapping[str, Array]) -> Network:
    """The case's network, with lava-dl's parameters, every sampler drawing from lava-dl's one
    stream.
    """
    network = lava_network.build(
        params["neuron"], params["layers"], params["steps"], params["delay_shift"]
    )
    lava_network.load_network(
        network, {k.removeprefix("state/"): a for k, a in given.items() if k.startswith("state/")}
    )
    stream = np.random.RandomState(params["numpy_seed"])
    blocks: list[Any] = network.blocks
    for block in blocks:
        block.f.rng = stream
    return network


def train(params: Mapping[str, Any], given: Mapping[str, Array]) -> Run:
    """The case's epochs, in order, without shuffling."""
    network = make_network(params, given)
    optimizer = Adam(network.parameters(), lr=params["lr"])
    scheduler = Scheduler(params["num_sample_iter"], params["sample_period"])
    losses, modes, size = [], [], params["batch"]
    for epoch in range(params["epochs"]):
        for iteration, start in enumerate(range(0, len(given["data"]), size)):
            mode = scheduler.mode(epoch, iteration)
            batch = given["data"][start : start + size], given["label"][start : start + size]
            losses.append(train_step(network, optimizer, *batch, mode, LearningStat()))
            modes.append(mode.base_mode.value)
    return Run(network, np.array(losses), np.array(modes))


@pytest.mark.parametrize("case", cases("training"), ids=str)
@pytest.mark.usefixtures("operations")
def test_untrained_network_gives_the_same_logits(case: Case) -> None:
    given, wanted = case.read("in"), case.read("out")
    network = make_network(case.params, given)
    output = network.forward(given["data"][: case.params["batch"]], LayerMode(0, Mode.SAMPLE))
    assert_equal(output.mean(axis=-1), wanted["first_logits"])


@pytest.mark.parametrize("case", cases("training"), ids=str)
@pytest.mark.usefixtures("operations")
def test_training_follows_the_same_losses_to_the_same_network(case: Case) -> None:
    given, wanted = case.read("in"), case.read("out")
    run = train(case.params, given)
    assert_equal(run.modes, wanted["modes"])
    np.testing.assert_allclose(run.losses, wanted["losses"], rtol=0, atol=TOLERANCE)
    for name, parameter in run.network.named_parameters().items():
        path = name.replace("blocks.", "state/", 1).replace(".", "/")
        np.testing.assert_allclose(
            parameter.data, wanted[path].reshape(parameter.data.shape), rtol=0, atol=TOLERANCE
        )
    blocks: list[Any] = run.network.blocks
    for layer, block in enumerate(blocks[:-1]):
        np.testing.assert_allclose(
            block.f.centers, wanted[f"centers/{layer}"], rtol=0, atol=TOLERANCE
        )


@pytest.mark.parametrize("case", cases("training"), ids=str)
@pytest.mark.usefixtures("operations")
def test_trained_network_spikes_at_the_same_rates(case: Case) -> None:
    given, wanted = case.read("in"), case.read("out")["snn_rates"]
    rates = lava_network.spiking_rates(train(case.params, given).network, given["data"])
    assert rates.shape == wanted.shape
    # One spike more or less moves a rate by more than the tolerance, so it is the mean that is held
    # to it.
    assert np.abs(rates - wanted).mean() <= TOLERANCE
