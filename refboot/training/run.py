"""A whole run: epochs of training and evaluation, reported as in the tutorial, saved into a folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from refboot.io import state
from refboot.optim import Adam
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.settings import Settings
from refboot.stats import LearningStat, LearningStats
from refboot.training.build import build, loaders
from refboot.training.step import evaluate, train_epoch

Report = Callable[[str], None]
Track = Callable[[int, int, int, LayerMode], None]


class Run:
    """A run of `settings` in `folder`, which gets settings.json, log.jsonl, loss.txt, accuracy.txt, best.h5 and last.h5.

    best.h5 is the network of the best spiking test accuracy, last.h5 that of the last whole epoch. `root` and `download` say
    where MNIST is. Raises what Settings, the data and the files raise, before any training.
    """

    def __init__(
        self, settings: Settings, folder: str | os.PathLike[str], root: str | os.PathLike[str] | None = None, download: bool = False
    ) -> None:
        network_seed, data_seed = np.random.SeedSequence(settings.seed).spawn(2)
        self.settings = settings
        self.training, self.testing = loaders(settings, np.random.default_rng(data_seed), root, download)
        self.network = build(settings, np.random.default_rng(network_seed))
        self.optimizer = Adam(self.network.parameters(), lr=settings.lr)
        self.scheduler = Scheduler(settings.num_sample_iter, settings.sample_period, settings.crossover_epochs)
        self.stats = LearningStats()
        self.epoch = 0
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "settings.json").write_text(json.dumps(settings.to_dict(), indent=1) + "\n")
        (self.folder / "log.jsonl").write_text("")

    def run(self, report: Report = print, track: Track = lambda epoch, iteration, total, mode: None) -> dict[str, Any]:
        """Train to the last epoch, `report` getting each line and `track` each step; returns the results of the best network."""
        while self.epoch < self.settings.epochs:
            self.run_epoch(report, track)
            self.epoch += 1
        return self.results()

    def run_epoch(self, report: Report, track: Track) -> None:
        """Train, test, report, log and save one epoch."""
        begun, epoch, total = time.perf_counter(), self.epoch, len(self.training)
        stat = self.stats.training
        train_epoch(self.network, self.optimizer, self.training, self.scheduler, epoch, stat, lambda i, mode: track(epoch, i, total, mode))
        trained = time.perf_counter()
        mode = self.scheduler.mode(epoch, 0, train=False)
        evaluate(self.network, self.testing, mode, self.stats.testing)
        if mode.base_mode is Mode.SNN:
            self._spiking(mode, report)
        report(f"[Epoch {epoch:2d}/{self.settings.epochs}] {self.stats}")
        self._log(mode, trained - begun, time.perf_counter() - trained)
        self.stats.update()
        self.stats.save(self.folder)
        state.save(self.network, self.folder / "last.h5", self._notes())

    def _spiking(self, mode: LayerMode, report: Report) -> None:
        self.scheduler.sync_snn_stat(self.stats.testing)
        report(f"{mode}\n[Epoch {self.epoch:2d}/{self.settings.epochs}]\nSNN Testing: {self.scheduler.snn_stat}")
        if self.scheduler.snn_stat.best_accuracy:
            state.save(self.network, self.folder / "best.h5", self._notes())
        self.scheduler.update_snn_stat()

    def _notes(self) -> dict[str, Any]:
        return {"settings": self.settings.to_dict(), "epoch": self.epoch, "accuracy": self.stats.testing.accuracy}

    def _log(self, mode: LayerMode, seconds: float, test_seconds: float) -> None:
        train, test = self.stats.training, self.stats.testing
        line = {
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
        with open(self.folder / "log.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")

    def results(self) -> dict[str, Any]:
        """Test accuracy of the best network saved: as SNN and, with the same weights, as ANN."""
        notes = state.load(self.network, self.folder / "best.h5")
        found: dict[str, Any] = {"epoch": notes["epoch"], "time_steps": self.settings.time_steps}
        for mode in (Mode.SNN, Mode.ANN):
            stat = LearningStat()
            evaluate(self.network, self.testing, LayerMode(0, mode), stat)
            found[mode.name] = stat.accuracy
        return found
