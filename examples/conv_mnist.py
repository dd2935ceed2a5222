"""A convolutional network on MNIST, 16c5-2p-32c5-2p-128-10, T = 16.

Run: python examples/conv_mnist.py [MNIST folder]
This is the network of `refboot train mnist --network conv`, block by block, and its training loop.
"""

import os
import sys
from itertools import islice

import numpy as np

from refboot import Mode, Network
from refboot.block import cuba
from refboot.data import Compose, DataLoader, Normalize, RandomAffine, ToTensor, load_mnist
from refboot.io import save
from refboot.optim import Adam
from refboot.routine import Scheduler
from refboot.stats import LearningStats
from refboot.training import evaluate, train_epoch

NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
WEIGHT = {"weight_norm": True, "weight_scale": 2}
# The weight is just above the threshold: one spike in the window makes the neuron spike.
POOL = {"kernel_size": 2, "weight_scale": 1.3}


def build(rng, time_steps=16):
    blocks = [
        cuba.Input(NEURON, weight=1, bias=0, rng=rng),
        cuba.Conv(NEURON, 1, 16, kernel_size=5, **WEIGHT, rng=rng),
        cuba.Pool(NEURON, **POOL, rng=rng),
        cuba.Conv(NEURON, 16, 32, kernel_size=5, **WEIGHT, rng=rng),
        cuba.Pool(NEURON, **POOL, rng=rng),
        cuba.Flatten(),
        cuba.Dense(NEURON, 4 * 4 * 32, 128, **WEIGHT, rng=rng),
        cuba.Affine(NEURON, 128, 10, **WEIGHT, rng=rng),
    ]
    network = Network(blocks, time_steps=time_steps)
    network.build(input_shape=(1, 28, 28))
    return network


def loaders(root, rng):
    still = [ToTensor(), Normalize(0.5, 0.5)]
    moved = RandomAffine(degrees=10, translate=(0.05, 0.05), scale=(0.95, 1.05), shear=5)
    training, testing = (
        load_mnist(root, train=train, download=root is None) for train in (True, False)
    )
    shuffled = DataLoader(
        training, batch_size=32, shuffle=True, transform=Compose([moved, *still]), rng=rng
    )
    return shuffled, DataLoader(testing, batch_size=32, transform=Compose(still))


def main(root=None, trained_folder="Trained", epochs=40, seed=0, limit=None):
    os.makedirs(trained_folder, exist_ok=True)
    rng, data_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    network, (train_loader, test_loader) = build(rng), loaders(root, data_rng)
    for shape, block in zip(network.shapes, network.blocks, strict=True):
        print(f"{type(block).__name__:8} {shape}")

    optimizer, scheduler, stats = (
        Adam(network.parameters(), lr=0.001),
        Scheduler(sample_period=5),
        LearningStats(),
    )
    for epoch in range(epochs):
        train_epoch(
            network, optimizer, islice(train_loader, limit), scheduler, epoch, stats.training
        )
        mode = scheduler.mode(epoch, 0, train=False)
        evaluate(network, islice(test_loader, limit), mode, stats.testing)
        print(f"[Epoch {epoch:2d}/{epochs}] {mode} {stats}", flush=True)
        if mode.base_mode is Mode.SNN:
            scheduler.sync_snn_stat(stats.testing)
            if scheduler.snn_stat.best_accuracy:
                save(network, f"{trained_folder}/conv.h5")
            scheduler.update_snn_stat()
        stats.update()
    return network, stats


if __name__ == "__main__":
    main(*sys.argv[1:])
