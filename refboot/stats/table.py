"""The text files of the statistics: a line an epoch, a column a data set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from refboot.errors import FormatError, RangeError, TypeMismatchError
from refboot.stats.learning_stat import Log

Folder = str | os.PathLike[str]

HEADS = ("Train", "Valid", "Test")


def folder(path: Folder) -> Path:
    """`path` as an existing folder; raises TypeMismatchError, FormatError."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeMismatchError("path", repr(path), "a folder, as text or pathlib.Path")
    if not Path(path).is_dir():
        raise FormatError("path", repr(str(path)), "an existing folder")
    return Path(path)


def files(path: Folder, names: Sequence[str]) -> list[Path]:
    """The text files called `names` in the folder `path`; raises RangeError where they are not
    distinct file names.
    """
    if len(set(names)) < len(names) or any(
        not name or "/" in name or "\\" in name for name in names
    ):
        raise RangeError("loss_str and accuracy_str", names, "distinct file names")
    return [folder(path) / f"{name}.txt" for name in names]


def table(logs: Sequence[Log]) -> bytes:
    """The logs, one for each of HEADS, as text: a column each, those without any number left out,
    lines ended by CR LF.
    """
    shown = [any(value is not None for value in log) for log in logs]
    lines = ["#" + "".join(f" {head:12}" for head, show in zip(HEADS, shown, strict=True) if show)]
    for row in zip_longest(*logs):
        lines.append("".join(_cell(value) for value, show in zip(row, shown, strict=True) if show))
    return "".join(line + "\r\n" for line in lines).encode()


def read_table(file: Path) -> list[Log]:
    """The logs, one for each of HEADS, that `table` or lava-dl wrote; raises FormatError that names
    the file and line.
    """
    try:
        title, *rows = file.read_bytes().decode().splitlines()
    except (OSError, ValueError) as error:
        raise FormatError(
            str(file), "missing or not a text of epochs", "what LearningStats.save writes"
        ) from error
    heads = title.removeprefix("#").split()
    if not title.startswith("#") or heads != [head for head in HEADS if head in heads]:
        raise FormatError(
            f"{file} line 1", repr(title), f"# and some of {', '.join(HEADS)}, in this order"
        )
    logs: dict[str, Log] = {head: [] for head in HEADS}
    for number, row in enumerate(rows, 2):
        values = dict(zip(heads, _values(f"{file} line {number}", row, len(heads)), strict=True))
        for head, log in logs.items():
            log.append(values.get(head))
    return list(logs.values())


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write each file whole or not at all: all of them beside their places first, then each moved
    into its place.
    """
    beside = {file: file.with_name(f".{file.name}.{os.getpid()}") for file in contents}
    try:
        for file, content in contents.items():
            beside[file].write_bytes(content)
        for file, temporary in beside.items():
            os.replace(temporary, file)
    finally:
        for temporary in beside.values():
            temporary.unlink(missing_ok=True)


def _cell(value: float | None) -> str:
    return f"{'-':>12} " if value is None else f"{value:12.6f} "


def _values(name: str, row: str, wanted: int) -> Log:
    try:
        values: Log = [None if cell == "-" else float(cell) for cell in row.split()]
    except ValueError as error:
        raise FormatError(name, repr(row), "numbers and -") from error
    if len(values) != wanted:
        raise FormatError(name, f"of {len(values)} numbers", f"{wanted}, as line 1 names columns")
    return values
