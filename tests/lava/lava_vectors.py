"""lava-dl's answers, case by case, and the two yardsticks they are held against: equal in every bit, or close."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("vectors.h5")
Array = NDArray[Any]

# How far a float32 result may lie from lava-dl's, in ulps of the largest magnitude of the array. Where an entry is a chain of
# roundings, both sides round the same real numbers, but in another order and with another exponential: at most 6 ulps were seen.
# Where it is a sum, of up to 15,360 float32 terms, its order is free, and lava-dl's own sum is off by as much: at most 14 were seen.
# Integers, spikes, states and sums of spikes times quantised weights have no tolerance: they are compared with assert_equal.
ULPS = 16
# Curves are fitted in float64 on both sides, by the same few operations.
FIT_RTOL = 1e-12


class Case(NamedTuple):
    """One group of the file, `op`/`number`; read when a test asks for it."""

    op: str
    number: str

    def __str__(self) -> str:
        return self.number

    @property
    def params(self) -> dict[str, Any]:
        """The case's parameters."""
        with h5py.File(FILE, "r") as file:
            params: dict[str, Any] = json.loads(file[self.op][self.number].attrs["params"])
        return params

    def read(self, side: str) -> dict[str, Array]:
        """The arrays of `in` or `out` by their path below it, such as `state/synapse/weight_v`; empty where there are none."""
        with h5py.File(FILE, "r") as file:
            case = file[self.op][self.number]
            return arrays_below(case[side]) if side in case else {}


def cases(op: str) -> list[Case]:
    """All cases of `op` in the file."""
    with h5py.File(FILE, "r") as file:
        return [Case(op, number) for number in file[op]]


def arrays_below(group: h5py.Group) -> dict[str, Array]:
    """Every dataset under `group` by its path below it."""
    found: dict[str, Array] = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            found |= {f"{name}/{path}": array for path, array in arrays_below(item).items()}
        else:
            found[name] = item[()]
    return found


def assert_equal(got: object, want: Array) -> None:
    """The same shape and the same values, every one of them."""
    np.testing.assert_array_equal(np.asarray(got), want, strict=False)
    assert np.shape(got) == want.shape


def assert_close(got: Array, want: Array, terms: Array | None = None) -> None:
    """The same shape, and float32 values within ULPS of lava-dl's.

    `terms`: the summands where the array is one sum, which may cancel; its size is then at least their root of squares,
    about what a sum of such terms is when they do not happen to cancel.
    """
    assert got.shape == want.shape
    size = max(float(np.abs(want).max()), 0.0 if terms is None else float(np.linalg.norm(terms)))
    off = np.abs(got.astype(np.float64) - want) / np.spacing(np.float32(size))
    import os
    with open("/tmp/lv/log","a") as h: h.write(f"{off.max():.2f} {os.environ.get('PYTEST_CURRENT_TEST')}\n")
    assert off.max() <= ULPS, f"{off.max():.1f} ulps off at {np.unravel_index(off.argmax(), off.shape)}"
