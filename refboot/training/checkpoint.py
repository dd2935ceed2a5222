"""Checkpoints: files from which a training goes on as if it had never stopped; sealed, two
generations kept.

`checkpoint.h5` is the newest, `checkpoint.previous.h5` the one before. Either may be the only one
after a crash; one that is torn or changed is told from its seal, and the other is used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from refboot.errors import FormatError
from refboot.files import sync_folder
from refboot.hdf5 import read_floats, reading, walk, writing

CURRENT, PREVIOUS = "checkpoint.h5", "checkpoint.previous.h5"
FORMAT, VERSION = "refboot-checkpoint", 1


@dataclass(frozen=True)
class Checkpoint:
    """`arrays` by dotted name, and `notes`, plain values; `damaged` lists what was wrong with newer
    checkpoints that were passed over.
    """

    arrays: dict[str, np.ndarray]
    notes: dict[str, Any]
    damaged: list[str] = field(default_factory=list)


def save(folder: Path, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> None:
    """Make `arrays` and `notes` the newest checkpoint of `folder`, and the newest that was the
    previous one.

    Raises FormatError where it cannot be written; then the checkpoints there were are still there.
    """
    fresh = folder / f".{CURRENT}.new"
    with writing(fresh, sealed=True) as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "notes": json.dumps(dict(notes))})
        for name, array in arrays.items():
            file[name.replace(".", "/")] = array
    try:
        if (folder / CURRENT).exists():
            os.replace(folder / CURRENT, folder / PREVIOUS)
        os.replace(fresh, folder / CURRENT)
        sync_folder(folder)
    except OSError as error:
        raise FormatError(
            str(folder / CURRENT), f"not written ({error.strerror})", "a writable folder"
        ) from error


def read(path: str | os.PathLike[str]) -> Checkpoint:
    """The checkpoint in the file `path`; raises FormatError for one that is torn, changed, of
    another version, or none.
    """
    with reading(path, sealed=True) as file:
        found = file.attrs.get("format"), file.attrs.get("version")
        if found[0] != FORMAT or found[1] != VERSION:
            raise FormatError(
                str(path),
                f"of format {found[0]}, version {found[1]}",
                f"{FORMAT}, version {VERSION}",
            )
        notes = json.loads(file.attrs["notes"])
        if not isinstance(notes, dict):
            raise FormatError(f"the notes of {path}", f"a {type(notes).__name__}", "a JSON object")
        return Checkpoint({name: read_floats(dataset) for name, dataset in walk(file)}, notes)


def newest(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint of `folder`, None where there is none at all; raises FormatError
    if all are damaged.
    """
    damaged: list[str] = []
    for path in (folder / CURRENT, folder / PREVIOUS):
        if not path.exists():
            continue
        try:
            found = read(path)
        except FormatError as error:
            damaged.append(str(error))
        else:
            return Checkpoint(found.arrays, found.notes, damaged)
    if damaged:
        raise FormatError(
            f"every checkpoint in {folder}", f"damaged: {'; '.join(damaged)}", "one that is whole"
        )
    return None
