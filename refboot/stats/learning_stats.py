"""Training, validation and testing statistics of a run: printing, plotting, saving, restoring."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from refboot import files
from refboot.arrays import whole
from refboot.errors import FormatError, RangeError
from refboot.stats import curves
from refboot.stats.learning_stat import NAMES, LearningStat, Log, expect_keys, real

Folder = str | os.PathLike[str]

HEADS = {"training": "Train", "validation": "Valid", "testing": "Test"}


class LearningStats:
    """The LearningStats `training`, `validation` and `testing` of a run.

    `loss_str` and `accuracy_str` name the two numbers in print, plots and files; `loss_unit` and
    `accuracy_unit` follow them. Raises TypeMismatchError or RangeError unless printable text.
    """

    def __init__(
        self,
        loss_str: str = "loss",
        loss_unit: str = "",
        accuracy_str: str = "accuracy",
        accuracy_unit: str = "",
    ) -> None:
        names = (loss_str, loss_unit, accuracy_str, accuracy_unit)
        self.training = LearningStat(*names)
        self.validation = LearningStat(*names)
        self.testing = LearningStat(*names)
        self.lines_printed = 0

    def update(self) -> None:
        """End an epoch: log and reset all three. A set without samples logs None."""
        for stat in self._stats():
            stat.update()
            stat.reset()

    def new_line(self) -> None:
        """Let the next `print` begin below the last lines, not over them."""
        self.lines_printed = 0

    def __str__(self) -> str:
        """`Train ... | Valid ... | Test  ...`; validation and testing only if they have samples."""
        named = zip(HEADS.values(), map(str, self._stats()), strict=True)
        shown = (f"{head:5} {text}" for head, text in named if text or head == "Train")
        return " | ".join(shown)

    def print(
        self,
        epoch: int,
        iter: int | None = None,
        time_elapsed: float | None = None,
        header: Sequence[object] | None = None,
        dataloader: Any = None,
    ) -> None:
        """Print the statistics over the lines of the last call (by terminal control codes).

        The `header` lines come first. epoch, iter: counted from 0. time_elapsed: seconds, shown in
        ms. `dataloader` (with `dataset`, `batch_size` and a length) shows the samples seen instead
        of `iter`. Raises TypeMismatchError or RangeError for bad numbers and an empty loader.
        """
        first = f"Epoch {whole('epoch', epoch, 0):4d}"
        if iter is not None:
            first += f": i = {whole('iter', iter, 0):5d} " if dataloader is None else ""
        if iter is not None and dataloader is not None:
            count = whole("samples of dataloader", len(dataloader.dataset))
            seen, share = iter * dataloader.batch_size, 100 * iter / len(dataloader)
            first += f": {seen:{len(str(count - 1))}}/{count} ({share:.0f}%)"
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
        path: Folder | None = None,
    ) -> tuple[Any, Any]:
        """Draw loss and accuracy over the epochs; returns the two matplotlib Figures.

        figures: two numbers, which label new Figures, or two Figures to draw on. figsize: inches.
        path: an existing folder, which gets loss.png and accuracy.png. pyplot's global state does
        not change. Raises MissingExtraError without matplotlib, FormatError for a missing folder.
        """
        folder = None if path is None else _folder(path)
        first = self.training
        named = (
            ("loss", first.loss_str, first.loss_unit, min),
            ("accuracy", first.accuracy_str, first.accuracy_unit, max),
        )
        drawn = []
        for figure, (kind, name, unit, best) in zip(figures, named, strict=True):
            drawn.append(curves.blank(figure, figsize))
            curves.draw(drawn[-1], name, unit, self._logs(kind), best)
            if folder is not None:
                files.replace(folder / f"{kind}.png", curves.png(drawn[-1]))
        return drawn[0], drawn[1]

    def save(self, path: Folder = "") -> None:
        """Write the logs as text into the existing folder `path`: by default loss.txt and
        accuracy.txt.

        The first line names the columns: one for each data set that logged a number. Each epoch is
        a line of numbers in 12.6f, `-` for none; lines end in CR LF. Raises FormatError for a
        missing folder and RangeError for names that are no file names. Each file is replaced as a
        whole or not at all.
        """
        texts = []
        for kind in ("loss", "accuracy"):
            shown = {n: log for n, log in self._logs(kind).items() if set(log) - {None}}
            lines = ["#" + "".join(f" {HEADS[name]:12}" for name in shown)]
            for row in zip_longest(*self._logs(kind).values()):
                cells = [c for c, name in zip(row, HEADS, strict=True) if name in shown]
                lines.append("".join(f"{'-':>12} " if c is None else f"{c:12.6f} " for c in cells))
            texts.append("".join(line + "\r\n" for line in lines).encode())
        for file, text in zip(self._files(path), texts, strict=True):
            files.replace(file, text)

    def load(self, path: Folder = "") -> None:
        """Replace logs and best values by what `save` (or lava-dl) wrote, to its six decimals.

        The running epoch starts anew. Raises FormatError for files that are missing, damaged or of
        unequal length, and then changes nothing.
        """
        losses, accuracies = (_read_table(file) for file in self._files(path))
        if len(losses["Train"]) != len(accuracies["Train"]):
            raise FormatError("the accuracy file", "of other length", "that of the loss file")
        for stat, head in zip(self._stats(), HEADS.values(), strict=True):
            stat.reset()
            logs = {"loss_log": losses[head], "accuracy_log": accuracies[head]}
            stat.restore(stat.to_dict() | logs)

    def to_dict(self) -> dict[str, Any]:
        """All that a checkpoint needs as plain values for JSON (NaN as Python's json has it)."""
        names = {name: getattr(self.training, name) for name in NAMES}
        return names | {name: getattr(self, name).to_dict() for name in HEADS}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> LearningStats:
        """The statistics that `to_dict` described.

        Raises FormatError for missing or unknown keys and bad logs, TypeMismatchError or RangeError
        for bad numbers.
        """
        expect_keys("learning stats", state, [*NAMES, *HEADS])
        stats = cls(*(state[name] for name in NAMES))
        for name in HEADS:
            getattr(stats, name).restore(state[name])
        return stats

    def _stats(self) -> list[LearningStat]:
        return [self.training, self.validation, self.testing]

    def _logs(self, kind: str) -> dict[str, Log]:
        return {name: getattr(getattr(self, name), f"{kind}_log") for name in HEADS}

    def _files(self, path: Folder) -> list[Path]:
        names = (self.training.loss_str, self.training.accuracy_str)
        if names[0] == names[1] or any(not name or {"/", "\\"} & set(name) for name in names):
            raise RangeError("loss_str and accuracy_str", names, "distinct file names")
        return [_folder(path) / f"{name}.txt" for name in names]


def _folder(path: Folder) -> Path:
    folder = files.as_path("path", "." if isinstance(path, str) and not path else path)
    if not folder.is_dir():
        raise FormatError("path", repr(str(path)), "an existing folder")
    return folder


def _read_table(file: Path) -> dict[str, Log]:
    """The logs by head that `save` or lava-dl wrote; FormatError names the file and line."""
    try:
        title, *rows = file.read_bytes().decode().splitlines()
    except (OSError, ValueError) as error:
        raise FormatError(str(file), "unreadable", "what LearningStats.save writes") from error
    heads = title.removeprefix("#").split()
    if not title.startswith("#") or heads != [head for head in HEADS.values() if head in heads]:
        expected = f"# and some of {', '.join(HEADS.values())}, in this order"
        raise FormatError(f"{file} line 1", repr(title), expected)
    logs: dict[str, Log] = {head: [] for head in HEADS.values()}
    for number, row in enumerate(rows, 2):
        try:
            cells = [None if cell == "-" else float(cell) for cell in row.split()]
            values = dict(zip(heads, cells, strict=True))
        except ValueError as error:
            expected = f"{len(heads)} numbers or -"
            raise FormatError(f"{file} line {number}", repr(row), expected) from error
        for head, log in logs.items():
            log.append(values.get(head))
    return logs
