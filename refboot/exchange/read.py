"""Reading exchange files, refboot's and lava-dl's, older dialects included: each entry is checked,
and what is unknown is refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from refboot.arrays import Ints
from refboot.errors import FormatError
from refboot.exchange import checksum, fields
from refboot.exchange.check import check_weight
from refboot.exchange.spec import (
    DECAY_HIGH,
    THRESHOLD_HIGH,
    Geometry,
    LayerSpec,
    NetSpec,
    NeuronSpec,
    Shape,
)
from refboot.exchange.write import FORMAT, VERSION
from refboot.hdf5 import read_floats, reading, where
from refboot.reference.pwl import Curve

if TYPE_CHECKING:
    import h5py

MOST_LAYERS = 1024
# Until 2022 lava-dl's exporter also wrote what only its training uses.
OLDER = {"theta", "tauRho", "scaleRho"}
NEURON = {"type", "iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike", "wgtExp"} | OLDER
WINDOW = {"kernelSize", "stride", "padding", "dilation"}


def read(path: str | os.PathLike[str], strict: bool = True) -> NetSpec:
    """The network in the file `path`; without `strict`, entries it does not know are passed over
    with an ExchangeWarning.

    Raises FormatError that names the path in the file for a missing or unknown entry, an unknown
    layer or neuron, a wrong type, weights off their grid, shapes that do not fit together, links, a
    wrong checksum, and arrays larger than what is stored. Spec: NET-13.
    """
    with reading(path) as file, fields.strictness(strict):
        layers = fields.subgroup(file, "layer")
        if not 0 < len(layers) <= MOST_LAYERS:
            raise FormatError(where(layers), f"of {len(layers)} layers", f"1 to {MOST_LAYERS}")
        fields.known(layers, [str(number) for number in range(len(layers))])
        net = read_layers([fields.subgroup(layers, str(number)) for number in range(len(layers))])
        return read_own(file, net) if "refboot" in file else read_foreign(file, net)


def is_net(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is an HDF5 file with layers, not a state file; raises FormatError for what is
    no HDF5.
    """
    with reading(path) as file:
        return "layer" in file


def read_layers(groups: list[h5py.Group]) -> NetSpec:
    """The layers in order, each fed with the shape of the one before; the first says itself what it
    is fed with.
    """
    net: list[LayerSpec] = []
    shape = start = first_shape(groups)
    for group in groups:
        kind = fields.word(group, "type")
        if kind not in KINDS:
            raise FormatError(f"{where(group)}/type", repr(kind), f"one of {sorted(KINDS)}")
        if net and net[-1].read_out:
            raise FormatError(
                where(group),
                "a layer behind one that cannot fire",
                "neurons that fire in all layers but the last",
            )
        layer = KINDS[kind](group, shape)
        if kind != "input" or layer.neuron is not None:
            net.append(layer)
        shape = layer.shape
    if not net:
        raise FormatError(
            where(groups[0].parent),
            "an input without neurons alone",
            "at least one layer that computes",
        )
    return NetSpec(tuple(net), start)


def first_shape(groups: list[h5py.Group]) -> Shape:
    """The shape of the input: that of an input layer, flat where a dense layer follows, or as many
    values as the first dense one takes.
    """
    first = fields.word(groups[0], "type")
    if first == "input":
        shape = fields.shape(groups[0])
        dense = len(groups) > 1 and fields.word(groups[1], "type") == "dense"
        return shape[:1] if dense and math.prod(shape) == shape[0] else shape
    if first != "dense":
        raise FormatError(
            f"{where(groups[0])}/type",
            repr(first),
            "an input layer, or a dense one, that says what the network is fed with",
        )
    return (fields.integer(groups[0], "inFeatures", 1, fields.BIGGEST),)


def read_input(group: h5py.Group, shape: Shape) -> LayerSpec:
    """An input layer: one weight and one bias for all (64 and 0 where there are none)."""
    fields.known(group, {"type", "shape", "weight", "bias", "neuron"})
    weight, bias = (
        _scalar(group, name, default) for name, default in (("weight", 64), ("bias", 0))
    )
    return LayerSpec("input", shape, read_neuron(group), weight, bias)


def read_dense(group: h5py.Group, shape: Shape) -> LayerSpec:
    """A dense layer, its weight (out, in) or flat; without a neuron, or with one that cannot fire,
    it is a read-out. Spec: NET-8.
    """
    fields.known(group, {"type", "shape", "inFeatures", "outFeatures", "weight", "bias", "neuron"})
    inputs, outputs = (
        fields.integer(group, f"{side}Features", 1, fields.BIGGEST) for side in ("in", "out")
    )
    _expect(group, "inFeatures", (inputs,), shape)
    _expect(group, "shape", (math.prod(fields.shape(group)),), (outputs,))
    weight = _weight(group, (outputs, inputs), flat=True)
    neuron = read_neuron(group)
    read_out = neuron is None or neuron.v_th >= THRESHOLD_HIGH
    return LayerSpec(
        "dense",
        (outputs,),
        None if read_out else neuron,
        weight,
        _bias(group, outputs),
        read_out=read_out,
    )


def read_conv(group: h5py.Group, shape: Shape) -> LayerSpec:
    """A convolution, its weight (out, in / groups, kh, kw), an axis of size 1 behind it or not."""
    fields.known(
        group,
        {"type", "shape", "inChannels", "outChannels", "groups", "weight", "bias", "neuron"}
        | WINDOW,
    )
    inputs, outputs, parts = (
        fields.integer(group, name, 1, fields.BIGGEST)
        for name in ("inChannels", "outChannels", "groups")
    )
    geometry = read_geometry(group, parts)
    if len(shape) != 3 or shape[0] != inputs or inputs % parts or outputs % parts:
        raise FormatError(
            f"{where(group)}/inChannels",
            f"{inputs} in {parts} groups",
            f"the channels of (C, H, W) before it, {shape}",
        )
    _expect(group, "shape", fields.shape(group), (outputs, *geometry.output(shape[1:])))
    weight = _weight(group, (outputs, inputs // parts, *geometry.kernel))
    return LayerSpec(
        "conv", fields.shape(group), _spiking(group), weight, _bias(group, outputs), geometry
    )


def read_pool(group: h5py.Group, shape: Shape) -> LayerSpec:
    """A sum over windows, as the convolution of each channel for itself that it is; its one weight
    may have axes of size 1.
    """
    fields.known(group, {"type", "shape", "weight", "neuron"} | WINDOW)
    if len(shape) != 3:
        raise FormatError(where(group), f"a pool behind shape {shape}", "one behind (C, H, W)")
    geometry = read_geometry(group, shape[0])
    _expect(group, "shape", fields.shape(group), (shape[0], *geometry.output(shape[1:])))
    fields.dataset(group, "weight")
    weight = np.unique(_weight(group, None))
    if len(weight) != 1:
        raise FormatError(
            f"{where(group)}/weight", f"{len(weight)} values", "one value, for a pool is a sum"
        )
    full = np.full((shape[0], 1, *geometry.kernel), weight[0], np.int64)
    return LayerSpec("conv", fields.shape(group), _spiking(group), full, None, geometry)


def read_flatten(group: h5py.Group, shape: Shape) -> LayerSpec:
    """A change of shape."""
    fields.known(group, {"type", "shape"})
    _expect(group, "shape", (math.prod(fields.shape(group)),), (math.prod(shape),))
    return LayerSpec("flatten", (math.prod(shape),))


KINDS: dict[str, Callable[[h5py.Group, Shape], LayerSpec]] = {
    "input": read_input,
    "dense": read_dense,
    "conv": read_conv,
    "pool": read_pool,
    "flatten": read_flatten,
}


def read_geometry(group: h5py.Group, parts: int) -> Geometry:
    """The window of a convolution or pool; pairs are (height, width), one number stands for
    both.
    """
    kernel, stride, dilation = (
        fields.pair(group, name, 1) for name in ("kernelSize", "stride", "dilation")
    )
    return Geometry(kernel, stride, fields.pair(group, "padding", 0), dilation, parts)


def read_neuron(layer: h5py.Group) -> NeuronSpec | None:
    """The neuron of a layer, or None where the layer has none. LOIHI is the older name of CUBA.
    Spec: NET-18.
    """
    if "neuron" not in layer:
        return None
    group = fields.subgroup(layer, "neuron")
    kind = fields.word(group, "type")
    if kind not in {"CUBA", "LOIHI"}:
        raise FormatError(f"{where(group)}/type", repr(kind), "CUBA or LOIHI")
    fields.known(group, NEURON)
    fields.integer(group, "refDelay", 1, 1)
    if "wgtExp" in group:
        fields.integer(group, "wgtExp", 0, 0)
    i_decay, v_decay = (fields.integer(group, name, 0, DECAY_HIGH) for name in ("iDecay", "vDecay"))
    return NeuronSpec(
        i_decay,
        v_decay,
        fields.integer(group, "vThMant", 1, 1 << 18),
        fields.flag(group, "gradedSpike"),
    )


def read_own(file: h5py.File, net: NetSpec) -> NetSpec:
    """`net` with what only refboot writes; raises FormatError for another version and a wrong
    checksum.
    """
    own = fields.subgroup(file, "refboot")
    found = own.attrs.get("format"), own.attrs.get("version")
    if found[0] != FORMAT or found[1] != VERSION:
        raise FormatError(
            where(own), f"of format {found[0]}, version {found[1]}", f"{FORMAT}, version {VERSION}"
        )
    if own.attrs.get(checksum.NAME) != checksum.digest(file["layer"], own):
        raise FormatError(
            f"the checksum of {where(own)}", "not that of the content", "a file that nobody changed"
        )
    layers = [_with_own(own, number, layer) for number, layer in enumerate(net.layers)]
    shape = tuple(int(size) for size in np.ravel(own.attrs["input_shape"]))
    if math.prod(shape) != math.prod(net.input_shape):
        raise FormatError(
            f"input_shape of {where(own)}", shape, f"{net.input_shape}, as the layers have it"
        )
    steps = own.attrs.get("time_steps")
    notes: dict[str, Any] = json.loads(own.attrs["notes"])
    return NetSpec(tuple(layers), net.input_shape, None if steps is None else int(steps), notes)


def read_foreign(file: h5py.File, net: NetSpec) -> NetSpec:
    """`net` with the steps that lava-dl's `simulation` names, if it does."""
    steps = None
    if "simulation" in file and "tSample" in fields.subgroup(file, "simulation"):
        steps = fields.integer(fields.subgroup(file, "simulation"), "tSample", 1, 1 << 20)
    return dataclasses.replace(net, time_steps=steps, origin="lava-dl")


def _with_own(own: h5py.Group, number: int, layer: LayerSpec) -> LayerSpec:
    group = fields.subgroup(own, f"layer/{number}")
    curve, neuron = None, layer.neuron
    if "knots" in group:
        curve = Curve(
            read_floats(fields.dataset(group, "knots")),
            read_floats(fields.dataset(group, "slopes")),
        )
    if group.attrs["read_out"] and "v_th" in group.attrs:
        i_decay, v_decay, v_th = (int(group.attrs[name]) for name in ("i_decay", "v_decay", "v_th"))
        neuron = NeuronSpec(i_decay, v_decay, v_th)
    shift = bool(group.attrs["delay_shift"])
    return dataclasses.replace(
        layer, neuron=neuron, curve=curve, delay_shift=shift, read_out=bool(group.attrs["read_out"])
    )


def _spiking(group: h5py.Group) -> NeuronSpec:
    fields.subgroup(group, "neuron")
    neuron = read_neuron(group)
    assert neuron is not None
    return neuron


def _expect(group: h5py.Group, name: str, got: Shape, wanted: Shape) -> None:
    if got != wanted:
        raise FormatError(
            f"{where(group)}/{name}",
            got,
            f"{wanted}, as the layers before it and its own sizes have it",
        )


def _scalar(group: h5py.Group, name: str, default: int) -> Ints:
    value = fields.integer(group, name, -256, 254) if name in group else default
    check_weight(f"{where(group)}/{name}", np.array([value]))
    return np.array(value, np.int64)


def _weight(group: h5py.Group, shape: Shape | None, flat: bool = False) -> Ints:
    """The weight in `shape` (None: in any), refused before it is read if it has another number of
    values.
    """
    item = fields.dataset(group, "weight")
    own: Shape = () if item.shape is None else item.shape
    while shape is not None and len(own) > len(shape) and own[-1] == 1:
        own = own[:-1]
    if shape is not None and own != shape and not (flat and own == (math.prod(shape),)):
        raise FormatError(where(item), f"of shape {item.shape}", f"{shape}")
    weight = fields.integers(group, "weight")
    check_weight(where(item), weight)
    return weight if shape is None else weight.reshape(shape)


def _bias(group: h5py.Group, outputs: int) -> Ints | None:
    if "bias" not in group:
        return None
    item = fields.dataset(group, "bias")
    if item.size not in (1, outputs):
        raise FormatError(where(item), f"of shape {item.shape}", f"({outputs},) or one number")
    return np.broadcast_to(fields.integers(group, "bias").reshape(-1), (outputs,)).copy()
