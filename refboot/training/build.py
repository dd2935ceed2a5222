"""From settings to a network and its data."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import numpy as np

from refboot.block import cuba
from refboot.data import Compose, DataLoader, Dataset, Normalize, RandomAffine, ToTensor, load_digits, load_mnist
from refboot.network import Layer, Network
from refboot.neuron import Dropout
from refboot.settings import Settings

PIXELS = {"digits": 64, "mnist": 784}
CLASSES = 10


def build(settings: Settings, rng: np.random.Generator) -> Network:
    """The tutorial's kind of network for `settings`: an input layer, dense layers, and an affine read-out; weights drawn from `rng`."""
    neuron: dict[str, Any] = {
        "threshold": settings.threshold,
        "current_decay": settings.current_decay,
        "voltage_decay": settings.voltage_decay,
        "tau_grad": settings.tau_grad,
        "scale_grad": settings.scale_grad,
    }
    hidden = neuron | ({"dropout": Dropout(settings.dropout, rng)} if settings.dropout else {})
    weight = settings.weight_scale, settings.weight_norm
    sizes = [PIXELS[settings.data], *settings.hidden]
    blocks: list[Layer] = [cuba.Input(neuron, settings.input_weight, settings.input_bias, delay_shift=settings.delay_shift, rng=rng)]
    for inputs, outputs in pairwise(sizes):
        blocks.append(cuba.Dense(hidden, inputs, outputs, *weight, delay_shift=settings.delay_shift, rng=rng))
    blocks.append(cuba.Affine(neuron, sizes[-1], CLASSES, *weight, rng=rng))
    return Network(blocks, (sizes[0],), settings.time_steps)


def loaders(
    settings: Settings, rng: np.random.Generator, root: str | os.PathLike[str] | None = None, download: bool = False
) -> tuple[DataLoader, DataLoader]:
    """Training batches, shuffled and augmented by draws from `rng`, and test batches in order, pixels scaled to [-1, 1]."""
    train = images(settings, root, download, train=True)
    moved = [augmentation(settings)] if settings.augment else []
    transform = Compose([*moved, ToTensor(), Normalize(0.5, 0.5)])
    training = DataLoader(train, settings.batch_size, shuffle=True, transform=transform, rng=rng)
    return training, evaluation_loader(settings, root, download)


def evaluation_loader(settings: Settings, root: str | os.PathLike[str] | None = None, download: bool = False) -> DataLoader:
    """The test images in order, pixels scaled to [-1, 1], in batches of 500."""
    return DataLoader(images(settings, root, download), 500, transform=Compose([ToTensor(), Normalize(0.5, 0.5)]))


def images(settings: Settings, root: str | os.PathLike[str] | None, download: bool, train: bool = False) -> Dataset:
    """The images that `settings` names: the test part, or with `train` the other."""
    return load_digits(train=train) if settings.data == "digits" else load_mnist(root, train=train, download=download)


def augmentation(settings: Settings) -> RandomAffine:
    """The random affine transform of the training images."""
    shift = settings.translate
    zoom = (1 - settings.scale, 1 + settings.scale)
    return RandomAffine(degrees=settings.degrees, translate=(shift, shift), scale=zoom, shear=settings.shear or None)
