"""Builds the network and the data loaders that settings describe."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import numpy as np

from refboot import arrays, data
from refboot.block import Layer, cuba
from refboot.network import Network
from refboot.neuron import Dropout, Spiking, alif, integrate_fire, norm
from refboot.neuron import cuba as cuba_neuron
from refboot.settings import Settings

SIZES = {"digits": 8, "mnist": 28}  # pixels a side
CLASSES = 10
TEST_BATCH = 100  # images
NEURONS = {"cuba": cuba_neuron.Neuron, "if": integrate_fire.Neuron, "alif": alif.Neuron}
NORMS = {"none": None, "mean": norm.MeanOnlyBatchNorm, "scale": norm.WgtScaleBatchNorm}


def build(settings: Settings, rng: np.random.Generator) -> Network:
    """The network that `settings` describes, its weights drawn from `rng`.

    An input layer, dense layers and an affine read-out, as in the tutorial. With `network` "conv",
    pairs of convolution and pooling layers come before the dense ones. Spec: TRN-8.
    """
    arrays.instance("settings", settings, Settings, "a refboot.settings.Settings")
    s, size = settings, SIZES[settings.data]
    shape = (1, size, size) if s.network == "conv" else (size * size,)
    weight: dict[str, Any] = {"weight_scale": s.weight_scale, "weight_norm": s.weight_norm}
    common: dict[str, Any] = {"delay_shift": s.delay_shift, "rng": rng}
    blocks: list[Layer] = [cuba.Input(_neuron(s), s.input_weight, s.input_bias, **common)]
    if s.network == "conv":
        for inputs, outputs in pairwise((1, *s.channels)):
            options = {"padding": s.padding, **weight, **common}
            blocks.append(cuba.Conv(_hidden_neuron(s, rng), inputs, outputs, s.kernel, **options))
            blocks.append(cuba.Pool(_neuron(s), 2, weight_scale=s.pool_scale, **common))
        blocks.append(cuba.Flatten())
    widths = [Network(blocks, shape).shapes[-1][0], *s.hidden]
    for inputs, outputs in pairwise(widths):
        blocks.append(cuba.Dense(_hidden_neuron(s, rng), inputs, outputs, **weight, **common))
    blocks.append(cuba.Affine(_neuron(s), widths[-1], CLASSES, **weight, rng=rng))
    return Network(blocks, shape, s.time_steps)


def _neuron(settings: Settings, **hidden: Any) -> Spiking:
    """A neuron of the kind that `settings` names; `hidden` adds the options of a hidden layer."""
    names = ["threshold", "tau_grad", "scale_grad"]
    if settings.neuron != "if":
        names += ["current_decay", "voltage_decay"]
    if settings.neuron == "alif":
        names += ["threshold_step", "threshold_decay", "refractory_decay"]
    else:
        names += ["reset"]
    return NEURONS[settings.neuron](**{name: getattr(settings, name) for name in names}, **hidden)


def _hidden_neuron(settings: Settings, rng: np.random.Generator) -> Spiking:
    dropout = Dropout(settings.dropout, rng) if settings.dropout else None
    return _neuron(settings, norm=NORMS[settings.norm], dropout=dropout)


def loaders(
    settings: Settings,
    rng: np.random.Generator,
    root: str | os.PathLike[str] | None = None,
    download: bool = False,
) -> tuple[data.DataLoader, data.DataLoader]:
    """Training batches, shuffled and augmented with draws from `rng`, and the test batches.

    Pixels are scaled to [-1, 1]. `root` and `download` say where MNIST is.
    """
    arrays.generator("rng", rng)
    images = _images(settings, root, download, train=True)
    transform: list[Any] = [data.ToTensor(), data.Normalize(0.5, 0.5)]
    if settings.augment:
        augment = data.RandomAffine(
            settings.degrees,
            translate=(settings.translate, settings.translate),
            scale=(1 - settings.scale, 1 + settings.scale),
            shear=settings.shear,
        )
        transform.insert(0, augment)
    training = data.DataLoader(
        images, settings.batch_size, shuffle=True, transform=data.Compose(transform), rng=rng
    )
    return training, evaluation_loader(settings, root, download)


def evaluation_loader(
    settings: Settings, root: str | os.PathLike[str] | None = None, download: bool = False
) -> data.DataLoader:
    """The test images in order, pixels scaled to [-1, 1], in batches of 100."""
    transform = data.Compose([data.ToTensor(), data.Normalize(0.5, 0.5)])
    images = _images(settings, root, download, train=False)
    return data.DataLoader(images, TEST_BATCH, transform=transform)


def _images(
    settings: Settings, root: str | os.PathLike[str] | None, download: bool, train: bool
) -> data.Dataset:
    arrays.instance("settings", settings, Settings, "a refboot.settings.Settings")
    if settings.data == "digits":
        return data.load_digits(train=train)
    return data.load_mnist(root, train=train, download=download)
