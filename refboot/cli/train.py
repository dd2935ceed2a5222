"""`refboot train digits|mnist`: trains a network, prints the tutorial's lines, saves the best."""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from refboot.arrays import extra
from refboot.errors import MissingExtraError, RangeError
from refboot.routine import LayerMode
from refboot.settings import CONV, DATASETS, DIGITS, DIGITS_CONV, NEEDS, Settings, preset
from refboot.training import Run, resumed_settings
from refboot.training.guard import ACTIONS

Track = Callable[[int, int, int, LayerMode], None]


def add(commands: Any) -> None:
    """Add the sub-command and its options, one for each setting."""
    command = commands.add_parser("train", help="train a network and save the best")
    option = command.add_argument
    option("data", choices=DATASETS, help="the data to train on")
    option("--run", metavar="DIR", help="folder of the run (default: runs/digits or runs/mnist)")
    data_options(command)
    text = "continue the run in the folder from its newest checkpoint"
    option("--resume", action="store_true", help=text)
    text = "begin again, even if the folder has another run"
    option("--overwrite", action="store_true", help=text)
    text = "save a checkpoint every N steps too, not only after each epoch"
    option("--checkpoint-steps", type=int, default=0, metavar="N", help=text)
    text = "stop if numbers explode (strict: also if a layer is silent or saturated or a fit has"
    text += " too few points), or only warn (default: stop)"
    option("--on-trouble", choices=ACTIONS, default="stop", help=text)
    for field in dataclasses.fields(Settings)[1:]:
        _setting(command, field)
    command.set_defaults(command=run)


def data_options(command: argparse.ArgumentParser) -> None:
    """The options that say where MNIST is."""
    text = "folder with the MNIST files (default: the cache)"
    command.add_argument("--data-root", metavar="DIR", help=text)
    text = "download MNIST into the cache if it is missing"
    command.add_argument("--download", action="store_true", help=text)


def run(chosen: argparse.Namespace) -> int:
    """Train; prints lines on standard output and saves files in the folder."""
    if chosen.resume and chosen.overwrite:
        raise RangeError("--resume with --overwrite", "a contradiction", "only one of them")
    folder = chosen.run or os.path.join("runs", chosen.data)
    named = {f.name: getattr(chosen, f.name) for f in dataclasses.fields(Settings)}
    named = {n: tuple(v) if isinstance(v, list) else v for n, v in named.items() if v is not None}
    if chosen.resume:
        settings = resumed_settings(folder, named)
    else:
        settings = Settings(**preset(chosen.data, chosen.network or "dense") | named)
    _check_effect(settings, named)
    names = ("resume", "overwrite", "checkpoint_steps", "on_trouble")
    options = {name: getattr(chosen, name) for name in names}
    training = Run(settings, folder, chosen.data_root, chosen.download, **options)
    show, line = progress()

    def track(epoch: int, iteration: int, total: int, mode: LayerMode) -> None:
        show(epoch, iteration, total, mode)
        check()

    try:
        with at_the_next_step() as check:
            found = training.run(line, track)
    except KeyboardInterrupt:
        text = f"\nrefboot: interrupted in epoch {training.epoch}; "
        print(f"{text}continue with --resume --run {training.folder}", file=sys.stderr)
        return 130
    images = len(training.testing.dataset)
    print(
        f"\nBest network (epoch {found['epoch']}), {images} test images, T = {settings.time_steps}:"
    )
    text = f"SNN accuracy = {found['SNN']:.5f}    "
    if "ANN" in found:
        gap = 100 * (found["ANN"] - found["SNN"])
        print(f"{text}ANN accuracy = {found['ANN']:.5f}    ANN - SNN = {gap:+.2f} points")
    else:
        print(f"{text}(no ANN accuracy: with --crossover-epochs 0 a layer is never fitted)")
    print(f"Saved: {training.folder}/best.h5")
    print(f"digest of the trained network: {found['digest']}")
    return 0


@contextmanager
def at_the_next_step() -> Iterator[Callable[[], None]]:
    """Inside the block the first Ctrl-C is only noted; a second one interrupts at once.

    Yields a function to call after each step: it raises KeyboardInterrupt if Ctrl-C was noted.
    (Python drops a KeyboardInterrupt that is raised inside a destructor.)
    """
    asked = False

    def note(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)


def progress() -> tuple[Track, Callable[[str], None]]:
    """A function that shows a step, and one that prints a line: with tqdm if on a terminal."""
    try:
        tqdm = extra("tqdm", "progress").tqdm if sys.stderr.isatty() else None
    except MissingExtraError:
        tqdm = None
    if tqdm is None:
        return lambda epoch, iteration, total, mode: None, lambda text: print(text, flush=True)
    bar = tqdm(unit="step", leave=False)

    def track(epoch: int, iteration: int, total: int, mode: LayerMode) -> None:
        if iteration == 0:
            bar.reset(total)
        bar.set_description(f"Epoch {epoch} {mode.base_mode.name}", refresh=False)
        bar.update()

    return track, tqdm.write


def _setting(command: argparse.ArgumentParser, field: dataclasses.Field[Any]) -> None:
    """Add the option of one setting; its help names the defaults."""

    def shown(value: Any) -> str:
        return " ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)

    text = f"{field.metadata['help']} (default: {shown(field.default)}"
    for name, given in {"digits": DIGITS, "conv": CONV, "digits conv": DIGITS_CONV}.items():
        if field.name in given:
            text += f"; {name}: {shown(given[field.name])}"
    options: dict[str, Any] = {"help": f"{text})", "default": None}
    if isinstance(field.default, bool):
        options |= {"action": argparse.BooleanOptionalAction}
    elif isinstance(field.default, tuple):
        options |= {"type": int, "nargs": "*", "metavar": "N"}
    else:
        metavar = "X" if isinstance(field.default, float) else "N"
        options |= {"type": type(field.default), "metavar": metavar}
    command.add_argument(_flag(field.name), **options)


def _check_effect(settings: Settings, named: Collection[str]) -> None:
    """Raise RangeError for a named setting that has no effect because of another one."""
    for names, other, values in NEEDS:
        for name in names:
            if name in named and getattr(settings, other) not in values:
                got = f"of no effect with {_flag(other, getattr(settings, other))}"
                expected = " or ".join(_flag(other, value) for value in values)
                raise RangeError(_flag(name), got, f"{expected} with it")


def _flag(name: str, value: Any = "") -> str:
    """A setting, with its value, as on the command line."""
    if isinstance(value, bool):
        name, value = (name if value else f"no_{name}"), ""
    return f"--{name.replace('_', '-')} {value}".rstrip()
