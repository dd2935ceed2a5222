"""From settings to a network and its data."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import numpy as np

from refboot import arrays
from refboot import neuron as neurons
from refboot.block import cuba
from refboot.data import (
    Compose,
    DataLoader,
    Dataset,
    Normalize,
    RandomAffine,
    ToTensor,
    load_digits,
    load_mnist,
)
from refboot.network import Layer, Network
from refboot.neuron import Dropout, Spiking, alif, integrate_fire, norm
from refboot.settings import Settings

SIZES = {"digits": 8, "mnist": 28}
CLASSES = 10
TESTED_AT_ONCE = 100  # images
NORMS = {"none": None, "mean": norm.MeanOnlyBatchNorm, "scale": norm.WgtScaleBatchNorm}


def build(settings: Settings, rng: np.random.Generator) -> Network:
    """The network that `settings` describes; weights drawn from `rng`.

    The tutorial's kind: an input layer, dense layers, and an affine read-out; or with convolution
    and pooling before the dense ones.

    Spec: TRN-8.
    """
    arrays.instance("settings", settings, Settings, "a refboot.settings.Settings")
    size = SIZES[settings.data]
    shape: tuple[int, ...] = (1, size, size) if settings.network == "conv" else (size * size,)
    scale, bias = settings.input_weight, settings.input_bias
    blocks: list[Layer] = [
        cuba.Input(make_neuron(settings), scale, bias, delay_shift=settings.delay_shift, rng=rng)
    ]
    if settings.network == "conv":
        blocks += conv_blocks(settings, rng)
    inputs = Network(blocks, shape).shapes[-1][0]
    for outputs in settings.hidden:
        neuron = make_neuron(settings, hidden=True, rng=rng)
        blocks.append(
            cuba.Dense(
                neuron,
                inputs,
                outputs,
                *weight(settings),
                delay_shift=settings.delay_shift,
                rng=rng,
            )
        )
        inputs = outputs
    blocks.append(cuba.Affine(make_neuron(settings), inputs, CLASSES, *weight(settings), rng=rng))
    return Network(blocks, shape, settings.time_steps)


def conv_blocks(settings: Settings, rng: np.random.Generator) -> list[Layer]:
    """A convolution and a pooling layer for each of `settings.channels`, then a Flatten."""
    blocks: list[Layer] = []
    shift, (scale, weight_norm) = settings.delay_shift, weight(settings)
    for inputs, outputs in pairwise((1, *settings.channels)):
        neuron = make_neuron(settings, hidden=True, rng=rng)
        window = inputs, outputs, settings.kernel, 1, settings.padding
        blocks.append(
            cuba.Conv(
                neuron,
                *window,
                weight_scale=scale,
                weight_norm=weight_norm,
                delay_shift=shift,
                rng=rng,
            )
        )
        blocks.append(
            cuba.Pool(
                make_neuron(settings),
                2,
                weight_scale=settings.pool_scale,
                delay_shift=shift,
                rng=rng,
            )
        )
    return [*blocks, cuba.Flatten()]


def weight(settings: Settings) -> tuple[float, bool]:
    """Scale and norm of the weights."""
    return settings.weight_scale, settings.weight_norm


def make_neuron(
    settings: Settings, hidden: bool = False, rng: np.random.Generator | None = None
) -> Spiking:
    """A neuron of the kind that `settings` names; in a hidden layer with its norm and, drawing from
    `rng`, its dropout.
    """
    given: dict[str, Any] = {
        name: getattr(settings, name) for name in ("threshold", "tau_grad", "scale_grad")
    }
    if hidden:
        dropout = None if not settings.dropout or rng is None else Dropout(settings.dropout, rng)
        given |= {"norm": NORMS[settings.norm], "dropout": dropout}
    if settings.neuron == "if":
        return integrate_fire.Neuron(**given, reset=settings.reset)
    given |= {"current_decay": settings.current_decay, "voltage_decay": settings.voltage_decay}
    if settings.neuron == "cuba":
        return neurons.cuba.Neuron(**given, reset=settings.reset)
    adaptive = {
        name: getattr(settings, name)
        for name in ("threshold_step", "threshold_decay", "refractory_decay")
    }
    return alif.Neuron(**given, **adaptive)


def loaders(
    settings: Settings,
    rng: np.random.Generator,
    root: str | os.PathLike[str] | None = None,
    download: bool = False,
) -> tuple[DataLoader, DataLoader]:
    """Training batches, shuffled and augmented by draws from `rng`, and test batches in order,
    pixels scaled to [-1, 1].
    """
    arrays.generator("rng", rng)
    train = images(settings, root, download, train=True)
    moved = [augmentation(settings)] if settings.augment else []
    transform = Compose([*moved, ToTensor(), Normalize(0.5, 0.5)])
    training = DataLoader(train, settings.batch_size, shuffle=True, transform=transform, rng=rng)
    return training, evaluation_loader(settings, root, download)


def evaluation_loader(
    settings: Settings, root: str | os.PathLike[str] | None = None, download: bool = False
) -> DataLoader:
    """The test images in order, pixels scaled to [-1, 1], in batches that take little memory."""
    arrays.instance("settings", settings, Settings, "a refboot.settings.Settings")
    return DataLoader(
        images(settings, root, download),
        TESTED_AT_ONCE,
        transform=Compose([ToTensor(), Normalize(0.5, 0.5)]),
    )


def images(
    settings: Settings, root: str | os.PathLike[str] | None, download: bool, train: bool = False
) -> Dataset:
    """The images that `settings` names: the test part, or with `train` the other."""
    arrays.instance("settings", settings, Settings, "a refboot.settings.Settings")
    return (
        load_digits(train=train)
        if settings.data == "digits"
        else load_mnist(root, train=train, download=download)
    )


def augmentation(settings: Settings) -> RandomAffine:
    """The random affine transform of the training images."""
    shift = settings.translate
    zoom = (1 - settings.scale, 1 + settings.scale)
    return RandomAffine(
        degrees=settings.degrees, translate=(shift, shift), scale=zoom, shear=settings.shear or None
    )
