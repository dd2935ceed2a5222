"""A block as plain integers: the layer that an exchange file holds."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Ints
from refboot.errors import FormatError, TypeMismatchError
from refboot.exchange import Geometry, LayerSpec, NeuronSpec
from refboot.exchange.spec import DECAY_HIGH, Shape, mantissas
from refboot.neuron import Spiking, cuba
from refboot.neuron.norm import WgtScaleBatchNorm
from refboot.reference.pool import whole_size
from refboot.synapse import Conv, Dense, Pool, Scalar


def describe(synapse: object, neuron: Spiking, shape: Shape, read_out: bool = False) -> LayerSpec:
    """The layer of a synapse and a neuron for inputs of `shape`: the weights as they are used now,
    the norm as a bias and a shift.

    Raises FormatError for what integers cannot express, TypeMismatchError for an unknown synapse.
    """
    if isinstance(synapse, Scalar):
        scale, offset = synapse.quantised()
        both = mantissas("the weight", scale[0]), mantissas("the bias", offset[0])
        return LayerSpec("input", shape, _neuron(neuron), *both)
    if not isinstance(synapse, (Dense, Conv, Pool)):
        expected = "one that an exchange file has: Scalar, Dense, Conv or Pool"
        raise TypeMismatchError("the synapse", type(synapse).__name__, expected)
    geometry = None
    if isinstance(synapse, Pool):  # lava's loader has no pool, but it is a convolution
        if whole_size((shape[1], shape[2]), synapse.window.kernel) != shape[1:]:
            got = f"a window of {synapse.window.kernel} over {shape[1:]}"
            raise FormatError("the pool", got, "a window that divides the picture")
        used = np.broadcast_to(synapse.quantised(), (shape[0], 1, *synapse.window.kernel))
        geometry = Geometry(*synapse.window, shape[0])
    else:
        used = synapse.weight.quantised()
        if isinstance(synapse, Conv):
            geometry = Geometry(*synapse.window, synapse.groups)
    weight, bias = mantissas("the weight", used), None
    if neuron.norm is not None and not read_out:
        weight, bias = _with_norm(weight, neuron)
    spec = None if read_out and not isinstance(neuron, cuba.Neuron) else _neuron(neuron)
    kind = "dense" if geometry is None else "conv"
    return LayerSpec(kind, synapse.output_shape(shape), spec, weight, bias, geometry, read_out)


def _neuron(neuron: Spiking) -> NeuronSpec:
    """The integers of a CUBA neuron; raises FormatError for any other, for decays that differ
    between channels, and for a reset that is not to zero.
    """
    if not isinstance(neuron, cuba.Neuron) or neuron.device_params.get("type") != "CUBA":
        got = f"{type(neuron).__module__}.{type(neuron).__name__}"
        raise FormatError("the neuron", got, "a CUBA neuron")
    if neuron.reset != "zero":
        raise FormatError("the reset of the neuron", repr(neuron.reset), "'zero'")
    decays = neuron.device_params["iDecay"], neuron.device_params["vDecay"]
    if not (isinstance(decays[0], int) and isinstance(decays[1], int)):
        raise FormatError("the decays of the neuron", "one for each channel", "one for the layer")
    return NeuronSpec(decays[0], decays[1], neuron.v_th_mant, neuron.graded_spike)


def _with_norm(weight: Ints, neuron: Spiking) -> tuple[Ints, Ints | None]:
    """Weight and bias with the norm in them: minus its mean, and over its power of two. Raises
    FormatError if that leaves the integers.
    """
    norm = neuron.norm
    assert norm is not None
    if norm.quantised:
        bias = norm.bias
    else:
        bias = mantissas("the norm's mean", -norm.parameters()["running_mean"].data)
    exponent = norm.weight_exp if isinstance(norm, WgtScaleBatchNorm) else 0
    if exponent and neuron.device_params.get("iDecay") != DECAY_HIGH:
        got = "one that scales, behind a current that leaks"
        raise FormatError("the norm", got, "a current decay of 1")
    for name, values in (("weight", weight), ("bias", bias)):
        if exponent > 0 and (values % (1 << exponent)).any():
            what = f"the {name} over 2^{exponent}, as its norm has it"
            raise FormatError(what, "not whole", "integers")
    weight, bias = ((v << -exponent) if exponent < 0 else (v >> exponent) for v in (weight, bias))
    return weight, bias if bias.any() else None
