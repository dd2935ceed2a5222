"""The tutorial's network and its tasks, done by refboot."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from refboot import data, training
from refboot.arrays import Floats, Ints
from refboot.block import Block
from refboot.block.base import mean_rate
from refboot.errors import FormatError
from refboot.loss import cross_entropy
from refboot.network import Network
from refboot.optim import Adam
from refboot.routine import LayerMode, Mode
from refboot.settings import Settings
from refboot.stats import LearningStat

BATCH = 32


def images(root: str | os.PathLike[str] | None, train: bool = True) -> data.Dataset:
    """MNIST where it is, else the digits enlarged to its size (their background is smaller: the
    numbers are not the same).
    """
    try:
        return data.load_mnist(root, train=train)
    except FormatError:
        small = data.load_digits(train=train)
        pixels = np.pad(
            small.images.repeat(3, axis=2).repeat(3, axis=3), [(0, 0), (0, 0), (2, 2), (2, 2)]
        )
        return data.Dataset(pixels, small.labels, f"{small.name}, enlarged", 10, small.scale)


def batches(dataset: data.Dataset, count: int, size: int = BATCH) -> list[tuple[Floats, Ints]]:
    """`count` batches of `size`, pixels in [-1, 1], in order and over again."""
    chosen = np.arange(count * size).reshape(count, size) % len(dataset)
    pixels = (
        dataset.images.astype(np.float32) / np.float32(dataset.scale) - np.float32(0.5)
    ) / np.float32(0.5)
    return [(pixels[rows], dataset.labels[rows]) for rows in chosen]


class Tutorial:
    """A network in training; each method is one task."""

    def __init__(self, settings: Settings, dataset: data.Dataset) -> None:
        self.settings = settings
        self.batches = batches(dataset, 64)
        self.network: Network = training.build(settings, np.random.default_rng(settings.seed))
        self.optimizer = Adam(self.network.parameters(), lr=settings.lr)
        self.turn = 0
        self.settled = self.network.state()

    def settle(self, steps: int) -> None:
        """Sample, fit, and train for `steps` steps, so that spikes are as rare as they are in a
        run.
        """
        for _ in range(3):
            self.step(Mode.SAMPLE)
        self.step(Mode.FIT)
        for _ in range(steps):
            self.step(Mode.ANN)
        self.settled = self.network.state()

    def again(self) -> None:
        """Back to the network as `settle` left it: trained on and on with so few batches, it would
        spike more and more often.
        """
        self.network.load_state(self.settled)
        self.optimizer = Adam(self.network.parameters(), lr=self.settings.lr)

    def next(self) -> tuple[Floats, Ints]:
        """The next batch."""
        self.turn += 1
        return self.batches[self.turn % len(self.batches)]

    def step(self, mode: Mode) -> None:
        """One training step in `mode`."""
        self.network.train()
        training.train_step(
            self.network, self.optimizer, *self.next(), LayerMode(0, mode), LearningStat()
        )

    def fit(self, samples: int = 10) -> Any:
        """Sample `samples` times, then time nothing but the step that fits: returns that step."""
        for _ in range(samples):
            self.step(Mode.SAMPLE)
        return lambda: self.step(Mode.FIT)

    def points(self) -> list[int]:
        """How many points each layer's sampler keeps."""
        return [block.f.count for block in self.network.blocks if isinstance(block, Block)]

    def infer(self, x: Floats, size: int) -> Floats:
        """The rates of x (N, 784) as a spiking network, `size` at a time."""
        self.network.eval()
        parts = [
            mean_rate(self.network.forward(x[i : i + size], LayerMode(0, Mode.SNN)))
            for i in range(0, len(x), size)
        ]
        return np.concatenate(parts)[..., 0]

    def parts(self, mode: Mode) -> dict[str, Any]:
        """The parts of a step, to be called in this order."""
        found: dict[str, Any] = {}
        self.network.train()

        def forward() -> None:
            x, found["labels"] = self.next()
            found["output"] = self.network.forward(x, LayerMode(0, mode))

        def loss() -> None:
            steps = found["output"].shape[-1]
            _, grad = cross_entropy(found["output"].mean(axis=-1), found["labels"])
            found["grad"] = np.repeat(grad[..., None] / np.float32(steps), steps, axis=-1)

        def backward() -> None:
            self.optimizer.zero_grad()
            self.network.backward(found["grad"])

        return {
            "forward": forward,
            "loss": loss,
            "backward": backward,
            "optimiser": self.optimizer.step,
        }
