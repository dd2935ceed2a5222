"""`refboot train digits|mnist`: train a network, print the tutorial's lines, save the best."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Collection
from typing import Any

from refboot.arrays import extra
from refboot.cli.interrupt import at_the_next_step
from refboot.errors import MissingExtraError, RangeError
from refboot.routine import LayerMode
from refboot.settings import CONV, DATASETS, DIGITS, DIGITS_CONV, Settings, preset
from refboot.training import Run, resumed_settings
from refboot.training.guard import ACTIONS

Track = Callable[[int, int, int, LayerMode], None]


def add(commands: Any) -> None:
    """Add the sub-command and its options, one for each setting."""
    command = commands.add_parser("train", help="train a network and save the best")
    command.add_argument("data", choices=DATASETS, help="the data to train on")
    command.add_argument(
        "--run", metavar="DIR", help="folder of the run (default: runs/digits, runs/mnist)"
    )
    data_options(command)
    run_options(command)
    for field in dataclasses.fields(Settings)[1:]:
        _setting(command, field)
    command.set_defaults(command=run)


def data_options(command: argparse.ArgumentParser) -> None:
    """The options that say where MNIST is."""
    command.add_argument(
        "--data-root", metavar="DIR", help="folder with the MNIST files (default: the cache)"
    )
    command.add_argument(
        "--download", action="store_true", help="fetch MNIST into the cache if it is not there"
    )


def run_options(command: argparse.ArgumentParser) -> None:
    """The options that say what becomes of a run that is there, and of one that goes wrong."""
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in the folder, from its newest checkpoint",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="begin anew, whatever run is in the folder"
    )
    command.add_argument(
        "--checkpoint-steps",
        type=int,
        default=0,
        metavar="N",
        help="a checkpoint every N steps too, not only each epoch",
    )
    text = "stop where numbers explode (and, strict, where a layer is silent or saturated, or a fit stands on too few points), or only warn"
    command.add_argument(
        "--on-trouble", choices=ACTIONS, default="stop", help=f"{text} (default: stop)"
    )


def run(chosen: argparse.Namespace) -> int:
    """A run, its lines on standard output, its files in the folder."""
    if chosen.resume and chosen.overwrite:
        raise RangeError("--resume with --overwrite", "both", "one of them: go on, or begin anew")
    folder = chosen.run or os.path.join("runs", chosen.data)
    settings = (
        resumed_settings(folder, _named(chosen)) if chosen.resume else Settings(**_given(chosen))
    )
    _check_that_they_act(settings, _named(chosen))
    options = {
        name: getattr(chosen, name)
        for name in ("resume", "overwrite", "checkpoint_steps", "on_trouble")
    }
    training = Run(settings, folder, chosen.data_root, chosen.download, **options)
    show, line = progress()

    def track(epoch: int, iteration: int, total: int, mode: LayerMode) -> None:
        show(epoch, iteration, total, mode)
        check()

    try:
        with at_the_next_step() as check:
            found = training.run(line, track)
    except KeyboardInterrupt:
        print(
            f"\nrefboot: interrupted in epoch {training.epoch}; go on with --resume --run {training.folder}",
            file=sys.stderr,
        )
        return 130
    print(
        f"\nBest network (epoch {found['epoch']}), {len(training.testing.dataset)} test images, T = {settings.time_steps}:"
    )
    print(accuracies(found))
    print(f"Saved: {training.folder}/best.h5")
    return 0


def accuracies(found: dict[str, Any]) -> str:
    """A line of what `Run.results` found."""
    if "ANN" not in found:
        return f"SNN accuracy = {found['SNN']:.5f}    (as ANN it cannot run: with --crossover-epochs 0 a layer is never fitted)"
    gap = 100 * (found["ANN"] - found["SNN"])
    return f"SNN accuracy = {found['SNN']:.5f}    ANN accuracy = {found['ANN']:.5f}    ANN - SNN = {gap:+.2f} points"


def progress() -> tuple[Track, Callable[[str], None]]:
    """What tracks a step and what prints a line: with tqdm on a terminal a bar, else nothing and
    plain lines.
    """
    plain: tuple[Track, Callable[[str], None]] = (
        lambda epoch, iteration, total, mode: None,
        lambda text: print(text, flush=True),
    )
    if not sys.stderr.isatty():
        return plain
    try:
        tqdm = extra("tqdm", "progress").tqdm
    except MissingExtraError:
        return plain
    bar = tqdm(unit="step", leave=False)

    def track(epoch: int, iteration: int, total: int, mode: LayerMode) -> None:
        if iteration == 0:
            bar.reset(total)
        bar.set_description(f"Epoch {epoch} {mode.base_mode.name}", refresh=False)
        bar.update()

    return track, tqdm.write


def _setting(command: argparse.ArgumentParser, field: dataclasses.Field[Any]) -> None:
    flag = _flag(field.name)
    others = {"digits": DIGITS, "conv": CONV, "digits conv": DIGITS_CONV}
    differs = "".join(
        f"; {name}: {_shown(given[field.name])}"
        for name, given in others.items()
        if field.name in given
    )
    text = f"{field.metadata['help']} (default: {_shown(field.default)}{differs})"
    if isinstance(field.default, bool):
        command.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
    elif isinstance(field.default, tuple):
        command.add_argument(flag, type=int, nargs="*", metavar="N", help=text)
    else:
        command.add_argument(
            flag,
            type=type(field.default),
            metavar="X" if isinstance(field.default, float) else "N",
            help=text,
        )


def _given(chosen: argparse.Namespace) -> dict[str, Any]:
    return preset(chosen.data, chosen.network or "dense") | _named(chosen)


def _named(chosen: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line names."""
    named = {f.name: getattr(chosen, f.name) for f in dataclasses.fields(Settings)}
    return {
        name: tuple(v) if isinstance(v, list) else v for name, v in named.items() if v is not None
    }


def _check_that_they_act(settings: Settings, named: Collection[str]) -> None:
    """Raises RangeError for a setting that is named and does nothing, because of another one."""
    for field in dataclasses.fields(Settings):
        for other, values in field.metadata["acts"].items():
            if field.name in named and getattr(settings, other) not in values:
                now, wanted = (
                    _as_given(other, getattr(settings, other)),
                    " or ".join(_as_given(other, value) for value in values),
                )
                raise RangeError(
                    _flag(field.name), f"of no effect with {now}", f"{wanted} beside it"
                )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _as_given(name: str, value: Any) -> str:
    """A setting as one gives it on the command line."""
    if isinstance(value, bool):
        return _flag(name if value else f"no_{name}")
    return f"{_flag(name)} {value}"


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
