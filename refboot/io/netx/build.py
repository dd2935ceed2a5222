"""From an exchange file to a network of blocks."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np

from refboot import arrays
from refboot.arrays import Floats, Ints
from refboot.block import cuba
from refboot.errors import FormatError
from refboot.exchange import READ_OUT, LayerSpec, NetSpec, read
from refboot.exchange.spec import DECAY_HIGH, Shape
from refboot.network import Layer, Network
from refboot.neuron.norm import MeanOnlyBatchNorm
from refboot.reference.fixed_point import DECAY_SCALE, WEIGHT_SCALE

DEFAULT_STEPS = 16


def load(
    path: str | os.PathLike[str], time_steps: int | None = None, seed: int = 0, strict: bool = True
) -> Network:
    """The network in the exchange file `path`, ready for SNN mode, and for ANN mode where refboot
    wrote its curves.

    It takes `time_steps` steps, if not given those of the file, or 16. `seed` is that of what its
    samplers draw, should it be trained on. `strict` as in `read`. Raises FormatError as `read` and
    `build` do.
    """
    return build(read(path, strict), time_steps, seed)


def build(net: NetSpec, time_steps: int | None = None, seed: int = 0) -> Network:
    """The network that `net` describes, in evaluation; see `load`.

    A bias becomes the running mean of a norm. Raises FormatError, naming the layer, for a bias that
    no norm can be: that of a read-out, or one behind a current that leaks.
    """
    arrays.instance("net", net, NetSpec, "what refboot.exchange.read gives")
    steps = None if time_steps is None else arrays.whole("time_steps", time_steps)
    rng = np.random.default_rng(arrays.whole("seed", seed, 0, 2**63 - 1))
    blocks = [
        _block(i, layer, shape, rng)
        for i, (layer, shape) in enumerate(zip(net.layers, net.inputs(), strict=True))
    ]
    network = Network(blocks, net.input_shape, steps or net.time_steps or DEFAULT_STEPS)
    for block, layer in zip(network.blocks, net.layers, strict=True):
        _fill(block, layer)
    network.eval()
    return network


def _block(number: int, layer: LayerSpec, shape: Shape, rng: np.random.Generator) -> Layer:
    if layer.kind == "flatten":
        return cuba.Flatten()
    neuron = neuron_params(f"layer {number} ({layer.kind})", layer)
    if layer.kind == "input":
        return cuba.Input(neuron, 1, 0, delay_shift=layer.delay_shift, rng=rng)
    assert layer.weight is not None
    if layer.geometry is not None:
        kernel, stride, padding, dilation, groups = layer.geometry
        window = kernel, stride, padding, dilation, groups
        return cuba.Conv(
            neuron, shape[0], len(layer.weight), *window, delay_shift=layer.delay_shift, rng=rng
        )
    outputs, inputs = layer.weight.shape
    if layer.read_out:
        return cuba.Affine(neuron, inputs, outputs, rng=rng)
    return cuba.Dense(neuron, inputs, outputs, delay_shift=layer.delay_shift, rng=rng)


def neuron_params(name: str, layer: LayerSpec) -> dict[str, Any]:
    """The arguments of a layer's CUBA neuron, with a norm where the layer has a bias; raises
    FormatError.
    """
    spec = layer.neuron or READ_OUT
    params = {"threshold": spec.v_th / WEIGHT_SCALE, "graded_spike": spec.graded}
    params |= {
        "current_decay": spec.i_decay / DECAY_SCALE,
        "voltage_decay": spec.v_decay / DECAY_SCALE,
    }
    if not has_bias(layer):
        return params
    if layer.read_out or spec.i_decay != DECAY_HIGH:
        raise FormatError(
            f"the bias of {name}",
            "not zero",
            "none on a read-out, and iDecay 4096 beside one (refboot has it as a norm)",
        )
    return params | {"norm": partial(MeanOnlyBatchNorm, quantised=False)}


def has_bias(layer: LayerSpec) -> bool:
    """Whether a layer other than the input adds a bias that is not zero."""
    return layer.kind != "input" and layer.bias is not None and bool(layer.bias.any())


def _fill(block: Any, layer: LayerSpec) -> None:
    """Put weights, biases and curve into a block."""
    if layer.kind == "flatten":
        return
    assert layer.weight is not None
    if layer.kind == "input":
        assert layer.bias is not None
        block.synapse.weight.data[...], block.synapse.bias.data[...] = (
            real(layer.weight),
            real(layer.bias),
        )
    else:
        block.synapse.weight.v.data[...] = real(layer.weight)
    if has_bias(layer):
        assert layer.bias is not None
        block.neuron.norm.running_mean.data[...] = -real(layer.bias)
    if layer.curve is not None:
        block.load_buffers({"curve.knots": layer.curve.knots, "curve.slopes": layer.curve.slopes})


def real(mantissa: Ints) -> Floats:
    """Mantissas in real units, float32."""
    return (mantissa / WEIGHT_SCALE).astype(np.float32)
