"""`refboot evaluate FILE`: test accuracy of a saved network, or of an exchange file."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import numpy as np

from refboot.cli.train import data_options
from refboot.data import DataLoader
from refboot.errors import FormatError
from refboot.exchange import NetSpec, is_net, read
from refboot.io import netx, state
from refboot.network import Network
from refboot.routine import LayerMode, Mode
from refboot.settings import Settings
from refboot.stats import LearningStat
from refboot.training import build, evaluate, evaluation_loader
from refboot.training.build import SIZES


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    command = commands.add_parser("evaluate", help="test accuracy of a saved network")
    command.add_argument("file", help="best.h5 or last.h5 of a run, or a .net file")
    command.add_argument(
        "--loihi",
        action="store_true",
        help="of a .net file: also as Loihi's integers, with its delays and limits",
    )
    command.add_argument(
        "--time-steps",
        type=int,
        metavar="N",
        help="steps of the spiking network (default: as trained)",
    )
    data_options(command)
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """The accuracy of a saved network as SNN and as ANN."""
    if is_net(chosen.file):
        return run_net(chosen)
    if chosen.loihi:
        raise FormatError(
            chosen.file, "no .net file", "one with --loihi: `refboot export` makes it"
        )
    _, notes = state.read(chosen.file)
    if not isinstance(notes.get("settings"), dict):
        raise FormatError(chosen.file, "without settings", "a network saved by refboot train")
    settings = Settings.from_dict(notes["settings"])
    if chosen.time_steps is not None:
        settings = dataclasses.replace(settings, time_steps=chosen.time_steps)
    network = build(settings, np.random.default_rng(settings.seed))
    state.load(network, chosen.file)
    loader = evaluation_loader(settings, chosen.data_root, chosen.download)
    report(network, loader)
    return 0


def run_net(chosen: argparse.Namespace) -> int:
    """The accuracy of an exchange file: as SNN, as ANN where it has all its curves, and with
    --loihi as the chip's integers.
    """
    net = read(chosen.file)
    network = netx.build(net, chosen.time_steps)
    settings = settings_of(chosen.file, net)
    loader = evaluation_loader(settings, chosen.data_root, chosen.download)
    report(network, loader)
    if chosen.loihi:
        steps = network.time_steps + len(net.layers) - 1
        right = [netx.decide(net, x, network.time_steps) == labels for x, labels in loader]
        print(
            f"Loihi Testing: accuracy = {np.concatenate(right).mean():.5f} (integers, {steps} steps with the delays of the layers)"
        )
    return 0


def settings_of(file: str, net: NetSpec) -> Settings:
    """The settings in the notes of `net`, or the data that its inputs fit; raises FormatError where
    none does.
    """
    if isinstance(net.notes.get("settings"), dict):
        return Settings.from_dict(net.notes["settings"])
    fits = [name for name, size in SIZES.items() if size * size == int(np.prod(net.input_shape))]
    if not fits:
        raise FormatError(
            file, f"for inputs of shape {net.input_shape}", f"images of {SIZES} pixels a side"
        )
    return Settings(data=fits[0])


def report(network: Network, loader: DataLoader) -> None:
    """Print a line of loss and accuracy as SNN and, if all layers were fitted, as ANN."""
    for mode in (Mode.SNN, Mode.ANN) if network.fitted else (Mode.SNN,):
        stat = LearningStat()
        evaluate(network, loader, LayerMode(0, mode), stat)
        steps = f" (T = {network.time_steps})" if mode is Mode.SNN else ""
        print(f"{mode.name} Testing: {stat}{steps}")
