"""All that a training remembers, as arrays and plain values: what a checkpoint holds, taken from a
run and put back into it.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from refboot import ops
from refboot.arrays import whole
from refboot.block.base import Block
from refboot.errors import FormatError, RefbootError
from refboot.network import Network
from refboot.optim import Adam
from refboot.routine import Scheduler
from refboot.stats import LearningStats
from refboot.training.checkpoint import Checkpoint

Generators = Mapping[str, np.random.Generator]
KEYS = (
    "settings",
    "epoch",
    "iteration",
    "steps",
    "stats",
    "snn_stat",
    "generators",
    "fresh",
    "made_by",
)


class Parts(NamedTuple):
    """The parts of a run that change as it trains; `generators` by name."""

    network: Network
    optimizer: Adam
    scheduler: Scheduler
    stats: LearningStats
    generators: Generators


def arrays_of(parts: Parts) -> dict[str, np.ndarray]:
    """Parameters and curves, the optimiser's moments, and the samplers' points, by name."""
    named = {f"network.{name}": array for name, array in parts.network.state().items()}
    for number, moments in enumerate(zip(parts.optimizer.m, parts.optimizer.v, strict=True)):
        named |= {
            f"optimizer.{number}.{name}": array for name, array in zip("mv", moments, strict=True)
        }
    return named | {f"samples.{name}": np.stack([f.z, f.a]) for name, f in _samplers(parts.network)}


def notes_of(parts: Parts) -> dict[str, Any]:
    """The numbers beside the arrays: steps taken, statistics, states of the generators, and with
    what all this was computed.
    """
    return {
        "steps": parts.optimizer.steps,
        "stats": parts.stats.to_dict(),
        "snn_stat": parts.scheduler.snn_stat.to_dict(),
        "generators": {name: rng.bit_generator.state for name, rng in parts.generators.items()},
        "fresh": {name: f.fresh for name, f in _samplers(parts.network)},
        "made_by": made_by(),
    }


def made_by() -> dict[str, str]:
    """What the bits of rates and gradients may depend on: versions, processor, operations (those of
    spiking layers do not).
    """
    chosen = str(getattr(ops.active(), "__name__", "own")).removeprefix("refboot.")
    return {
        "numpy": np.__version__,
        "numba": _version("numba"),
        "machine": platform.machine(),
        "operations": chosen,
    }


def put_back(parts: Parts, found: Checkpoint) -> None:
    """Make `parts` what they were when `found` was taken; raises FormatError where it is not of
    such a run, and then they are of no use.
    """
    missing = [key for key in KEYS if key not in found.notes]
    if missing or not isinstance(found.notes["made_by"], dict):
        raise FormatError(
            "the checkpoint", f"without {missing or 'made_by'}", f"notes of {list(KEYS)}"
        )
    try:
        _put_back(parts, found)
    except FormatError:
        raise
    except (RefbootError, AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(
            "the checkpoint",
            f"not of this run ({type(error).__name__}: {error})",
            "what a run of these settings saved",
        ) from error


def _put_back(parts: Parts, found: Checkpoint) -> None:
    notes = found.notes
    parts.network.load_state(_below(found.arrays, "network."))
    for number, (m, v) in enumerate(zip(parts.optimizer.m, parts.optimizer.v, strict=True)):
        m[...], v[...] = (_like(found.arrays, f"optimizer.{number}.{name}", m) for name in "mv")
    parts.optimizer.steps = whole("steps", notes["steps"], 0)
    for name, f in _samplers(parts.network):
        f.restore(_pairs(found.arrays, f"samples.{name}"))
        f.fresh = whole("fresh", notes["fresh"][name], 0, f.count)
    parts.scheduler.snn_stat.restore(notes["snn_stat"])
    parts.stats.__dict__.update(LearningStats.from_dict(notes["stats"]).__dict__)
    for name, rng in parts.generators.items():
        rng.bit_generator.state = notes["generators"][name]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _samplers(network: Network) -> list[tuple[str, Any]]:
    return [
        (f"blocks.{i}", block.f)
        for i, block in enumerate(network.blocks)
        if isinstance(block, Block)
    ]


def _below(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _like(arrays: Mapping[str, np.ndarray], name: str, model: np.ndarray) -> np.ndarray:
    found = arrays[name]
    if found.shape != model.shape or not np.isfinite(found).all():
        raise FormatError(
            name, f"{found.dtype} of shape {found.shape}", f"finite floats of shape {model.shape}"
        )
    return found


def _pairs(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    found = arrays[name]
    if found.ndim != 2 or len(found) != 2 or not np.isfinite(found).all():
        raise FormatError(
            name, f"{found.dtype} of shape {found.shape}", "finite floats of shape (2, n)"
        )
    return found
