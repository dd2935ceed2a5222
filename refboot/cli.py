"""The command `refboot`: train and evaluate."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refboot import __version__, ops, threads
from refboot.arrays import extra
from refboot.errors import FormatError, MissingExtraError, RefbootError
from refboot.io import state
from refboot.routine import LayerMode, Mode
from refboot.settings import DIGITS, Settings
from refboot.stats import LearningStat
from refboot.training import Run, build, evaluate
from refboot.training.build import testing_loader


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 an error that is told in one line, 130 interrupted."""
    chosen = parser().parse_args(arguments)
    try:
        with ops.use(chosen.ops or ops.active()), threads.blas(1):
            return int(chosen.command(chosen))
    except (RefbootError, OSError) as error:
        print(f"refboot: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nrefboot: interrupted", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The options of every command."""
    top = argparse.ArgumentParser(prog="refboot", description=__doc__)
    top.add_argument("--version", action="version", version=f"refboot {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--ops", choices=sorted(ops.MODULES), help="the set of operations (default: numba where it is installed)")
    shared.add_argument("--data-root", metavar="DIR", help="folder with the MNIST files (default: the cache)")
    shared.add_argument("--download", action="store_true", help="fetch MNIST into the cache if it is not there")
    _train_options(commands.add_parser("train", parents=[shared], help="train a network and save the best"))
    test = commands.add_parser("evaluate", parents=[shared], help="test accuracy of a saved network")
    test.add_argument("file", help="best.h5 or last.h5 of a run")
    test.add_argument("--time-steps", type=int, metavar="T", help="steps of the spiking network (default: as trained)")
    test.set_defaults(command=evaluate_command)
    return top


def train(chosen: argparse.Namespace) -> int:
    """`refboot train`: a run, its lines on standard output, its files in the folder."""
    settings = Settings(**_given(chosen))
    run = Run(settings, chosen.run or os.path.join("runs", settings.data), chosen.data_root, chosen.download)
    bar, line = progress()
    try:
        found = run.run(line, bar)
    except KeyboardInterrupt:
        print(f"\nrefboot: interrupted in epoch {run.epoch}; the last whole one is in {run.folder}/last.h5", file=sys.stderr)
        return 130
    gap = 100 * (found["ANN"] - found["SNN"])
    print(f"\nBest network (epoch {found['epoch']}), {len(run.testing.dataset)} test images, T = {settings.time_steps}:")
    print(f"SNN accuracy = {found['SNN']:.5f}    ANN accuracy = {found['ANN']:.5f}    ANN - SNN = {gap:+.2f} points")
    print(f"Saved: {run.folder}/best.h5")
    return 0


def evaluate_command(chosen: argparse.Namespace) -> int:
    """`refboot evaluate`: the accuracy of a saved network as SNN and, where it has curves, as ANN."""
    _, notes = state.read(chosen.file)
    if not isinstance(notes.get("settings"), dict):
        raise FormatError(chosen.file, "without settings", "a network saved by refboot train")
    settings = Settings.from_dict(notes["settings"])
    if chosen.time_steps is not None:
        settings = dataclasses.replace(settings, time_steps=chosen.time_steps)
    network = build(settings, np.random.default_rng(settings.seed))
    state.load(network, chosen.file)
    loader = testing_loader(settings, chosen.data_root, chosen.download)
    for mode in (Mode.SNN, Mode.ANN):
        stat = LearningStat()
        evaluate(network, loader, LayerMode(0, mode), stat)
        steps = f" (T = {settings.time_steps})" if mode is Mode.SNN else ""
        print(f"{mode.name} Testing: {stat}{steps}")
    return 0


def progress() -> tuple[Callable[[int, int, int, LayerMode], None], Callable[[str], None]]:
    """What tracks a step and what prints a line: with tqdm on a terminal a bar, else nothing and plain lines."""
    if not sys.stderr.isatty():
        return lambda epoch, iteration, total, mode: None, lambda text: print(text, flush=True)
    try:
        tqdm = extra("tqdm", "progress").tqdm
    except MissingExtraError:
        return lambda epoch, iteration, total, mode: None, lambda text: print(text, flush=True)
    bar = tqdm(unit="step", leave=False)

    def track(epoch: int, iteration: int, total: int, mode: LayerMode) -> None:
        if iteration == 0:
            bar.reset(total)
        bar.set_description(f"Epoch {epoch} {mode.base_mode.name}", refresh=False)
        bar.update()

    return track, tqdm.write


def _train_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("data", choices=("digits", "mnist"), help="the data to train on")
    command.add_argument("--run", metavar="DIR", help="folder of the run (default: runs/digits, runs/mnist)")
    for field in dataclasses.fields(Settings)[1:]:
        flag, text = f"--{field.name.replace('_', '-')}", field.metadata["help"]
        small = DIGITS.get(field.name)
        text += f" (default: {_shown(field.default)}" + (")" if small is None else f"; digits: {_shown(small)})")
        if isinstance(field.default, bool):
            command.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        elif isinstance(field.default, tuple):
            command.add_argument(flag, type=int, nargs="*", metavar="N", help=text)
        else:
            command.add_argument(flag, type=type(field.default), metavar=field.name[0].upper(), help=text)
    command.set_defaults(command=train)


def _given(chosen: argparse.Namespace) -> dict[str, Any]:
    named = {f.name: getattr(chosen, f.name) for f in dataclasses.fields(Settings)}
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in named.items() if v is not None}
    return (DIGITS if chosen.data == "digits" else {}) | given


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    sys.exit(main())
