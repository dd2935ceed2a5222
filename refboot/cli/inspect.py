"""`refboot inspect FILE`: what is in a .net or state file, what it costs, and whether its sums can
overflow.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from refboot.arrays import whole
from refboot.errors import FormatError
from refboot.exchange import LayerSpec, NetSpec, is_net, read
from refboot.io import state
from refboot.io.netx.summary import Summary, summarise
from refboot.settings import Settings
from refboot.training import build

ASSUMED_STEPS = 16
HEAD = f"{'':>2} {'type':8} {'shape':>12} {'iDecay':>6} {'vDecay':>6} {'vThMant':>7} {'weights':>9} {'range':>10} {'zero':>6}"
COSTS = f" {'synapses':>10} {'kB':>8} {'max |u|':>9} {'max |v|':>9}  24 bits"


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    command = commands.add_parser(
        "inspect", help="layers, weights, memory, operations and overflow of a saved network"
    )
    command.add_argument("file", help="a .net file, or best.h5 or last.h5 of a run")
    command.add_argument(
        "--time-steps",
        type=int,
        metavar="N",
        help="steps to count for (default: the file's, else 16)",
    )
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Print the layers of the file, then the sums."""
    wanted = None if chosen.time_steps is None else whole("--time-steps", chosen.time_steps)
    net = network_of(chosen.file)
    steps = wanted or net.time_steps or ASSUMED_STEPS
    summaries = summarise(net, steps)
    print(
        f"{chosen.file}: written by {net.origin}, input {net.input_shape}, T = {steps}{'' if net.time_steps else ' (assumed)'}"
    )
    print(HEAD + COSTS)
    for number, (layer, summary) in enumerate(zip(net.layers, summaries, strict=True)):
        print(f"{number:2} {line(layer, summary)}".rstrip())
    print(totals(net, [summary for summary in summaries if summary is not None], steps))
    return 0


def network_of(file: str) -> NetSpec:
    """The network in a .net file, or in a state file that `refboot train` wrote; raises
    FormatError.
    """
    if is_net(file):
        return read(file)
    arrays, notes = state.read(file)
    if not isinstance(notes.get("settings"), dict):
        raise FormatError(file, "without settings", "a network saved by refboot train")
    settings = Settings.from_dict(notes["settings"])
    network = build(settings, np.random.default_rng(settings.seed))
    network.load_state(arrays)
    return network.spec(notes)


def line(layer: LayerSpec, summary: Summary | None) -> str:
    """One layer in a row of the table."""
    shape = "x".join(map(str, layer.shape))
    if summary is None:
        return f"{layer.kind:8} {shape:>12}"
    neuron = layer.neuron
    integers = (
        f"{'read-out':>21}"
        if neuron is None or layer.read_out
        else f"{neuron.i_decay:6} {neuron.v_decay:6} {neuron.v_th:7}"
    )
    weights = f"{summary.weights:9} {f'{summary.low}..{summary.high}':>10} {100 * summary.zeros / summary.weights:5.1f}%"
    costs = f"{summary.connections:10} {summary.bytes / 1000:8.1f} {summary.u_most:9.1f} {summary.v_most:9.1f}"
    return f"{layer.kind:8} {shape:>12} {integers} {weights} {costs}  {'CAN OVERFLOW' if summary.overflows else 'safe'}"


def totals(net: NetSpec, summaries: list[Summary], steps: int) -> str:
    """The sums of all layers: memory, operations, and what the fitted curves allow."""
    links, size = sum(s.connections for s in summaries), sum(s.bytes for s in summaries)
    neurons = sum(layer.size for layer in net.layers if layer.kind != "flatten")
    fitted = sum(layer.curve is not None for layer in net.layers)
    return (
        f"Memory {size / 1000:.1f} kB (weights 8 bit, biases 16, states 2 x 32). Per inference as SNN at most {links * steps} synaptic "
        f"operations and {neurons * steps} neuron updates, as ANN {links} multiplications. Fitted curves: {fitted}.\n"
        "max |u|, |v| in real units: no input can lead further. Weights in units of 1/64, decays of 1/4096."
    )
