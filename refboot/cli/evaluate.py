"""`refboot evaluate FILE`: test accuracy of a saved network."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import numpy as np

from refboot.cli.train import data_options
from refboot.errors import FormatError
from refboot.io import state
from refboot.routine import LayerMode, Mode
from refboot.settings import Settings
from refboot.stats import LearningStat
from refboot.training import build, evaluate, evaluation_loader


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    command = commands.add_parser("evaluate", help="test accuracy of a saved network")
    command.add_argument("file", help="best.h5 or last.h5 of a run")
    command.add_argument("--time-steps", type=int, metavar="N", help="steps of the spiking network (default: as trained)")
    data_options(command)
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """The accuracy of a saved network as SNN and as ANN."""
    _, notes = state.read(chosen.file)
    if not isinstance(notes.get("settings"), dict):
        raise FormatError(chosen.file, "without settings", "a network saved by refboot train")
    settings = Settings.from_dict(notes["settings"])
    if chosen.time_steps is not None:
        settings = dataclasses.replace(settings, time_steps=chosen.time_steps)
    network = build(settings, np.random.default_rng(settings.seed))
    state.load(network, chosen.file)
    loader = evaluation_loader(settings, chosen.data_root, chosen.download)
    for mode in (Mode.SNN, Mode.ANN):
        stat = LearningStat()
        evaluate(network, loader, LayerMode(0, mode), stat)
        steps = f" (T = {settings.time_steps})" if mode is Mode.SNN else ""
        print(f"{mode.name} Testing: {stat}{steps}")
    return 0
