"""The settings of a run: the options of `refboot train`, saved with each network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from refboot import arrays
from refboot.errors import FormatError

DATASETS = ("digits", "mnist")
NETWORKS = ("dense", "conv")
NEURONS = ("cuba", "if", "alif")
NORMS = ("none", "mean", "scale")
# Settings that have an effect only while another one has one of the given values.
NEEDS: tuple[tuple[tuple[str, ...], str, tuple[Any, ...]], ...] = (
    (("channels", "kernel", "padding", "pool_scale"), "network", ("conv",)),
    (("current_decay", "voltage_decay"), "neuron", ("cuba", "alif")),
    (("reset",), "neuron", ("cuba", "if")),
    (("threshold_step", "threshold_decay", "refractory_decay"), "neuron", ("alif",)),
    (("degrees", "translate", "scale", "shear"), "augment", (True,)),
)


def option(default: Any, text: str) -> Any:
    """A field with its default and the help text of the command."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Settings:
    """Every choice of a run; the defaults are the tutorial's.

    Raises RangeError or TypeMismatchError for a value that is not allowed.
    """

    data: str = option("mnist", "digits (included) or mnist")
    epochs: int = option(100, "passes over the training images")
    network: str = option("dense", "dense, or conv: convolution and pooling before dense layers")
    hidden: tuple[int, ...] = option((512, 512), "neurons of each hidden dense layer")
    channels: tuple[int, ...] = option((16, 32), "conv: channels of each convolution")
    kernel: int = option(5, "conv: height and width of the kernels")
    padding: int = option(0, "conv: zeros on each side of a convolution's input")
    pool_scale: float = option(1.3, "conv: weight of the 2 x 2 pooling after each convolution")
    time_steps: int = option(16, "time steps T of the spiking network")
    batch_size: int = option(32, "images per training step")
    lr: float = option(0.001, "learning rate of Adam")
    lr_halvings: tuple[int, ...] = option((), "epochs at which the learning rate is halved")
    seed: int = option(0, "seed of all draws: weights, order, augmentation, samples kept")
    threshold: float = option(1.25, "firing threshold, rounded down to 1/64")
    current_decay: float = option(1.0, "decay of the current, 0..1")
    voltage_decay: float = option(0.03, "decay of the voltage, 0..1")
    neuron: str = option("cuba", "cuba, if (no decays) or alif (adaptive threshold)")
    reset: str = option("zero", "cuba, if: voltage after a spike: zero, subtract (threshold), none")
    threshold_step: float = option(0.25, "alif: what a spike adds to the threshold")
    threshold_decay: float = option(0.1, "alif: decay of what spikes added, 0..1")
    refractory_decay: float = option(0.5, "alif: decay of the refractory response, 0..1")
    norm: str = option("none", "batch norm of hidden layers: none, mean, or scale (power of two)")
    tau_grad: float = option(1.0, "width of the surrogate gradient")
    scale_grad: float = option(1.0, "height of the surrogate gradient")
    input_weight: float = option(1.0, "initial weight of the input layer")
    input_bias: float = option(0.0, "initial bias of the input layer")
    weight_scale: float = option(2.0, "factor on the initial weights")
    weight_norm: bool = option(True, "train weights as length and direction")
    dropout: float = option(0.0, "probability that a hidden neuron is dropped in training")
    delay_shift: bool = option(False, "a delay of one step after each spiking layer, as in lava-dl")
    num_sample_iter: int = option(10, "iterations that sample, at the start of a sampled epoch")
    sample_period: int = option(10, "epochs from one sampled epoch to the next")
    crossover_epochs: tuple[int, ...] = option((), "epochs at which one more layer stays spiking")
    degrees: float = option(10.0, "augmentation: largest rotation")
    translate: float = option(0.05, "augmentation: largest shift, as a fraction of the size")
    scale: float = option(0.05, "augmentation: largest change of size, as a fraction")
    shear: float = option(5.0, "augmentation: largest shear, in degrees")
    augment: bool = option(True, "augment the training images")

    def __post_init__(self) -> None:
        choices = {"data": DATASETS, "network": NETWORKS, "neuron": NEURONS, "norm": NORMS}
        for name, allowed in choices.items():
            arrays.choice(name, getattr(self, name), allowed)
        for name in ("epochs", "time_steps", "batch_size", "sample_period", "kernel"):
            arrays.whole(name, getattr(self, name))
        for name in ("seed", "num_sample_iter"):
            arrays.whole(name, getattr(self, name), 0, 2**63 - 1)
        least = {"hidden": 1, "channels": 1, "lr_halvings": 0, "crossover_epochs": 0}
        for name, low in least.items():
            for item in arrays.items(name, getattr(self, name)):
                arrays.whole(name, item, low)
        for f in dataclasses.fields(self):
            if isinstance(f.default, bool):
                arrays.flag(f.name, getattr(self, f.name))
            elif isinstance(f.default, float):
                arrays.number(f.name, getattr(self, f.name))
        arrays.number("dropout", self.dropout, 0, 0.999)
        arrays.number("scale", self.scale, 0, 0.999)

    def lr_at(self, epoch: int) -> float:
        """The learning rate of an epoch: `lr`, halved at each of `lr_halvings` up to it."""
        return self.lr * 0.5 ** sum(halving <= epoch for halving in self.lr_halvings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        values = dataclasses.asdict(self).items()
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """The settings that `to_dict` gave.

        Raises FormatError for an unknown name, RangeError and TypeMismatchError for a bad value.
        """
        arrays.mapping("the settings", values, "a mapping of names to values")
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(map(str, values.keys() - known))
        if unknown:
            got, expected = f"with unknown {unknown}", f"names among {sorted(known)}"
            raise FormatError("the settings", got, expected)
        given: Any = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        return cls(**given)


CONV: dict[str, Any] = {"epochs": 40, "hidden": (128,), "sample_period": 5}
DIGITS: dict[str, Any] = {"data": "digits", "hidden": (256, 256), "lr": 0.002, "sample_period": 5}
DIGITS |= {"degrees": 8.0, "translate": 0.13, "scale": 0.1, "shear": 0.0}
DIGITS_CONV: dict[str, Any] = {"epochs": 51, "hidden": (64,), "channels": (8, 16), "kernel": 3}
DIGITS_CONV |= {"padding": 1, "reset": "subtract"}


def preset(data: str, network: str) -> dict[str, Any]:
    """The defaults of `refboot train` for this data and network that differ from Settings."""
    arrays.choice("data", data, DATASETS)
    arrays.choice("network", network, NETWORKS)
    chosen = (DIGITS if data == "digits" else {}) | (CONV if network == "conv" else {})
    if (data, network) == ("digits", "conv"):
        chosen = chosen | DIGITS_CONV
    return chosen | {"data": data, "network": network}
