"""A whole run: epochs of training and evaluation, reported as in the tutorial, saved into a folder,
and resumed from it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refboot import arrays, files, ops
from refboot.errors import FormatError, OrderError, RangeError, RefbootError
from refboot.io import state
from refboot.optim import Adam
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.settings import Settings
from refboot.stats import LearningStat, LearningStats
from refboot.training import checkpoint, snapshot
from refboot.training.build import build, loaders
from refboot.training.folder import BEST, LAST, RunFolder
from refboot.training.guard import Guard
from refboot.training.step import evaluate, train_epoch, watched

Report = Callable[[str], None]
Track = Callable[[int, int, int, LayerMode], None]


class Run:
    """A run of `settings` in `folder`: settings.json, log.jsonl, loss.txt, accuracy.txt, networks
    and checkpoints.

    best.h5 is the network of the best spiking test accuracy (tested in the sampled epochs and the
    last), last.h5 that of the last whole epoch. A checkpoint is kept at the end of each epoch, and
    every `checkpoint_steps` steps (0: never) within; with `resume` the run goes on from the newest,
    with the same bits as if it had never stopped. It may have more epochs than before (the spiking
    test of the former last one stays on record), but no other settings. A folder with an unfinished
    or another run is refused, unless `overwrite` says that it may go; a finished one of the same
    settings is done again. `on_trouble`: see Guard. `root` and `download` say where MNIST is.
    Raises what Settings, the data and the files raise, before any training. Spec: TRN-10.
    """

    def __init__(
        self,
        settings: Settings,
        folder: str | os.PathLike[str],
        root: str | os.PathLike[str] | None = None,
        download: bool = False,
        *,
        resume: bool = False,
        overwrite: bool = False,
        checkpoint_steps: int = 0,
        on_trouble: str = "stop",
    ) -> None:
        self.settings = arrays.instance(
            "settings", settings, Settings, "a refboot.settings.Settings"
        )
        resume, overwrite = arrays.flag("resume", resume), arrays.flag("overwrite", overwrite)
        self.checkpoint_steps = arrays.whole("checkpoint_steps", checkpoint_steps, 0)
        self.guard = Guard(on_trouble)
        self.epoch = self.iteration = 0
        self.notices: list[str] = []
        self._broken = False
        self._where = root, download
        self._build()
        self.place = RunFolder(folder, create=not resume)
        self.folder = self.place.path
        try:
            self._resume() if resume else self._begin(overwrite)
        except BaseException:
            self.place.release()
            raise

    @property
    def finished(self) -> bool:
        """Whether every epoch is done."""
        return self.epoch >= self.settings.epochs

    def run(
        self, report: Report = print, track: Track = lambda epoch, iteration, total, mode: None
    ) -> dict[str, Any]:
        """Train to the last epoch, `report` getting each line and `track` each step; returns the
        results of the best network.

        After an interruption it goes on from the newest checkpoint. Raises TroubleError as Guard
        does, FormatError where a file cannot be written, OrderError while another run holds the
        folder.
        """
        self.place.hold()
        try:
            if self._broken:
                self._resume()
            self._broken = True
            while self.notices:
                report(self.notices.pop(0))
            while not self.finished:
                self.run_epoch(report, track)
            found = self.results()
            self._broken = False
            return found
        finally:
            self.place.release()

    def run_epoch(self, report: Report, track: Track) -> None:
        """Train, test, report, log and save one epoch, or the rest of one."""
        begun, epoch = time.perf_counter(), self.epoch
        self._train(track)
        trained = time.perf_counter()
        mode = self.scheduler.mode(epoch, 0, train=False)
        with watched(self.guard, epoch, self.iteration):
            self.guard.weights(self.network)
            evaluate(self.network, self.testing, mode, self.stats.testing)
        if mode.base_mode is Mode.SNN:
            self._spiking(mode, self.stats.testing, report)
        report(f"[Epoch {epoch:2d}/{self.settings.epochs}] {self.stats}")
        if epoch + 1 == self.settings.epochs and mode.base_mode is not Mode.SNN:
            self._spiking_at_last(mode.crossover, report)
        for note in self.guard.notes.values():
            report(f"Trouble: {note}")
        self.place.log(self._line(mode, trained - begun, time.perf_counter() - trained))
        self._close()

    def results(self) -> dict[str, Any]:
        """Test accuracy of the best network saved: as SNN and, with the same weights, as ANN, if
        all its layers were ever fitted.
        """
        notes = state.load(self.network, self.folder / BEST)
        found: dict[str, Any] = {"epoch": notes["epoch"], "time_steps": self.settings.time_steps}
        for mode in (Mode.SNN, Mode.ANN) if self.network.fitted else (Mode.SNN,):
            stat = LearningStat()
            evaluate(self.network, self.testing, LayerMode(0, mode), stat)
            found[mode.name] = stat.accuracy
        return found

    def _build(self) -> None:
        ready, settings = ops.prepare(), self.settings
        network_rng, self._data_rng = (
            np.random.default_rng(seed) for seed in np.random.SeedSequence(settings.seed).spawn(2)
        )
        self.training, self.testing = loaders(settings, self._data_rng, *self._where)
        if len(self.training) <= settings.num_sample_iter:
            got = f"{settings.num_sample_iter} of the {len(self.training)} steps of an epoch (of batch_size {settings.batch_size})"
            raise RangeError("num_sample_iter", got, "fewer, so that a fit follows")
        self.network = build(settings, network_rng)
        self.optimizer = Adam(self.network.parameters(), lr=settings.lr)
        self.scheduler = Scheduler(
            settings.num_sample_iter, settings.sample_period, settings.crossover_epochs
        )
        self.stats = LearningStats()
        self._order = self._data_rng.bit_generator.state
        generators = {"network": network_rng, "data": self._data_rng}
        self._parts = snapshot.Parts(
            self.network, self.optimizer, self.scheduler, self.stats, generators
        )
        ready()

    def _begin(self, overwrite: bool) -> None:
        if not overwrite:
            self._refuse_to_lose(self.place)
        self.place.clear()
        self.place.write_settings(self.settings.to_dict())
        self.place.cut_log(0)
        self.checkpoint()

    def _refuse_to_lose(self, place: RunFolder) -> None:
        way_out = "--resume to go on, --overwrite to begin anew, or another folder"
        found = checkpoint.newest(place.path)
        if found is None and place.networks():
            raise OrderError(
                str(place.path),
                f"a folder with {' and '.join(place.networks())} of another run",
                way_out,
            )
        if found is None:
            return
        old, epoch, iteration = progress(found.notes)
        if epoch + iteration and epoch < old.epochs:
            raise OrderError(
                str(place.path),
                f"the folder of a run stopped in epoch {epoch} of {old.epochs}",
                way_out,
            )
        if epoch and old != self.settings:
            changed = ", ".join(_changes(old, self.settings.to_dict()))
            raise OrderError(
                str(place.path), f"the folder of a finished run with another {changed}", way_out
            )

    def _resume(self) -> None:
        found = _newest(self.folder)
        agreed(found.notes, self.settings.to_dict())
        snapshot.put_back(self._parts, found)
        _, self.epoch, self.iteration = progress(found.notes)
        self._order = self._data_rng.bit_generator.state
        self.place.cut_log(self.epoch)
        self.stats.save(self.folder)
        self.place.write_settings(self.settings.to_dict())
        self.notices = [f"Passed over: {what}" for what in found.damaged] + self._resumed(
            found.notes["made_by"]
        )

    def _resumed(self, made_by: dict[str, str]) -> list[str]:
        own = snapshot.made_by()
        others = [
            f"{name} {made_by.get(name)} (now {own[name]})"
            for name in own
            if made_by.get(name) != own[name]
        ]
        differs = (
            [f"It began with {', '.join(others)}: rates may differ in their last bits"]
            if others
            else []
        )
        if self.finished:
            return [
                f"The run in {self.folder} is finished: all {self.epoch} epochs are done",
                *differs,
            ]
        return [f"Resumed in epoch {self.epoch}, step {self.iteration}", *differs]

    def _train(self, track: Track) -> None:
        epoch, total, start = self.epoch, len(self.training), self.iteration
        self._order = self._data_rng.bit_generator.state

        def after(iteration: int, mode: LayerMode) -> None:
            track(epoch, iteration, total, mode)
            self.iteration = iteration + 1
            if (
                self.checkpoint_steps
                and self.iteration % self.checkpoint_steps == 0
                and self.iteration < total
            ):
                self.checkpoint()

        self.optimizer.lr = self.settings.lr_at(epoch)
        batches = self.training.epoch(start)
        train_epoch(
            self.network,
            self.optimizer,
            batches,
            self.scheduler,
            epoch,
            self.stats.training,
            after,
            self.guard,
            start,
        )

    def _spiking_at_last(self, crossover: int, report: Report) -> None:
        """Test the network of the last epoch as spiking, too: it may be the best."""
        mode, stat = LayerMode(crossover, Mode.SNN), LearningStat()
        evaluate(self.network, self.testing, mode, stat)
        self._spiking(mode, stat, report)

    def _spiking(self, mode: LayerMode, stat: LearningStat, report: Report) -> None:
        self.scheduler.sync_snn_stat(stat)
        report(
            f"{mode}\n[Epoch {self.epoch:2d}/{self.settings.epochs}]\nSNN Testing: {self.scheduler.snn_stat}"
        )
        if self.scheduler.snn_stat.best_accuracy:
            state.save(
                self.network, self.folder / BEST, self._notes() | {"accuracy": stat.accuracy}
            )
        self.scheduler.update_snn_stat()

    def _close(self) -> None:
        """End the epoch: its statistics, its network and the checkpoint from which the next one
        begins.
        """
        notes = self._notes()
        self.stats.update()
        self.stats.save(self.folder)
        state.save(self.network, self.folder / LAST, notes)
        self.guard.notes.clear()
        self.epoch, self.iteration = self.epoch + 1, 0
        self._order = self._data_rng.bit_generator.state
        self.checkpoint()

    def checkpoint(self) -> None:
        """Save all that the run remembers; the checkpoint before is kept too. Raises FormatError,
        and then both are as they were.
        """
        where = {
            "settings": self.settings.to_dict(),
            "epoch": self.epoch,
            "iteration": self.iteration,
        }
        notes = snapshot.notes_of(self._parts)
        notes["generators"]["data"] = (
            self._order
        )  # the epoch's order and augmentation follow from it
        checkpoint.save(self.folder, snapshot.arrays_of(self._parts), where | notes)

    def _notes(self) -> dict[str, Any]:
        return {
            "settings": self.settings.to_dict(),
            "epoch": self.epoch,
            "accuracy": self.stats.testing.accuracy,
        }

    def _line(self, mode: LayerMode, seconds: float, test_seconds: float) -> dict[str, Any]:
        train, test = self.stats.training, self.stats.testing
        line: dict[str, Any] = {
            "epoch": self.epoch,
            "test_mode": mode.base_mode.name,
            "train_loss": train.loss,
            "train_accuracy": train.accuracy,
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
            "grad_norms": self.network.grad_norms(),
            "seconds": round(seconds, 3),
            "test_seconds": round(test_seconds, 3),
        }
        if mode.base_mode is Mode.SNN:
            named = self.network.state()
            line["curves"] = {
                name.split(".curve.")[0]: a.tolist()
                for name, a in named.items()
                if name.endswith(".curve.knots")
            }
        return line | ({"trouble": list(self.guard.notes.values())} if self.guard.notes else {})


def resumed_settings(folder: str | os.PathLike[str], given: Mapping[str, Any]) -> Settings:
    """The settings of the run in `folder`, with its `epochs` as `given` (more than before); raises
    FormatError for any other change.
    """
    arrays.mapping("given", given, "a mapping of settings")
    return agreed(_newest(files.as_path("folder", folder)).notes, given)


def agreed(notes: Mapping[str, Any], given: Mapping[str, Any]) -> Settings:
    """The settings in `notes`, changed as `given`: only to more epochs. Raises FormatError that
    names the setting otherwise.
    """
    stored, done, _ = progress(notes)
    for name in _changes(stored, given):
        old = getattr(stored, name)
        if name != "epochs" or not isinstance(given[name], int) or given[name] < done:
            raise FormatError(
                f"the setting {name}", repr(given[name]), f"{old!r}, as the run to resume has it"
            )
    return Settings.from_dict(notes["settings"] | dict(given))


def progress(notes: Mapping[str, Any]) -> tuple[Settings, int, int]:
    """The settings of a checkpoint's run, and the epoch and iteration that come next; raises
    FormatError where it does not say.
    """
    if not isinstance(notes.get("settings"), dict):
        raise FormatError("the checkpoint", "without settings", "what refboot train saved")
    try:
        settings = Settings.from_dict(notes["settings"])
        return (
            settings,
            arrays.whole("epoch", notes.get("epoch"), 0),
            arrays.whole("iteration", notes.get("iteration"), 0),
        )
    except (RefbootError, TypeError) as error:
        raise FormatError(
            "the checkpoint", f"damaged ({error})", "what refboot train saved"
        ) from error


def _changes(stored: Settings, given: Mapping[str, Any]) -> list[str]:
    old = stored.to_dict()
    plain = {
        name: list(value) if isinstance(value, tuple) else value for name, value in given.items()
    }
    return [name for name, value in plain.items() if old.get(name) != value]


def _newest(folder: Path) -> checkpoint.Checkpoint:
    found = checkpoint.newest(folder)
    if found is None:
        raise FormatError(
            str(folder),
            "without a checkpoint",
            "the folder of a run (without --resume a new one begins)",
        )
    return found
