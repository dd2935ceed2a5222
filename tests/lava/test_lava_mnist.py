"""The network that lava-dl ships gives lava-dl's rates in every bit, and scores what lava-dl scores."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import lava_network
import numpy as np
import pytest
from lava_vectors import Array, arrays_below, assert_equal

from refboot import ops
from refboot.block import cuba
from refboot.data import Compose, Dataset, Normalize, ToTensor, load_mnist
from refboot.network import Network

NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03, "tau_grad": 1, "scale_grad": 1}
TIME_STEPS = 16


@pytest.fixture(scope="module")
def mnist(shared: Path) -> Dataset:
    return load_mnist(shared / "mnist", train=False)


@pytest.fixture(scope="module")
def pixels(mnist: Dataset) -> Array:
    return Compose([ToTensor(), Normalize(0.5, 0.5)])(mnist.images)


def shipped(shared: Path, delay_shift: bool) -> Network:
    """The tutorial's network with the parameters of the one that lava-dl ships."""
    network = lava_network.build(NEURON, [784, 512, 512, 10], TIME_STEPS, delay_shift)
    with h5py.File(shared / "lava_mnist" / "state.h5", "r") as file:
        lava_network.load_network(network, arrays_below(file["blocks"]))
    return network


class Shipped:
    pass
