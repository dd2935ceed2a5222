"""A whole run: trains and tests epoch by epoch, reports, saves into a folder, can be resumed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from refboot import arrays, files
from refboot.errors import FormatError, OrderError, RangeError, RefbootError
from refboot.io import state
from refboot.optim import Adam
from refboot.reference.numbers import check_subnormals
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.settings import Settings
from refboot.stats import LearningStat, LearningStats
from refboot.training import checkpoint
from refboot.training.build import build, loaders
from refboot.training.folder import BEST, LAST, RunFolder
from refboot.training.guard import Guard
from refboot.training.step import evaluate, train_epoch

Report = Callable[[str], None]
Track = Callable[[int, int, int, LayerMode], None]


class Run:
    """A run of `settings` in `folder`: settings.json, log.jsonl, loss.txt, accuracy.txt, networks
    and checkpoints.

    best.h5 is the network with the best SNN test accuracy (tested in the sampled epochs and the
    last), last.h5 that of the last complete epoch. A checkpoint is saved after each epoch, and
    every `checkpoint_steps` steps within one (0: never). With `resume` the run continues from the
    newest one, with the same bits as if it had never stopped. It may have more epochs than before,
    but no other settings. A folder with an unfinished or another run is refused unless `overwrite`
    is set. `on_trouble`: see Guard. `root` and `download` say where MNIST is. Raises what Settings,
    the data and the files raise, before any training. Spec: TRN-10.
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
        arrays.instance("settings", settings, Settings, "a refboot.settings.Settings")
        self.settings = settings
        resume, overwrite = arrays.flag("resume", resume), arrays.flag("overwrite", overwrite)
        self.checkpoint_steps = arrays.whole("checkpoint_steps", checkpoint_steps, 0)
        self.guard = Guard(on_trouble)
        self.epoch = self.iteration = 0
        self.notices: list[str] = []
        self._broken = False
        self._build(root, download)
        self.place = RunFolder(folder, create=not resume)
        self.folder = self.place.path
        try:
            self._resume() if resume else self._begin(overwrite)
        except BaseException:
            self.place.release()
            raise

    def run(
        self, report: Report = print, track: Track = lambda epoch, iteration, total, mode: None
    ) -> dict[str, Any]:
        """Train to the last epoch and return `results()`.

        `report` gets each line, `track` is called after each step. After an interruption the run
        continues from the newest checkpoint. Raises TroubleError as Guard does, FormatError if a
        file cannot be written, OrderError while another run holds the folder.
        """
        check_subnormals()
        self.place.hold()
        try:
            if self._broken:
                self._resume()
            self._broken = True
            while self.notices:
                report(self.notices.pop(0))
            while self.epoch < self.settings.epochs:
                self.run_epoch(report, track)
            found = self.results()
            self._broken = False
            return found
        finally:
            self.place.release()

    def run_epoch(self, report: Report, track: Track) -> None:
        """Train, test, report, log and save one epoch, or the rest of one."""
        begun, epoch, total = time.perf_counter(), self.epoch, len(self.training)
        self._data_state = self.generators["data"].bit_generator.state

        def after(iteration: int, mode: LayerMode) -> None:
            track(epoch, iteration, total, mode)
            self.iteration = done = iteration + 1
            if self.checkpoint_steps and done % self.checkpoint_steps == 0 and done < total:
                self.checkpoint()

        self.optimizer.lr = self.settings.lr_at(epoch)
        start, stat = self.iteration, self.stats.training
        parts = self.network, self.optimizer, self.training.epoch(start), self.scheduler
        train_epoch(*parts, epoch, stat, after, self.guard, start)
        trained = time.perf_counter()
        mode = self.scheduler.mode(epoch, 0, train=False)
        with self.guard.at(epoch, self.iteration):
            self.guard.weights(self.network)
            evaluate(self.network, self.testing, mode, self.stats.testing)
        if mode.base_mode is Mode.SNN:
            self._spiking(mode, self.stats.testing, report)
        report(f"[Epoch {epoch:2d}/{self.settings.epochs}] {self.stats}")
        if epoch + 1 == self.settings.epochs and mode.base_mode is not Mode.SNN:
            last = LayerMode(mode.crossover, Mode.SNN), LearningStat()
            evaluate(self.network, self.testing, *last)  # the last network may be the best
            self._spiking(*last, report)
        for note in self.guard.notes.values():
            report(f"Trouble: {note}")
        self.digest = self.network.digest()
        self.place.log(self._line(mode, trained - begun, time.perf_counter() - trained))
        self._close()

    def results(self) -> dict[str, Any]:
        """Load the best network and return its epoch and test accuracy, as SNN and as ANN.

        Without "ANN" if a layer was never fitted. "digest" is that of the last network.
        """
        notes = state.load(self.network, self.folder / BEST)
        found = {"epoch": notes["epoch"], "digest": self.digest}
        for mode in (Mode.SNN, Mode.ANN) if self.network.fitted else (Mode.SNN,):
            stat = LearningStat()
            evaluate(self.network, self.testing, LayerMode(0, mode), stat)
            found[mode.name] = stat.accuracy
        return found

    def checkpoint(self) -> None:
        """Save everything the run remembers; raises FormatError, and then changes no file."""
        named, notes = checkpoint.take(self)
        # With the state at the epoch's beginning, its order and augmentation come out the same.
        notes["generators"]["data"] = self._data_state
        notes |= {"epoch": self.epoch, "iteration": self.iteration}
        checkpoint.save(self.folder, named, notes | {"settings": self.settings.to_dict()})

    def _build(self, root: str | os.PathLike[str] | None, download: bool) -> None:
        settings = self.settings
        network_rng, data_rng = (
            np.random.Generator(np.random.PCG64(seed))
            for seed in np.random.SeedSequence(settings.seed).spawn(2)
        )
        self.training, self.testing = loaders(settings, data_rng, root, download)
        if len(self.training) <= settings.num_sample_iter:
            got = f"{settings.num_sample_iter} of the {len(self.training)} steps of an epoch"
            got += f" (with batch_size {settings.batch_size})"
            raise RangeError("num_sample_iter", got, "fewer, so that a fit follows")
        self.network = build(settings, network_rng)
        self.digest = self.network.digest()
        self.optimizer: Adam = Adam(self.network.parameters(), lr=settings.lr)
        self.scheduler: Scheduler = Scheduler(
            settings.num_sample_iter, settings.sample_period, settings.crossover_epochs
        )
        self.stats: LearningStats = LearningStats()
        self.generators: dict[str, np.random.Generator] = {"network": network_rng, "data": data_rng}
        self._data_state = data_rng.bit_generator.state

    def _begin(self, overwrite: bool) -> None:
        if not overwrite:
            self._refuse_to_lose()
        self.place.clear()
        self.place.write_settings(self.settings.to_dict())
        self.place.cut_log(0)
        self.checkpoint()

    def _refuse_to_lose(self) -> None:
        """Raise OrderError if the folder has a run that a new one would destroy."""
        found, got = checkpoint.newest(self.folder), ""
        if found is None:
            networks = [name for name in (BEST, LAST) if (self.folder / name).exists()]
            got = f"a folder with {' and '.join(networks)} of another run" if networks else ""
        else:
            old, epoch, iteration = _progress(found.notes)
            changed = _changes(old, self.settings.to_dict())
            if epoch + iteration and epoch < old.epochs:
                got = f"the folder of a run stopped in epoch {epoch} of {old.epochs}"
            elif epoch and changed:
                got = f"the folder of a finished run with another {', '.join(changed)}"
        if got:
            expected = "--resume to continue, --overwrite to begin again, or another folder"
            raise OrderError(str(self.folder), got, expected)

    def _resume(self) -> None:
        found = _newest(self.folder)
        _agreed(found.notes, self.settings.to_dict())
        checkpoint.put_back(self, found)
        _, self.epoch, self.iteration = _progress(found.notes)
        self._data_state = self.generators["data"].bit_generator.state
        self.digest = self.network.digest()
        self.place.cut_log(self.epoch)
        self.stats.save(self.folder)
        self.place.write_settings(self.settings.to_dict())
        self.notices = [f"Passed over: {what}" for what in found.damaged]
        notice = f"Resumed in epoch {self.epoch}, step {self.iteration}"
        if self.epoch >= self.settings.epochs:
            notice = f"The run in {self.folder} is finished: all {self.epoch} epochs are done"
        self.notices.append(notice)

    def _spiking(self, mode: LayerMode, stat: LearningStat, report: Report) -> None:
        """Report and record an SNN test; save the network if it is the best so far."""
        snn_stat, epochs = self.scheduler.snn_stat, self.settings.epochs
        self.scheduler.sync_snn_stat(stat)
        report(f"{mode}\n[Epoch {self.epoch:2d}/{epochs}]\nSNN Testing: {snn_stat}")
        if snn_stat.best_accuracy:
            state.save(self.network, self.folder / BEST, self._notes(stat))
        self.scheduler.update_snn_stat()

    def _close(self) -> None:
        """End the epoch: save statistics, network and the checkpoint the next one begins with."""
        notes = self._notes(self.stats.testing)
        self.stats.update()
        self.stats.save(self.folder)
        state.save(self.network, self.folder / LAST, notes)
        self.guard.notes.clear()
        self.epoch, self.iteration = self.epoch + 1, 0
        self._data_state = self.generators["data"].bit_generator.state
        self.checkpoint()

    def _notes(self, stat: LearningStat) -> dict[str, Any]:
        settings = self.settings.to_dict()
        return {"settings": settings, "epoch": self.epoch, "accuracy": stat.accuracy}

    def _line(self, mode: LayerMode, seconds: float, test_seconds: float) -> dict[str, Any]:
        """The epoch's line of log.jsonl."""
        line: dict[str, Any] = {"epoch": self.epoch, "test_mode": mode.base_mode.name}
        for name, stat in (("train", self.stats.training), ("test", self.stats.testing)):
            line |= {f"{name}_loss": stat.loss, f"{name}_accuracy": stat.accuracy}
        line |= {"grad_norms": self.network.grad_norms(), "digest": self.digest}
        line |= {"seconds": round(seconds, 3), "test_seconds": round(test_seconds, 3)}
        if mode.base_mode is Mode.SNN:
            line["curves"] = {
                name.removesuffix(".curve.knots"): knots.tolist()
                for name, knots in self.network.state().items()
                if name.endswith(".curve.knots")
            }
        if self.guard.notes:
            line["trouble"] = list(self.guard.notes.values())
        return line


def resumed_settings(folder: str | os.PathLike[str], given: Mapping[str, Any]) -> Settings:
    """The settings of the run in `folder`, with the `epochs` of `given`.

    Raises FormatError if `given` changes any other setting, or has fewer epochs than are done.
    """
    arrays.mapping("given", given, "a mapping of settings")
    return _agreed(_newest(files.as_path("folder", folder)).notes, given)


def _newest(folder: os.PathLike[str]) -> checkpoint.Checkpoint:
    found = checkpoint.newest(files.as_path("folder", folder))
    if found is None:
        expected = "the folder of a run (leave out --resume to begin a new run)"
        raise FormatError(str(folder), "without a checkpoint", expected)
    return found


def _agreed(notes: Mapping[str, Any], given: Mapping[str, Any]) -> Settings:
    """The settings in a checkpoint's notes, with the epochs of `given`."""
    stored, done, _ = _progress(notes)
    for name, old in _changes(stored, given).items():
        if name != "epochs" or not isinstance(given[name], int) or given[name] < done:
            expected = f"{old!r}, as in the run to resume"
            raise FormatError(f"the setting {name}", repr(given[name]), expected)
    return Settings.from_dict(notes["settings"] | dict(given))


def _progress(notes: Mapping[str, Any]) -> tuple[Settings, int, int]:
    """The settings in a checkpoint's notes, and the epoch and iteration that come next."""
    try:
        settings = Settings.from_dict(notes["settings"])
        counts = (arrays.whole(name, notes[name], 0) for name in ("epoch", "iteration"))
        return settings, *counts  # type: ignore[return-value]
    except (RefbootError, KeyError, TypeError) as error:
        got = f"damaged ({error})"
        raise FormatError("the checkpoint", got, "one that refboot train saved") from error


def _changes(stored: Settings, given: Mapping[str, Any]) -> dict[str, Any]:
    """The stored values of the settings that `given` has otherwise."""
    old = stored.to_dict()
    plain = {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}
    return {name: old.get(name) for name, value in plain.items() if old.get(name) != value}
