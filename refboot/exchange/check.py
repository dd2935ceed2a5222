"""What the exchange format cannot hold, and what lava's loader would silently damage."""

from __future__ import annotations

import warnings

from refboot.arrays import Ints
from refboot.errors import FormatError
from refboot.exchange.spec import (
    DECAY_HIGH,
    THRESHOLD_HIGH,
    WEIGHT_HIGH,
    WEIGHT_LOW,
    LayerSpec,
    NeuronSpec,
)


class ExchangeWarning(UserWarning):
    """A file is written or read, but its reader changes or ignores something in it."""


def warn(text: str) -> None:
    """Warn with an ExchangeWarning."""
    warnings.warn(text, ExchangeWarning, stacklevel=3)


def check_layer(name: str, layer: LayerSpec) -> None:
    """Raise FormatError for what the file cannot hold; warn (ExchangeWarning) of what lava's loader
    would change. Spec: NET-11.
    """
    neuron, weight = layer.neuron, layer.weight
    if neuron is not None:
        _check_neuron(name, neuron)
    if weight is not None:
        check_weight(f"the weight of {name}", weight)
    if layer.kind == "input" and neuron is not None and neuron.i_decay != DECAY_HIGH:
        warn(
            f"{name} has iDecay {neuron.i_decay}: the chip adds an input to the voltage, past the "
            "leaky current it was trained with"
        )
    if layer.kind == "input" or weight is None:
        return
    if not weight.any():
        raise FormatError(
            f"the weight of {name}",
            "zero everywhere",
            "at least one weight that is not zero: lava's loader fails at it",
        )
    # The loader scales a matrix up to 8 bits: a least weight of -2^n becomes -256, and then -255.
    least = -int(weight.min())
    if weight.ndim == 2 and weight.max() < 0 and least & (least - 1) == 0:
        warn(
            f"the weight of {name} is negative everywhere, down to -{least}: lava's loader scales "
            "that to -256 and keeps -255"
        )
    if layer.has_bias:
        warn(
            f"{name} has a bias (of a norm): a chip adds it from the first step on, SNN mode when "
            "the first spikes arrive"
        )


def check_weight(name: str, weight: Ints) -> None:
    """Raise FormatError unless every mantissa is an even integer in [-256, 254]."""
    wrong = (weight % 2 != 0) | (weight < WEIGHT_LOW) | (weight > WEIGHT_HIGH)
    if wrong.any():
        raise FormatError(
            name,
            f"{weight[wrong].flat[0]} (times 1/64) somewhere",
            f"even integers in [{WEIGHT_LOW}, {WEIGHT_HIGH}]",
        )


def _check_neuron(name: str, neuron: NeuronSpec) -> None:
    if not 0 < neuron.v_th <= THRESHOLD_HIGH:
        raise FormatError(
            f"the threshold of {name}",
            f"{neuron.v_th} / 64",
            f"in [1, {THRESHOLD_HIGH}] / 64, the 17 bits of the chip",
        )
    if neuron.graded:  # lava's loader makes them binary
        raise FormatError(
            f"the neuron of {name}", "one with graded spikes", "a CUBA neuron with binary spikes"
        )
