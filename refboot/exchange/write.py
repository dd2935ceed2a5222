"""Writing exchange files: the layout that lava.lib.dl.netx loads, and a group of refboot's own that
netx ignores.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np

from refboot import arrays
from refboot.exchange import checksum
from refboot.exchange.check import check_layer
from refboot.exchange.spec import LayerSpec, NetSpec
from refboot.hdf5 import writing

if TYPE_CHECKING:
    import h5py

FORMAT, VERSION = "refboot-net", 2
ENCODING = (
    "A still input x is held for all steps. In units of 1/4096 its drive per step is "
    "2 * W * k + 64 * B, with k = clip(rint(32 x), -128, 127) and W, B of /layer/0; "
    "on Loihi: bias_mant = (W / 2) * k + 16 * B, bias_exp = 2."
)
SPIKES = "The input is spikes, fed to /layer/0 step by step."


def write(path: str | os.PathLike[str], net: NetSpec) -> None:
    """Write `net` to `path`, whole or not at all.

    Raises FormatError for what the format cannot hold; warns (ExchangeWarning) of what lava's
    loader would change. Spec: NET-1.
    """
    arrays.instance("net", net, NetSpec, "a refboot.exchange.NetSpec")
    with writing(path) as file:
        file["simulation/Ts"] = 1
        if net.time_steps is not None:
            file["simulation/tSample"] = net.time_steps
        for number, layer in enumerate(net.layers):
            write_layer(file.create_group(f"layer/{number}"), layer)
        _write_own(file.create_group("refboot"), net)
        file["refboot"].attrs[checksum.NAME] = checksum.digest(file, VERSION)


def write_layer(group: h5py.Group, layer: LayerSpec) -> None:
    """One layer into its group, as lava.lib.dl.netx reads it; raises and warns as `write`. Spec:
    NET-2, NET-4, NET-6, NET-7.
    """
    check_layer(f"{group.name} ({layer.kind})", layer)
    group.create_dataset("type", (1,), "S10", np.array([layer.kind], "S10"))
    group["shape"] = np.array(layer.shape, np.int64)
    if layer.weight is not None:
        group["weight"] = layer.weight.astype(np.float32)
    if layer.bias is not None:
        group["bias"] = layer.bias.astype(np.float32)
    if layer.kind == "dense" and layer.weight is not None:
        group["outFeatures"], group["inFeatures"] = layer.weight.shape
    if layer.geometry is not None and layer.weight is not None:
        kernel, stride, padding, dilation, groups = layer.geometry
        group["inChannels"] = layer.weight.shape[1] * groups
        group["outChannels"], group["groups"] = layer.weight.shape[0], groups
        pairs = {"kernelSize": kernel, "stride": stride, "padding": padding, "dilation": dilation}
        for name, pair in pairs.items():
            group[name] = np.array(pair, np.int64)
    if layer.read_out or layer.neuron is not None:
        neuron = layer.chip_neuron
        group["neuron/type"], group["neuron/vThMant"] = "CUBA", neuron.v_th
        group["neuron/iDecay"], group["neuron/vDecay"] = neuron.i_decay, neuron.v_decay
        group["neuron/refDelay"], group["neuron/gradedSpike"] = 1, neuron.graded


def _write_own(group: h5py.Group, net: NetSpec) -> None:
    """What the layout has no place for: the version, the steps, how the input is fed, delays,
    read-outs, and the fitted curves. Spec: NET-12.
    """
    still = bool(net.layers) and net.layers[0].kind == "input"
    group.attrs.update({"format": FORMAT, "version": VERSION})
    group.attrs["input_encoding"] = ENCODING if still else SPIKES
    group.attrs["input_shape"] = np.array(net.input_shape, np.int64)
    group.attrs["notes"] = json.dumps(net.notes, sort_keys=True)
    if net.time_steps is not None:
        group.attrs["time_steps"] = net.time_steps
    for number, layer in enumerate(net.layers):
        own = group.create_group(f"layer/{number}")
        own.attrs.update({"delay_shift": layer.delay_shift, "read_out": layer.read_out})
        if layer.neuron is not None and layer.read_out:
            own.attrs.update({"i_decay": layer.neuron.i_decay, "v_decay": layer.neuron.v_decay})
            own.attrs["v_th"] = layer.neuron.v_th
        if layer.curve is not None:
            own["knots"], own["slopes"] = layer.curve.knots, layer.curve.slopes
