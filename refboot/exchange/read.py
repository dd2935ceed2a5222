"""Reading exchange files, refboot's and lava-dl's, older dialects included: every entry is checked,
and unknown ones are refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from refboot import arrays
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
from refboot.hdf5 import read_floats, reading, what, where
from refboot.reference.pwl import Curve

if TYPE_CHECKING:
    import h5py

MOST_LAYERS = 1024
# Until 2022 lava-dl's exporter also wrote what only its training uses.
OLDER = {"wgtExp", "theta", "tauRho", "scaleRho"}
NEURON = {"type", "iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike"} | OLDER
WINDOW = {"kernelSize", "stride", "padding", "dilation"}


def read(path: str | os.PathLike[str], strict: bool = True) -> NetSpec:
    """The network in the file `path`; unless `strict`, unknown entries are ignored with an
    ExchangeWarning.

    Raises FormatError that names the path in the file for a missing or unknown entry, an unknown
    layer or neuron, a wrong type, weights off their grid, shapes that do not fit together, links, a
    wrong checksum, and arrays larger than what is stored. Spec: NET-13.
    """
    strict = arrays.flag("strict", strict)
    with reading(path) as file:
        if "layer" not in file:
            raise FormatError(str(path), what(file), "an exchange file (.net)")
        layers = fields.subgroup(file, "layer")
        names = [str(number) for number in range(len(layers))]
        if not 0 < len(names) <= MOST_LAYERS:
            raise FormatError(where(layers), f"of {len(names)} layers", f"1 to {MOST_LAYERS}")
        fields.known(layers, names, strict=True)
        net = _read_layers([fields.subgroup(layers, name) for name in names], strict)
        if "refboot" in file:
            return _with_own(file, net)
        times = fields.subgroup(file, "simulation") if "simulation" in file else {}
        steps = fields.one(times, "tSample", 1, 1 << 20) if "tSample" in times else None
        return dataclasses.replace(net, time_steps=steps, origin="lava-dl")


def is_net(path: str | os.PathLike[str]) -> bool:
    """True if `path` is an HDF5 file with layers, not a state file; raises FormatError for what is
    no HDF5.
    """
    with reading(path) as file:
        return "layer" in file


def _read_layers(groups: list[h5py.Group], strict: bool) -> NetSpec:
    """The layers in order; each gets the output shape of the one before."""
    net: list[LayerSpec] = []
    shape = start = _input_shape(groups)
    for group in groups:
        kind = fields.word(group, "type")
        if kind not in KINDS:
            raise FormatError(f"{where(group)}/type", repr(kind), f"one of {sorted(KINDS)}")
        if net and net[-1].read_out:
            got = "a layer behind one that cannot fire"
            raise FormatError(where(group), got, "neurons that fire in all layers but the last")
        read_layer, names = KINDS[kind]
        fields.known(group, {"type", "shape"} | names, strict)
        if "neuron" in group:
            fields.known(fields.subgroup(group, "neuron"), NEURON, strict)
        layer = read_layer(group, shape)
        if kind != "input" or layer.neuron is not None:
            net.append(layer)
        shape = layer.shape
    if not net:
        got = "an input without neurons alone"
        raise FormatError(where(groups[0].parent), got, "at least one layer that computes")
    return NetSpec(tuple(net), start)


def _input_shape(groups: list[h5py.Group]) -> Shape:
    """The shape of the network's input: that of the input layer, flat if a dense layer follows, or
    what the first dense layer takes.
    """
    first = fields.word(groups[0], "type")
    if first == "input":
        shape = fields.few(groups[0], "shape", 1, most=3)
        dense = len(groups) > 1 and fields.word(groups[1], "type") == "dense"
        return shape[:1] if dense and math.prod(shape) == shape[0] else shape
    if first != "dense":
        expected = "an input layer or a dense one, which says the shape of the input"
        raise FormatError(f"{where(groups[0])}/type", repr(first), expected)
    return (fields.one(groups[0], "inFeatures", 1),)


def _read_input(group: h5py.Group, shape: Shape) -> LayerSpec:
    """An input layer: one weight and one bias for all (64 and 0 where there are none)."""
    found = {"weight": 64, "bias": 0}
    for name, default in found.items():
        found[name] = fields.one(group, name, -256, 254) if name in group else default
        check_weight(f"{where(group)}/{name}", np.array([found[name]]))
    weight, bias = np.array(found["weight"], np.int64), np.array(found["bias"], np.int64)
    return LayerSpec("input", shape, _read_neuron(group), weight, bias)


def _read_dense(group: h5py.Group, shape: Shape) -> LayerSpec:
    """A dense layer; without a neuron, or with one that cannot fire, it is a read-out. Spec:
    NET-8.
    """
    inputs, outputs = (fields.one(group, f"{side}Features", 1) for side in ("in", "out"))
    _expect(group, "inFeatures", (inputs,), shape)
    _expect(group, "shape", (math.prod(fields.few(group, "shape", 1, most=3)),), (outputs,))
    neuron = _read_neuron(group)
    read_out = neuron is None or neuron.v_th >= THRESHOLD_HIGH
    weight, bias = fields.weight(group, (outputs, inputs)), fields.bias(group, outputs)
    neuron = None if read_out else neuron
    return LayerSpec("dense", (outputs,), neuron, weight, bias, read_out=read_out)


def _read_window(group: h5py.Group, shape: Shape) -> LayerSpec:
    """A convolution, or a pool: a sum over windows, as the convolution of each channel by itself
    that it is.
    """
    if len(shape) != 3:
        at = f"{where(group)}/inChannels"
        raise FormatError(at, f"behind a layer of shape {shape}", "behind one of (C, H, W)")
    pool = fields.word(group, "type") == "pool"
    parts, inputs, outputs = (
        shape[0] if pool else fields.one(group, name, 1)
        for name in ("groups", "inChannels", "outChannels")
    )
    if shape[0] != inputs or inputs % parts or outputs % parts:
        got = f"{inputs} in {parts} groups, to {outputs}"
        raise FormatError(f"{where(group)}/inChannels", got, f"the channels before it, {shape[0]}")
    kernel, stride, dilation = (
        fields.pair(group, name, 1) for name in ("kernelSize", "stride", "dilation")
    )
    geometry = Geometry(kernel, stride, fields.pair(group, "padding", 0), dilation, parts)
    output = fields.few(group, "shape", 1, most=3)
    _expect(group, "shape", output, (outputs, *geometry.output(shape[1:])))
    full = (outputs, inputs // parts, *kernel)
    weight = fields.weight(group, None if pool else full)
    if pool:
        if len(np.unique(weight)) != 1:
            got = f"{len(np.unique(weight))} values"
            raise FormatError(f"{where(group)}/weight", got, "one value: a pool is a sum")
        weight = np.full(full, weight.flat[0])
    fields.subgroup(group, "neuron")
    bias = fields.bias(group, outputs)
    return LayerSpec("conv", output, _read_neuron(group), weight, bias, geometry)


def _read_flatten(group: h5py.Group, shape: Shape) -> LayerSpec:
    """A change of shape."""
    size = math.prod(shape)
    _expect(group, "shape", (math.prod(fields.few(group, "shape", 1, most=3)),), (size,))
    return LayerSpec("flatten", (size,))


# For each type, what reads a layer's group for a given input shape, and which entries it may have.
KINDS: dict[str, tuple[Callable[[h5py.Group, Shape], LayerSpec], set[str]]] = {
    "input": (_read_input, {"weight", "bias", "neuron"}),
    "dense": (_read_dense, {"inFeatures", "outFeatures", "weight", "bias", "neuron"}),
    "conv": (
        _read_window,
        {"inChannels", "outChannels", "groups", "weight", "bias", "neuron"} | WINDOW,
    ),
    "pool": (_read_window, {"weight", "neuron"} | WINDOW),
    "flatten": (_read_flatten, set()),
}


def _read_neuron(layer: h5py.Group) -> NeuronSpec | None:
    """The neuron of a layer, None if it has none. LOIHI is the older name of CUBA. Spec: NET-18."""
    if "neuron" not in layer:
        return None
    group = fields.subgroup(layer, "neuron")
    kind = fields.word(group, "type")
    if kind not in {"CUBA", "LOIHI"}:
        raise FormatError(f"{where(group)}/type", repr(kind), "CUBA or LOIHI")
    fields.one(group, "refDelay", 1, 1)
    if "wgtExp" in group:
        fields.one(group, "wgtExp", 0, 0)
    i_decay, v_decay = (fields.one(group, name, 0, DECAY_HIGH) for name in ("iDecay", "vDecay"))
    graded = "gradedSpike" in group and bool(fields.one(group, "gradedSpike", 0, 1))
    return NeuronSpec(i_decay, v_decay, fields.one(group, "vThMant", 1, 1 << 18), graded)


def _with_own(file: h5py.File, net: NetSpec) -> NetSpec:
    """`net` with what only refboot writes; raises FormatError for another version and a wrong
    checksum.
    """
    own = fields.subgroup(file, "refboot")
    found, version = own.attrs.get("format"), own.attrs.get("version")
    if found != FORMAT or version not in (1, VERSION):
        got = f"of format {found}, version {version}"
        raise FormatError(where(own), got, f"{FORMAT}, version {VERSION}")
    if own.attrs.get(checksum.NAME) != checksum.digest(file, int(version)):
        name = f"the checksum of {where(own)}"
        raise FormatError(name, "not that of the content", "a file that nobody changed")
    shape = tuple(int(size) for size in np.ravel(own.attrs["input_shape"]))
    if math.prod(shape) != math.prod(net.input_shape):
        expected = f"{net.input_shape}, as the layers have it"
        raise FormatError(f"input_shape of {where(own)}", shape, expected)
    steps, notes = own.attrs.get("time_steps"), json.loads(own.attrs["notes"])
    return NetSpec(
        tuple(
            _layer_with_own(fields.subgroup(own, f"layer/{number}"), layer)
            for number, layer in enumerate(net.layers)
        ),
        net.input_shape,
        None if steps is None else int(steps),
        notes,
    )


def _layer_with_own(group: h5py.Group, layer: LayerSpec) -> LayerSpec:
    """`layer` with its delay, its curve, and the neuron of a read-out that was trained."""
    changes: dict[str, Any] = {
        name: bool(group.attrs[name]) for name in ("delay_shift", "read_out")
    }
    if "knots" in group:
        both = (read_floats(fields.dataset(group, name)) for name in ("knots", "slopes"))
        changes["curve"] = Curve(*both)
    if changes["read_out"] and "v_th" in group.attrs:
        names = ("i_decay", "v_decay", "v_th")
        changes["neuron"] = NeuronSpec._make([*(int(group.attrs[n]) for n in names), False])
    return dataclasses.replace(layer, **changes)


def _expect(group: h5py.Group, name: str, got: Shape, wanted: Shape) -> None:
    if got != wanted:
        expected = f"{wanted}, as the layers before it and its own sizes have it"
        raise FormatError(f"{where(group)}/{name}", got, expected)
