"""From an exchange file to a network of blocks."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np

from refboot import arrays
from refboot.block import cuba
from refboot.errors import FormatError
from refboot.exchange import READ_OUT, LayerSpec, NetSpec, read
from refboot.exchange.spec import DECAY_HIGH, Shape, real
from refboot.network import Network
from refboot.neuron.norm import MeanOnlyBatchNorm
from refboot.reference.numbers import DECAY_SCALE, WEIGHT_SCALE

DEFAULT_STEPS = 16


def load(
    path: str | os.PathLike[str], time_steps: int | None = None, seed: int = 0, strict: bool = True
) -> Network:
    """The network in the exchange file `path`, ready for SNN mode, and for ANN mode if the file has
    refboot's curves.

    It runs `time_steps` steps, by default those of the file, or 16. `seed` is for its samplers, if
    it is trained on. `strict` as in `read`. Raises FormatError as `read` and `build` do.
    """
    return build(read(path, strict), time_steps, seed)


def build(net: NetSpec, time_steps: int | None = None, seed: int = 0) -> Network:
    """The network that `net` describes, in evaluation; see `load`.

    A bias becomes the running mean of a norm. Raises FormatError, naming the layer, for a bias that
    cannot be one: of a read-out, or behind a current that leaks.
    """
    arrays.instance("net", net, NetSpec, "what refboot.exchange.read gives")
    steps = None if time_steps is None else arrays.whole("time_steps", time_steps)
    seeds = np.random.SeedSequence(arrays.whole("seed", seed, 0, 2**63 - 1))
    rng = np.random.Generator(np.random.PCG64(seeds))
    pairs = zip(net.layers, net.inputs(), strict=True)
    blocks = [_block(i, layer, shape, rng) for i, (layer, shape) in enumerate(pairs)]
    network = Network(blocks, net.input_shape, steps or net.time_steps or DEFAULT_STEPS)
    for block, layer in zip(network.blocks, net.layers, strict=True):
        _fill(block, layer)
    network.eval()
    return network


def _block(number: int, layer: LayerSpec, shape: Shape, rng: np.random.Generator) -> Any:
    """A block of the layer's kind, sizes and neuron; its weights are still drawn from `rng`."""
    if layer.kind == "flatten":
        return cuba.Flatten()
    spec = layer.neuron or READ_OUT
    neuron: dict[str, Any] = {
        "threshold": spec.v_th / WEIGHT_SCALE,
        "current_decay": spec.i_decay / DECAY_SCALE,
        "voltage_decay": spec.v_decay / DECAY_SCALE,
        "graded_spike": spec.graded,
    }
    if layer.has_bias:
        if layer.read_out or spec.i_decay != DECAY_HIGH:
            expected = "none on a read-out, and iDecay 4096 beside one (refboot has it as a norm)"
            raise FormatError(f"the bias of layer {number} ({layer.kind})", "not zero", expected)
        neuron["norm"] = partial(MeanOnlyBatchNorm, quantised=False)
    if layer.kind == "input":
        return cuba.Input(neuron, 1, 0, delay_shift=layer.delay_shift, rng=rng)
    assert layer.weight is not None
    outputs, inputs = layer.weight.shape[:2]
    if layer.geometry is not None:
        window = layer.geometry
        return cuba.Conv(neuron, shape[0], outputs, *window, delay_shift=layer.delay_shift, rng=rng)
    if layer.read_out:
        return cuba.Affine(neuron, inputs, outputs, rng=rng)
    return cuba.Dense(neuron, inputs, outputs, delay_shift=layer.delay_shift, rng=rng)


def _fill(block: Any, layer: LayerSpec) -> None:
    """Put weights, biases and curve into a block."""
    if layer.kind == "input" and layer.weight is not None and layer.bias is not None:
        block.synapse.weight.data[...] = real(layer.weight)
        block.synapse.bias.data[...] = real(layer.bias)
    elif layer.weight is not None:
        block.synapse.weight.v.data[...] = real(layer.weight)
        if layer.has_bias and layer.bias is not None:
            block.neuron.norm.running_mean.data[...] = -real(layer.bias)
    if layer.curve is not None:
        block.load_buffers({"curve.knots": layer.curve.knots, "curve.slopes": layer.curve.slopes})
