"""The settings of a run: what `refboot train` takes as options, writes into the run folder and into
every saved network.
"""

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


def option(default: Any, text: str, **acts: tuple[Any, ...]) -> Any:
    """A field with its default and the line of help that the command shows; `acts` names another
    field and its values without which
    this one does nothing."""
    return field(default=default, metadata={"help": text, "acts": acts})


@dataclass(frozen=True)
class Settings:
    """Every choice of a run; the defaults are the tutorial's. Raises RangeError or
    TypeMismatchError for a value that cannot be.
    """

    data: str = option("mnist", "digits (embedded) or mnist")
    epochs: int = option(100, "passes over the training set")
    network: str = option(
        "dense", "dense, or conv: convolution and pooling layers before the dense ones"
    )
    hidden: tuple[int, ...] = option((512, 512), "neurons of each hidden dense layer")
    channels: tuple[int, ...] = option(
        (16, 32),
        "conv: channels of each convolution, each followed by pooling over 2 x 2 pixels",
        network=("conv",),
    )
    kernel: int = option(5, "conv: height and width of the kernels", network=("conv",))
    padding: int = option(0, "conv: zeros on each side of a convolution's input", network=("conv",))
    pool_scale: float = option(
        1.3,
        "conv: weight of the pooling; just above the threshold, one spike in a window makes one",
        network=("conv",),
    )
    time_steps: int = option(16, "steps T of the spiking network")
    batch_size: int = option(32, "images a training step")
    lr: float = option(0.001, "step size of Adam")
    lr_halvings: tuple[int, ...] = option((), "epochs from which the step size is halved once more")
    seed: int = option(0, "seed of everything drawn: weights, order, augmentation, samples kept")
    threshold: float = option(1.25, "firing threshold, rounded down to 1/64")
    current_decay: float = option(1.0, "decay of the current, 0..1", neuron=("cuba", "alif"))
    voltage_decay: float = option(0.03, "decay of the voltage, 0..1", neuron=("cuba", "alif"))
    neuron: str = option(
        "cuba", "cuba, if (integrate-and-fire: no decays) or alif (adaptive threshold)"
    )
    reset: str = option(
        "zero",
        "what a spike does to the voltage of cuba and if: zero, subtract (the threshold) or none",
        neuron=("cuba", "if"),
    )
    threshold_step: float = option(
        0.25, "alif: what a spike adds to the threshold", neuron=("alif",)
    )
    threshold_decay: float = option(
        0.1, "alif: decay of what spikes added to the threshold, 0..1", neuron=("alif",)
    )
    refractory_decay: float = option(
        0.5, "alif: decay of the refractory response, 0..1", neuron=("alif",)
    )
    norm: str = option(
        "none", "batch norm of hidden layers: none, mean (mean only) or scale (also a power of two)"
    )
    tau_grad: float = option(1.0, "width of the surrogate gradient")
    scale_grad: float = option(1.0, "height of the surrogate gradient")
    input_weight: float = option(1.0, "initial weight of the input layer")
    input_bias: float = option(0.0, "initial bias of the input layer")
    weight_scale: float = option(2.0, "factor on the initial weights")
    weight_norm: bool = option(True, "learn weights as length and direction")
    dropout: float = option(0.0, "chance that a hidden neuron is dropped in training")
    delay_shift: bool = option(
        False, "one step of delay after each spiking layer, as lava-dl runs by default"
    )
    num_sample_iter: int = option(10, "iterations that sample, at the start of a sampled epoch")
    sample_period: int = option(10, "epochs from one sampling to the next")
    crossover_epochs: tuple[int, ...] = option(
        (), "epochs from which one more layer stays spiking (hybrid training)"
    )
    degrees: float = option(10.0, "augmentation: largest rotation", augment=(True,))
    translate: float = option(
        0.05, "augmentation: largest shift, as a share of the size", augment=(True,)
    )
    scale: float = option(0.05, "augmentation: largest change of size", augment=(True,))
    shear: float = option(5.0, "augmentation: largest shear, degrees", augment=(True,))
    augment: bool = option(True, "augment the training images")

    def __post_init__(self) -> None:
        choices = {"data": DATASETS, "network": NETWORKS, "neuron": NEURONS, "norm": NORMS}
        for name, allowed in choices.items():
            arrays.choice(name, getattr(self, name), allowed)
        for name in ("epochs", "time_steps", "batch_size", "sample_period", "kernel"):
            arrays.whole(name, getattr(self, name))
        for name in ("seed", "num_sample_iter"):
            arrays.whole(name, getattr(self, name), 0, 2**63 - 1)
        for name, least in (("hidden", 1), ("channels", 1), ("lr_halvings", 0)):
            for size in arrays.items(name, getattr(self, name)):
                arrays.whole(name, size, least)
        for f in dataclasses.fields(self):
            if isinstance(f.default, bool):
                arrays.flag(f.name, getattr(self, f.name))
            elif isinstance(f.default, float):
                arrays.number(f.name, getattr(self, f.name))
        for epoch in arrays.items("crossover_epochs", self.crossover_epochs):
            arrays.whole("crossover_epochs", epoch, 0)
        arrays.number("dropout", self.dropout, 0, 0.999)
        arrays.number("scale", self.scale, 0, 0.999)

    def lr_at(self, epoch: int) -> float:
        """The step size of an epoch: `lr`, halved once for each of `lr_halvings` up to it."""
        return self.lr * 0.5 ** sum(halving <= epoch for halving in self.lr_halvings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            name: list(v) if isinstance(v, tuple) else v
            for name, v in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """What `to_dict` gave; raises FormatError for a name that is unknown, RangeError and
        TypeMismatchError for a bad value.
        """
        arrays.mapping("the settings", values, "a mapping of names to values")
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(map(str, values.keys() - known))
        if unknown:
            raise FormatError(
                "the settings", f"with unknown {unknown}", f"names among {sorted(known)}"
            )
        given: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in values.items()
        }
        return cls(**given)


CONV: dict[str, Any] = {"epochs": 40, "hidden": (128,), "sample_period": 5}
DIGITS: dict[str, Any] = {
    "data": "digits",
    "hidden": (256, 256),
    "lr": 0.002,
    "sample_period": 5,
    "degrees": 8.0,
    "translate": 0.13,
    "scale": 0.1,
    "shear": 0.0,
}
DIGITS_CONV: dict[str, Any] = {
    "epochs": 51,
    "hidden": (64,),
    "channels": (8, 16),
    "kernel": 3,
    "padding": 1,
    "reset": "subtract",
}


def preset(data: str, network: str) -> dict[str, Any]:
    """The defaults of `refboot train` for this data and network, where they are not those of
    Settings.
    """
    arrays.choice("data", data, DATASETS)
    arrays.choice("network", network, NETWORKS)
    chosen: dict[str, Any] = (DIGITS if data == "digits" else {}) | (
        CONV if network == "conv" else {}
    )
    return (
        chosen
        | (DIGITS_CONV if (data, network) == ("digits", "conv") else {})
        | {"data": data, "network": network}
    )
