"""Training, validation and testing statistics of a run: printing, plotting, saving, restoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import Any, Protocol

from refboot.arrays import extra, whole
from refboot.errors import FormatError
from refboot.stats import curves, table
from refboot.stats.learning_stat import LearningStat, count, expect_keys, real

_NAMES = ("loss_str", "loss_unit", "accuracy_str", "accuracy_unit")
_COLOURS = {"training": "#0072B2", "validation": "#E69F00", "testing": "#CC3311"}


class Loader(Protocol):
    """What `LearningStats.print` asks of a data loader to show the progress; its length is its
    number of batches.
    """

    dataset: Sized
    batch_size: int

    def __len__(self) -> int:
        """Batches in an epoch."""


class LearningStats:
    """Training, validation and testing statistics of a run, each a LearningStat.

    `loss_str` and `accuracy_str` name the two in print, plots and files; `loss_unit` and
    `accuracy_unit` follow the numbers. Raises TypeMismatchError for what is not text, RangeError
    for what is not printable.
    """

    def __init__(
        self,
        loss_str: str = "loss",
        loss_unit: str = "",
        accuracy_str: str = "accuracy",
        accuracy_unit: str = "",
    ) -> None:
        names = (loss_str, loss_unit, accuracy_str, accuracy_unit)
        self.training, self.validation, self.testing = (
            LearningStat(*names),
            LearningStat(*names),
            LearningStat(*names),
        )
        self.lines_printed = 0

    def update(self) -> None:
        """End an epoch: log and reset all three. A set without samples logs None."""
        for stat in self._stats():
            stat.update()
            stat.reset()

    def new_line(self) -> None:
        """Let the next `print` begin below what is there, instead of over its last lines."""
        self.lines_printed = 0

    def __str__(self) -> str:
        """`Train ... | Valid ... | Test  ...`: validation and testing only where they have
        samples.
        """
        later = zip(table.HEADS[1:], self._stats()[1:], strict=True)
        return f"Train {self.training}" + "".join(
            f" | {head:5} {stat}" for head, stat in later if str(stat)
        )

    def print(
        self,
        epoch: int,
        iter: int | None = None,
        time_elapsed: float | None = None,
        header: Sequence[object] | None = None,
        dataloader: Loader | None = None,
    ) -> None:
        """Print the statistics over the lines of the last call (by terminal control codes), the
        `header` lines first.

        epoch, iter: counted from 0. time_elapsed: seconds, shown in ms. With `iter` and
        `dataloader`, the samples seen so far are shown. Raises TypeMismatchError or RangeError for
        bad numbers and an empty loader.
        """
        first = f"Epoch {count('epoch', epoch):4d}" + _progress(iter, dataloader)
        if time_elapsed is not None:
            first += f", {real('time_elapsed', time_elapsed) * 1000:12.4f} ms elapsed"
        above = ["\033[2K" + str(line) for line in header or []]
        lines = [*above, first + " " * 8, *str(self).split("| ")]
        print(f"\033[{self.lines_printed}A")
        print("\n".join(lines))
        self.lines_printed = 1 + len(lines)

    def plot(
        self,
        figures: tuple[Any, Any] = (1, 2),
        figsize: tuple[float, float] | None = None,
        path: table.Folder | None = None,
    ) -> tuple[Any, Any]:
        """Draw loss and accuracy over the epochs; returns the two matplotlib Figures (a notebook
        shows a Figure itself).

        figures: two numbers, kept as labels of new Figures, or two Figures to draw on. figsize:
        inches. path: an existing folder, which gets loss.png and accuracy.png. pyplot's global
        state is left alone. Raises MissingExtraError without matplotlib, FormatError for a missing
        folder.
        """
        place = None if path is None else table.folder(path)
        extra("matplotlib.figure", "viz")
        loss, accuracy = (curves.blank(figure, figsize) for figure in figures)
        stats = [
            (name.capitalize(), colour, getattr(self, name)) for name, colour in _COLOURS.items()
        ]
        losses = [curves.Curve(name, colour, stat.loss_log) for name, colour, stat in stats]
        accuracies = [curves.Curve(name, colour, stat.accuracy_log) for name, colour, stat in stats]
        curves.draw(loss, self.training.loss_str, self.training.loss_unit, losses, min)
        curves.draw(
            accuracy, self.training.accuracy_str, self.training.accuracy_unit, accuracies, max
        )
        if place is not None:
            table.write_files(
                {place / "loss.png": curves.png(loss), place / "accuracy.png": curves.png(accuracy)}
            )
        return loss, accuracy

    def save(self, path: table.Folder = "") -> None:
        """Write the logs as text into the existing folder `path`: loss.txt and accuracy.txt, named
        after the two names.

        The first line names the columns: one for each data set that logged a number. Then a line an
        epoch, of numbers in 12.6f and `-` where the set logged none; lines end in CR LF. Raises
        FormatError for a missing folder and RangeError for names that are no file names. A file is
        replaced as a whole or not at all.
        """
        loss, accuracy = self._files(path)
        stats = self._stats()
        losses, accuracies = (
            [stat.loss_log for stat in stats],
            [stat.accuracy_log for stat in stats],
        )
        table.write_files({loss: table.table(losses), accuracy: table.table(accuracies)})

    def load(self, path: table.Folder = "") -> None:
        """Replace logs and records by what `save` (or lava-dl) wrote into the folder `path`, to its
        six decimals.

        The running epoch starts anew. Raises FormatError for files that are missing, damaged or of
        unequal length, and then changes nothing.
        """
        losses, accuracies = (table.read_table(file) for file in self._files(path))
        if len(losses[0]) != len(accuracies[0]):
            raise FormatError(
                "the accuracy file",
                f"of {len(accuracies[0])} epochs",
                f"{len(losses[0])}, as the loss file",
            )
        for stat, loss_log, accuracy_log in zip(self._stats(), losses, accuracies, strict=True):
            stat.reset()
            stat.restore(stat.to_dict() | {"loss_log": loss_log, "accuracy_log": accuracy_log})

    def to_dict(self) -> dict[str, Any]:
        """All that a checkpoint needs in plain Python values, fit for JSON (NaN as Python's json
        writes it).
        """
        names = {name: getattr(self.training, name) for name in _NAMES}
        return names | {name: getattr(self, name).to_dict() for name in _COLOURS}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> LearningStats:
        """The statistics whose `to_dict()` gave `state`.

        Raises FormatError for missing or unknown keys and bad logs, TypeMismatchError or RangeError
        for bad numbers.
        """
        expect_keys("learning stats", state, [*_NAMES, *_COLOURS])
        stats = cls(*(state[name] for name in _NAMES))
        for name in _COLOURS:
            getattr(stats, name).restore(state[name])
        return stats

    def _stats(self) -> list[LearningStat]:
        return [self.training, self.validation, self.testing]

    def _files(self, path: table.Folder) -> list[Any]:
        return table.files(path, (self.training.loss_str, self.training.accuracy_str))


def _progress(iteration: int | None, loader: Loader | None) -> str:
    """The samples seen so far where the loader is known, else the iteration, else nothing."""
    if iteration is None:
        return ""
    count("iter", iteration)
    if loader is None:
        return f": i = {iteration:5d} "
    samples, batches = (
        whole("samples of dataloader", len(loader.dataset)),
        whole("batches of dataloader", len(loader)),
    )
    seen = iteration * loader.batch_size
    return f": {seen:{len(str(samples - 1))}}/{samples} ({100.0 * iteration / batches:.0f}%)"
