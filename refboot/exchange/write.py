"""Writing exchange files: the layout that lava.lib.dl.netx loads, and beside it a group of
refboot's own that it does not look at.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from refboot import arrays
from refboot.arrays import Ints
from refboot.exchange import checksum
from refboot.exchange.check import check_layer
from refboot.exchange.spec import READ_OUT, Geometry, LayerSpec, NetSpec, NeuronSpec
from refboot.hdf5 import writing

if TYPE_CHECKING:
    import h5py

FORMAT, VERSION = "refboot-net", 1
ENCODING = (
    "A still input x is held for all steps. In units of 1/4096 its drive per step is 2 * W * k + 64 * B, with "
    "k = clip(rint(32 x), -128, 127) and W, B of /layer/0; on Loihi: bias_mant = (W / 2) * k + 16 * B, bias_exp = 2."
)
SPIKES = "The input is spikes, fed to /layer/0 step by step."


def write(path: str | os.PathLike[str], net: NetSpec) -> None:
    """Write `net` to `path`, whole or not at all.

    Raises FormatError for what the format cannot carry; warns (ExchangeWarning) of what lava's
    loader would change. Spec: NET-1.
    """
    arrays.instance("net", net, NetSpec, "a refboot.exchange.NetSpec")
    with writing(path) as file:
        write_simulation(file, net.time_steps)
        for number, layer in enumerate(net.layers):
            write_layer(file.create_group(f"layer/{number}"), layer)
        write_own(file.create_group("refboot"), net)
        file["refboot"].attrs[checksum.NAME] = checksum.digest(file["layer"], file["refboot"])


def write_simulation(file: h5py.File, time_steps: int | None) -> None:
    """The group `simulation`: one unit of time a step, and how many steps."""
    simulation = file.create_group("simulation")
    simulation["Ts"] = 1
    if time_steps is not None:
        simulation["tSample"] = time_steps


def write_layer(group: h5py.Group, layer: LayerSpec) -> None:
    """One layer into its group, as lava.lib.dl.netx reads it; raises and warns as `write`. Spec:
    NET-2, NET-4, NET-6, NET-7.
    """
    check_layer(f"{group.name} ({layer.kind})", layer)
    group.create_dataset("type", (1,), "S10", np.array([layer.kind], "S10"))
    group["shape"] = np.array(layer.shape, np.int64)
    if layer.weight is not None:
        _write_weight(group, layer.kind, layer.weight)
    if layer.bias is not None:
        group["bias"] = layer.bias.astype(np.float32)
    if layer.geometry is not None:
        _write_geometry(group, layer.geometry)
    neuron = READ_OUT if layer.read_out else layer.neuron
    if neuron is not None:
        _write_neuron(group.create_group("neuron"), neuron)


def write_own(group: h5py.Group, net: NetSpec) -> None:
    """What no other writer keeps: the format's version, the steps, how the input is fed, delays,
    read-outs, and the fitted curves.

    Spec: NET-12.
    """
    still = bool(net.layers) and net.layers[0].kind == "input"
    group.attrs.update(
        {"format": FORMAT, "version": VERSION, "input_encoding": ENCODING if still else SPIKES}
    )
    group.attrs.update(
        {
            "input_shape": np.array(net.input_shape, np.int64),
            "notes": json.dumps(net.notes, sort_keys=True),
        }
    )
    if net.time_steps is not None:
        group.attrs["time_steps"] = net.time_steps
    for number, layer in enumerate(net.layers):
        own = group.create_group(f"layer/{number}")
        own.attrs.update({"delay_shift": layer.delay_shift, "read_out": layer.read_out})
        if layer.neuron is not None and layer.read_out:
            own.attrs.update(
                {
                    "i_decay": layer.neuron.i_decay,
                    "v_decay": layer.neuron.v_decay,
                    "v_th": layer.neuron.v_th,
                }
            )
        if layer.curve is not None:
            own["knots"], own["slopes"] = layer.curve.knots, layer.curve.slopes


def _write_weight(group: h5py.Group, kind: str, weight: Ints) -> None:
    group["weight"] = weight.astype(np.float32)
    if kind == "dense":
        group["outFeatures"], group["inFeatures"] = weight.shape


def _write_geometry(group: h5py.Group, geometry: Geometry) -> None:
    weight = group["weight"]
    group["inChannels"], group["outChannels"] = weight.shape[1] * geometry.groups, weight.shape[0]
    for name, pair in (
        ("kernelSize", geometry.kernel),
        ("stride", geometry.stride),
        ("padding", geometry.padding),
    ):
        group[name] = np.array(pair, np.int64)
    group["dilation"] = np.array(geometry.dilation, np.int64)
    group["groups"] = geometry.groups


def _write_neuron(group: h5py.Group, neuron: NeuronSpec) -> None:
    values: dict[str, Any] = {
        "type": "CUBA",
        "iDecay": neuron.i_decay,
        "vDecay": neuron.v_decay,
        "vThMant": neuron.v_th,
    }
    for name, value in (values | {"refDelay": 1, "gradedSpike": neuron.graded}).items():
        group[name] = value
