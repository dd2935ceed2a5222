"""`refboot evaluate FILE`: test accuracy of a saved network, or of an exchange file."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from refboot.cli.inspect import network_of
from refboot.cli.train import data_options
from refboot.errors import FormatError
from refboot.exchange import NetSpec, is_net, read
from refboot.io import netx
from refboot.reference.numbers import check_subnormals
from refboot.routine import LayerMode, Mode
from refboot.settings import Settings
from refboot.stats import LearningStat
from refboot.training import evaluate, evaluation_loader
from refboot.training.build import SIZES


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    command = commands.add_parser("evaluate", help="test accuracy of a saved network")
    command.add_argument("file", help="best.h5 or last.h5 of a run, or a .net file")
    text = "a .net file: also test it in Loihi's integers, with its delays and limits"
    command.add_argument("--loihi", action="store_true", help=text)
    text = "time steps of the spiking network (default: as trained)"
    command.add_argument("--time-steps", type=int, metavar="N", help=text)
    data_options(command)
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Print loss and accuracy as SNN, as ANN if all layers were fitted, and as Loihi's integers."""
    check_subnormals()
    net: NetSpec | None = None
    if is_net(chosen.file):
        net = read(chosen.file)
        network = netx.build(net, chosen.time_steps)
        settings = settings_of(chosen.file, net)
    elif chosen.loihi:
        expected = "one for --loihi: `refboot export` writes it"
        raise FormatError(chosen.file, "no .net file", expected)
    else:
        network, notes = network_of(chosen.file, chosen.time_steps)
        settings = Settings.from_dict(notes["settings"])
    loader = evaluation_loader(settings, chosen.data_root, chosen.download)
    for mode in (Mode.SNN, Mode.ANN) if network.fitted else (Mode.SNN,):
        stat = LearningStat()
        evaluate(network, loader, LayerMode(0, mode), stat)
        steps = f" (T = {network.time_steps})" if mode is Mode.SNN else ""
        print(f"{mode.name} Testing: {stat}{steps}")
    if net is not None and chosen.loihi:
        right = [netx.decide(net, x, network.time_steps) == labels for x, labels in loader]
        steps = f"{network.time_steps + len(net.layers) - 1} steps with the delays of the layers"
        accuracy = np.concatenate(right).mean()
        print(f"Loihi Testing: accuracy = {accuracy:.5f} (integers, {steps})")
    return 0


def settings_of(file: str, net: NetSpec) -> Settings:
    """The settings in the notes of `net`, or else the data that fits its input shape."""
    if isinstance(net.notes.get("settings"), dict):
        return Settings.from_dict(net.notes["settings"])
    for name, size in SIZES.items():
        if size * size == int(np.prod(net.input_shape)):
            return Settings(data=name)
    got = f"for inputs of shape {net.input_shape}"
    raise FormatError(file, got, f"a network for images of {SIZES} pixels a side")
