"""`refboot inspect FILE`: what a saved network contains and costs, and if its sums can overflow."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import numpy as np

from refboot.arrays import whole
from refboot.errors import FormatError
from refboot.exchange import LayerSpec, NetSpec, is_net, read
from refboot.io import state
from refboot.io.netx.summary import Summary, summarise
from refboot.network import Network
from refboot.settings import Settings
from refboot.training import build

ASSUMED_STEPS = 16
HEAD = f"{'':>2} {'type':8} {'shape':>12} {'iDecay':>6} {'vDecay':>6} {'vThMant':>7} {'weights':>9}"
HEAD += (
    f" {'range':>10} {'zero':>6} {'synapses':>10} {'kB':>8} {'max |u|':>9} {'max |v|':>9}  24 bits"
)


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    text = "layers, weights, memory, operations and overflow of a saved network"
    command = commands.add_parser("inspect", help=text)
    command.add_argument("file", help="a .net file, or best.h5 or last.h5 of a run")
    text = "time steps to count for (default: those of the file, else 16)"
    command.add_argument("--time-steps", type=int, metavar="N", help=text)
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Print a line for each layer, then totals, then the digest of a network saved by training."""
    wanted = None if chosen.time_steps is None else whole("--time-steps", chosen.time_steps)
    net = spec_of(chosen.file)
    steps = wanted or net.time_steps or ASSUMED_STEPS
    assumed = "" if net.time_steps else " (assumed)"
    print(f"{chosen.file}: from {net.origin}, input {net.input_shape}, T = {steps}{assumed}")
    print(HEAD)
    summaries = summarise(net, steps)
    for number, (layer, summary) in enumerate(zip(net.layers, summaries, strict=True)):
        print(f"{number:2} {line(layer, summary)}".rstrip())
    print(totals(net, [summary for summary in summaries if summary is not None], steps))
    if "digest" in net.notes:
        print(f"digest of the trained network: {net.notes['digest']}")
    return 0


def network_of(file: str, time_steps: int | None = None) -> tuple[Network, dict[str, Any]]:
    """The network in a file that `refboot train` saved, and its notes; raises FormatError."""
    arrays, notes = state.read(file)
    if not isinstance(notes.get("settings"), dict):
        raise FormatError(file, "without settings", "a network saved by refboot train")
    settings = Settings.from_dict(notes["settings"])
    if time_steps is not None:
        settings = dataclasses.replace(settings, time_steps=time_steps)
    network = build(settings, np.random.Generator(np.random.PCG64(settings.seed)))
    network.load_state(arrays)
    return network, notes


def spec_of(file: str) -> NetSpec:
    """The network in a .net file, or in a saved state, with its digest in the notes."""
    if is_net(file):
        return read(file)
    network, notes = network_of(file)
    return network.spec(notes | {"digest": network.digest()})


def line(layer: LayerSpec, summary: Summary | None) -> str:
    """One layer as a row of the table."""
    text = f"{layer.kind:8} {'x'.join(map(str, layer.shape)):>12}"
    if summary is None:
        return text
    neuron = layer.neuron
    if neuron is None or layer.read_out:
        text += f" {'read-out':>21}"
    else:
        text += f" {neuron.i_decay:6} {neuron.v_decay:6} {neuron.v_th:7}"
    text += f" {summary.weights:9} {f'{summary.low}..{summary.high}':>10}"
    text += f" {100 * summary.zeros / summary.weights:5.1f}% {summary.connections:10}"
    text += f" {summary.bytes / 1000:8.1f} {summary.u_most:9.1f} {summary.v_most:9.1f}"
    return f"{text}  {'CAN OVERFLOW' if summary.overflows else 'safe'}"


def totals(net: NetSpec, summaries: list[Summary], steps: int) -> str:
    """Memory, operations and fitted curves of all layers."""
    links, size = sum(s.connections for s in summaries), sum(s.bytes for s in summaries)
    neurons = sum(layer.size for layer in net.layers if layer.kind != "flatten")
    fitted = sum(layer.curve is not None for layer in net.layers)
    return (
        f"Memory: {size / 1000:.1f} kB (weights 8 bit, biases 16, states 2 x 32). "
        f"Fitted curves: {fitted}.\n"
        f"One inference as SNN: at most {links * steps} synaptic operations and "
        f"{neurons * steps} neuron updates; as ANN: {links} multiplications.\n"
        "max |u|, |v|: the largest that any input can cause. Weights are in 1/64, decays in 1/4096."
    )
