"""What the exchange format cannot carry, and what lava's loader would damage without a word."""

from __future__ import annotations

import warnings

from refboot.arrays import Ints
from refboot.errors import FormatError
from refboot.exchange.fields import ExchangeWarning
from refboot.exchange.spec import (
    DECAY_HIGH,
    THRESHOLD_HIGH,
    WEIGHT_HIGH,
    WEIGHT_LOW,
    LayerSpec,
    NeuronSpec,
)


def check_layer(name: str, layer: LayerSpec) -> None:
    """Raise FormatError for what the file cannot carry, warn (ExchangeWarning) of what lava's
    loader would change. Spec: NET-11.
    """
    if layer.neuron is not None:
        check_neuron(name, layer.neuron)
    if layer.weight is not None:
        check_weight(f"the weight of {name}", layer.weight)
    if layer.kind == "input":
        check_input(name, layer)
    elif layer.weight is not None:
        check_loader(f"the weight of {name}", layer.weight)
        check_bias(name, layer)


def check_weight(name: str, weight: Ints) -> None:
    """Raise FormatError unless every mantissa is an even integer in [-256, 254]."""
    wrong = (weight % 2 != 0) | (weight < WEIGHT_LOW) | (weight > WEIGHT_HIGH)
    if wrong.any():
        raise FormatError(
            name,
            f"{weight[wrong].flat[0]} (times 1/64) somewhere",
            f"even integers in [{WEIGHT_LOW}, {WEIGHT_HIGH}]",
        )


def check_neuron(name: str, neuron: NeuronSpec) -> None:
    """Raise FormatError for a threshold of more than 17 bits and for graded spikes, which lava's
    loader turns into binary ones.
    """
    if not 0 < neuron.v_th <= THRESHOLD_HIGH:
        raise FormatError(
            f"the threshold of {name}",
            f"{neuron.v_th} / 64",
            f"in [1, {THRESHOLD_HIGH}] / 64, the 17 bits of the chip",
        )
    if neuron.graded:
        raise FormatError(
            f"the neuron of {name}",
            "of graded spikes",
            "binary spikes: a CUBA neuron of a .net file has no others",
        )


def check_input(name: str, layer: LayerSpec) -> None:
    """Warn of an input current that leaks: the input is injected as a bias of the voltage, past the
    current.
    """
    if layer.neuron is not None and layer.neuron.i_decay != DECAY_HIGH:
        text = f"{name} has iDecay {layer.neuron.i_decay}: an injected input does not pass through the leaky current it was trained with"
        warnings.warn(text, ExchangeWarning, stacklevel=2)


def check_bias(name: str, layer: LayerSpec) -> None:
    """Warn of a bias: the chip adds it from the first step on, while the layer still waits for its
    first spikes.
    """
    if layer.bias is not None and layer.bias.any():
        text = f"{name} has a bias (of a norm): a chip adds it from the first step on, before the first spikes arrive, SNN mode with them"
        warnings.warn(text, ExchangeWarning, stacklevel=2)


def check_loader(name: str, weight: Ints) -> None:
    """Raise FormatError for zeros only, at which lava's loader fails; warn of negative dense
    weights that it changes by a bit.

    It scales a matrix up as far as 8 bits go. Where all weights are negative and the least is a
    power of two, that least becomes
    -256, which its unsigned magnitudes of 8 bits hold as -255.
    """
    if not weight.any():
        raise FormatError(
            name,
            "zero everywhere",
            "at least one weight that is not zero: lava's loader fails at it",
        )
    least = -int(weight.min())
    if weight.ndim == 2 and weight.max() < 0 and least & (least - 1) == 0:
        text = f"{name} is negative everywhere, down to -{least}: lava's loader scales that to -256 and keeps -255"
        warnings.warn(text, ExchangeWarning, stacklevel=2)
