"""The tutorial's script in refboot: MNIST, 784-512-512-10, T = 16.

Run: python examples/mnist.py [MNIST folder]
It follows lava-dl's notebook closely. Three things differ: net.backward computes the gradients,
everything random takes a generator, and the network is saved as HDF5.
"""

import os
import sys

import numpy as np

import refboot
from refboot.classifier import Rate
from refboot.data import Compose, DataLoader, Normalize, RandomAffine, ToTensor, load_mnist
from refboot.io import load, save
from refboot.loss import cross_entropy
from refboot.reference.modes import replicate


class Network(refboot.Network):
    def __init__(self, time_steps=16, *, rng):
        neuron_params = {
            "threshold": 1.25,
            "current_decay": 1,
            "voltage_decay": 0.03,
            "tau_grad": 1,
            "scale_grad": 1,
        }
        block = refboot.block.cuba
        blocks = [
            # enable affine transform at input
            block.Input(neuron_params, weight=1, bias=0, rng=rng),
            block.Dense(neuron_params, 28 * 28, 512, weight_norm=True, weight_scale=2, rng=rng),
            block.Dense(neuron_params, 512, 512, weight_norm=True, weight_scale=2, rng=rng),
            block.Affine(neuron_params, 512, 10, weight_norm=True, weight_scale=2, rng=rng),
        ]
        super().__init__(blocks, input_shape=(28 * 28,), time_steps=time_steps)

    def forward(self, x, mode):
        N, C, H, W = x.shape
        x = x.reshape([N, C, H, W, 1])
        if mode.of(0).spiking:
            x = replicate(x, self.time_steps)

        x = x.reshape(N, -1, x.shape[-1])

        for block, m in zip(self.blocks, mode, strict=False):
            x = block(x, mode=m)
        return x


def main(root=None, trained_folder="Trained", epochs=100, seed=0, limit=None):
    os.makedirs(trained_folder, exist_ok=True)
    rng, data_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))

    net = Network(rng=rng)
    optimizer = refboot.optim.Adam(net.parameters(), lr=0.001)

    training_set = load_mnist(root, train=True, download=root is None)
    testing_set = load_mnist(root, train=False, download=root is None)
    augment = RandomAffine(degrees=10, translate=(0.05, 0.05), scale=(0.95, 1.05), shear=5)
    train_loader = DataLoader(
        training_set,
        batch_size=32,
        shuffle=True,
        transform=Compose([augment, ToTensor(), Normalize(0.5, 0.5)]),
        rng=data_rng,
    )
    test_loader = DataLoader(
        testing_set, batch_size=32, transform=Compose([ToTensor(), Normalize(0.5, 0.5)])
    )

    stats = refboot.stats.LearningStats()
    scheduler = refboot.routine.Scheduler()

    for epoch in range(epochs):
        for i, (input, label) in enumerate(train_loader):
            if i == limit:
                break
            net.train()
            mode = scheduler.mode(epoch, i, net.training)

            output = net.forward(input, mode)
            rate = Rate.rate(output)

            loss, grad = cross_entropy(rate, label)
            prediction = rate.argmax(axis=1)

            stats.training.num_samples += len(label)
            stats.training.loss_sum += loss * input.shape[0]
            stats.training.correct_samples += int(np.sum(prediction == label))

            optimizer.zero_grad()
            net.backward(Rate.rate_backward(grad, output.shape[-1]))
            optimizer.step()
        print(f"\r[Epoch {epoch:2d}/{epochs}] {stats}", end="")

        for i, (input, label) in enumerate(test_loader):
            if i == limit:
                break
            net.eval()
            mode = scheduler.mode(epoch, i, net.training)

            output = net.forward(input, mode)
            rate = Rate.rate(output)

            loss, _ = cross_entropy(rate, label)
            prediction = rate.argmax(axis=1)

            stats.testing.num_samples += len(label)
            stats.testing.loss_sum += loss * input.shape[0]
            stats.testing.correct_samples += int(np.sum(prediction == label))

        print(f"\r[Epoch {epoch:2d}/{epochs}] {stats}", end="")

        if mode.base_mode == refboot.Mode.SNN:
            scheduler.sync_snn_stat(stats.testing)
            print("\r", " " * len(f"\r[Epoch {epoch:2d}/{epochs}] {stats}"))
            print(mode)
            print(f"[Epoch {epoch:2d}/{epochs}]\nSNN Testing: {scheduler.snn_stat}")

            if scheduler.snn_stat.best_accuracy:
                save(net, trained_folder + "/network.h5")
            scheduler.update_snn_stat()

        stats.update()
        stats.save(trained_folder + "/")

    print()
    load(net, trained_folder + "/network.h5")
    return net, stats


if __name__ == "__main__":
    main(*sys.argv[1:])
