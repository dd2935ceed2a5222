"""A block as plain integers: the layer that an exchange file holds."""

from __future__ import annotations

import dataclasses

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.errors import FormatError, TypeMismatchError
from refboot.exchange import Geometry, LayerSpec, NeuronSpec
from refboot.exchange.spec import DECAY_HIGH, Shape
from refboot.neuron import Spiking, cuba
from refboot.neuron.norm import WgtScaleBatchNorm
from refboot.reference.fixed_point import WEIGHT_SCALE
from refboot.reference.pool import whole_size
from refboot.synapse import Conv, Dense, Pool, Scalar


def describe(synapse: object, neuron: Spiking, shape: Shape, read_out: bool = False) -> LayerSpec:
    """The layer of a synapse and a neuron for inputs of `shape`, its weights as they are used now,
    its norm as a bias.

    Raises FormatError for what integers of the exchange file cannot say, TypeMismatchError for an
    unknown kind of synapse.
    """
    if isinstance(synapse, Scalar):
        scale, offset = synapse.quantised()
        return LayerSpec(
            "input",
            shape,
            neuron_spec(neuron),
            mantissas("weight", scale[0]),
            mantissas("bias", offset[0]),
        )
    if isinstance(synapse, Dense):
        spec = neuron if isinstance(neuron, cuba.Neuron) else None
        layer = LayerSpec(
            "dense",
            synapse.output_shape(shape),
            None if read_out and spec is None else neuron_spec(neuron),
        )
        layer = dataclasses.replace(
            layer, weight=mantissas("weight", synapse.weight.quantised()), read_out=read_out
        )
    elif isinstance(synapse, Conv):
        geometry = Geometry(*synapse.window, synapse.groups)
        weight = mantissas("weight", synapse.weight.quantised())
        layer = LayerSpec(
            "conv", synapse.output_shape(shape), neuron_spec(neuron), weight, None, geometry
        )
    elif isinstance(synapse, Pool):
        layer = pool_layer(synapse, neuron, shape)
    else:
        raise TypeMismatchError(
            "the synapse",
            type(synapse).__name__,
            "one that an exchange file has: Scalar, Dense, Conv or Pool",
        )
    return layer if read_out else with_norm(layer, neuron)


def pool_layer(synapse: Pool, neuron: Spiking, shape: Shape) -> LayerSpec:
    """A pool as the convolution of each channel for itself that it is: lava's loader has no
    pool.
    """
    if whole_size((shape[1], shape[2]), synapse.window.kernel) != shape[1:]:
        raise FormatError(
            "the pool",
            f"a window of {synapse.window.kernel} over {shape[1:]}",
            "a window that divides the picture",
        )
    weight = np.broadcast_to(
        mantissas("weight", synapse.quantised()), (shape[0], 1, *synapse.window.kernel)
    ).copy()
    geometry = Geometry(*synapse.window, shape[0])
    return LayerSpec(
        "conv", synapse.output_shape(shape), neuron_spec(neuron), weight, None, geometry
    )


def neuron_spec(neuron: Spiking) -> NeuronSpec:
    """The integers of a CUBA neuron; raises FormatError for any other, for decays of each channel's
    own and for a reset not to zero.
    """
    params = neuron.device_params
    if params.get("type") != "CUBA" or not isinstance(neuron, cuba.Neuron):
        raise FormatError(
            "the neuron", f"{type(neuron).__module__}.{type(neuron).__name__}", "a CUBA neuron"
        )
    if neuron.reset != "zero":
        raise FormatError("the reset of the neuron", repr(neuron.reset), "'zero'")
    i_decay, v_decay = params["iDecay"], params["vDecay"]
    if not isinstance(i_decay, int) or not isinstance(v_decay, int):
        raise FormatError("the decays of the neuron", "one for each channel", "one for the layer")
    return NeuronSpec(i_decay, v_decay, neuron.v_th_mant, neuron.graded_spike)


def with_norm(layer: LayerSpec, neuron: Spiking) -> LayerSpec:
    """`layer` with the bias that its norm has come to, and with its weights shifted, where the norm
    scales.
    """
    norm = neuron.norm
    if norm is None or layer.weight is None or layer.neuron is None:
        return layer
    if not norm.quantised:
        mean = norm.parameters()["running_mean"].data
        bias = mantissas("the norm's mean", -mean)
    else:
        bias = norm.bias
    exponent = norm.weight_exp if isinstance(norm, WgtScaleBatchNorm) else 0
    if exponent and layer.neuron.i_decay != DECAY_HIGH:
        raise FormatError(
            "the norm", "one that scales, behind a current that leaks", "a current decay of 1"
        )
    moved = shifted("bias", bias, exponent) if bias.any() else None
    return dataclasses.replace(layer, weight=shifted("weight", layer.weight, exponent), bias=moved)


def shifted(name: str, values: Ints, exponent: int) -> Ints:
    """`values` / 2^exponent; raises FormatError where that leaves the integers."""
    if exponent <= 0:
        return values << -exponent
    if (values % (1 << exponent)).any():
        raise FormatError(
            f"the {name} over 2^{exponent}, as its norm has it", "not whole", "integers"
        )
    return values >> exponent


def mantissas(name: str, values: Floats) -> Ints:
    """Real values as integers in units of 1/64; raises FormatError where they are none (a weight
    without quantisation).
    """
    scaled = np.asarray(values, np.float64) * WEIGHT_SCALE
    if not np.isfinite(scaled).all() or (scaled != np.rint(scaled)).any():
        raise FormatError(
            f"the {name}", "off the grid", f"multiples of 1/{WEIGHT_SCALE}: a quantised {name}"
        )
    return np.rint(scaled).astype(np.int64)
