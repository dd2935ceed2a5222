"""Checkpoints: everything a run remembers, in sealed files of which two generations are kept.

`checkpoint.h5` is the newest and `checkpoint.previous.h5` the one before. After a crash only one of
them may be there. The seal reveals a damaged file; then the other one is used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from refboot.ann_sampler import AnnSampler
from refboot.arrays import whole
from refboot.block.base import Block
from refboot.errors import FormatError, RefbootError
from refboot.files import sync_folder
from refboot.hdf5 import read_floats, reading, walk, writing
from refboot.network import Network
from refboot.stats import LearningStats

if TYPE_CHECKING:
    from refboot.training.run import Run

CURRENT, PREVIOUS = "checkpoint.h5", "checkpoint.previous.h5"
FORMAT, VERSION = "refboot-checkpoint", 1


@dataclass(frozen=True)
class Checkpoint:
    """`arrays` by dotted name, and `notes` of plain values.

    `damaged` says what was wrong with newer checkpoints that could not be used.
    """

    arrays: dict[str, np.ndarray]
    notes: dict[str, Any]
    damaged: list[str] = field(default_factory=list)


def save(folder: Path, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> None:
    """Write the newest checkpoint of `folder`; the former newest becomes the previous one.

    Raises FormatError if that fails; then the old checkpoints are still there.
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
        got = f"not written ({error.strerror})"
        raise FormatError(str(folder / CURRENT), got, "a writable folder") from error


def read(path: str | os.PathLike[str]) -> Checkpoint:
    """The checkpoint in the file `path`; raises FormatError if it is damaged or of another kind."""
    with reading(path, sealed=True) as file:
        found = file.attrs.get("format"), file.attrs.get("version")
        if found != (FORMAT, VERSION):
            got = f"of format {found[0]}, version {found[1]}"
            raise FormatError(str(path), got, f"{FORMAT}, version {VERSION}")
        notes = json.loads(file.attrs["notes"])
        if not isinstance(notes, dict):
            raise FormatError(f"the notes of {path}", f"a {type(notes).__name__}", "a JSON object")
        return Checkpoint({name: read_floats(dataset) for name, dataset in walk(file)}, notes)


def newest(folder: Path) -> Checkpoint | None:
    """The newest undamaged checkpoint of `folder`, or None if there never was one.

    Raises FormatError if all are damaged.
    """
    damaged: list[str] = []
    for path in (folder / CURRENT, folder / PREVIOUS):
        if path.exists():
            try:
                found = read(path)
            except FormatError as error:
                damaged.append(str(error))
            else:
                return Checkpoint(found.arrays, found.notes, damaged)
    if damaged:
        got = f"damaged: {'; '.join(damaged)}"
        raise FormatError(f"every checkpoint in {folder}", got, "one undamaged checkpoint")
    return None


def take(run: Run) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and notes from which `put_back` restores `run`.

    Arrays: parameters and curves, Adam's moments, and the samplers' points. Notes: steps taken,
    statistics, and the states of the generators.
    """
    arrays = {f"network.{name}": array for name, array in run.network.state().items()}
    for moment in "mv":
        for i, array in enumerate(getattr(run.optimizer, moment)):
            arrays[f"optimizer.{i}.{moment}"] = array
    for name, sampler in _samplers(run.network):
        arrays[f"samples.{name}"] = sampler.points
    notes = {
        "steps": run.optimizer.steps,
        "stats": run.stats.to_dict(),
        "snn_stat": run.scheduler.snn_stat.to_dict(),
        "generators": {name: rng.bit_generator.state for name, rng in run.generators.items()},
        "fresh": {name: sampler.fresh for name, sampler in _samplers(run.network)},
    }
    return arrays, notes


def put_back(run: Run, found: Checkpoint) -> None:
    """Restore what `take` gave; raises FormatError if it does not fit `run`, which is then lost."""
    arrays, notes, prefix = found.arrays, found.notes, "network."
    try:
        state = {name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)}
        run.network.load_state(state)
        for moment in "mv":
            for i, array in enumerate(getattr(run.optimizer, moment)):
                array[...] = _finite(arrays, f"optimizer.{i}.{moment}", array.shape)
        run.optimizer.steps = whole("steps", notes["steps"], 0)
        for name, sampler in _samplers(run.network):
            key = f"samples.{name}"
            sampler.restore(_finite(arrays, key, (2, arrays[key].size // 2)))
            sampler.fresh = whole("fresh", notes["fresh"][name], 0, sampler.count)
        run.scheduler.snn_stat.restore(notes["snn_stat"])
        run.stats = LearningStats.from_dict(notes["stats"])
        for name, rng in run.generators.items():
            rng.bit_generator.state = notes["generators"][name]
    except FormatError:
        raise
    except (RefbootError, AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        got = f"not of a run with these settings ({type(error).__name__}: {error})"
        raise FormatError("the checkpoint", got, "one of a run with these settings") from error


def _samplers(network: Network) -> list[tuple[str, AnnSampler]]:
    blocks = enumerate(network.blocks)
    return [(f"blocks.{i}", block.f) for i, block in blocks if isinstance(block, Block)]


def _finite(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    found = arrays[name]
    if found.shape != shape or not np.isfinite(found).all():
        got = f"{found.dtype} of shape {found.shape}"
        raise FormatError(name, got, f"finite numbers of shape {shape}")
    return found
