"""lava-dl's answers, case by case, and the two yardsticks they are held against: equal in every
bit, or close.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("vectors.h5")
Array = NDArray[Any]

# How far a float32 result may lie from lava-dl's, in ulps of the largest magnitude of the array (32
# ulps are 2e-6 to 4e-6 of it).
# Both sides round the same real numbers, but with another exponential and, in the gradients, in
# another order of summation: those
# of the weights sum 768 terms, those of an input layer 15,360. With six sets of BLAS kernels 15
# ulps were seen in sums, 7 elsewhere.
# Integers, spikes, states, and sums of spikes times quantised weights have no tolerance:
# assert_equal compares them.
ULPS = 32
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
        """The arrays of `in` or `out` by their path below it, such as `state/synapse/weight_v`."""
        with h5py.File(FILE, "r") as file:
            return arrays_below(file[self.op][self.number][side])


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


def assert_equal(got: Array, want: Array) -> None:
    """The same shape, and the same values in every bit (but for the sign of zero)."""
    assert got.shape == want.shape
    np.testing.assert_array_equal(got, want)


def assert_close(got: Array, want: Array, terms: Array | None = None, ulps: int = ULPS) -> None:
    """The same shape, float32, and within `ulps` of lava-dl's values.

    `terms` are the summands where the array is one single sum, which may cancel: its size is then
    taken to be at least their root of squares, which is what a sum of such terms is where they do
    not happen to cancel.
    """
    assert got.shape == want.shape
    assert got.dtype == want.dtype == np.float32
    size = max(float(np.abs(want).max()), 0.0 if terms is None else float(np.linalg.norm(terms)))
    off = np.abs(got.astype(np.float64) - want) / np.spacing(np.float32(size))
    assert off.max() <= ulps, (
        f"{off.max():.1f} ulps off at {np.unravel_index(off.argmax(), off.shape)}"
    )


def assert_same_fit(got: Array | float | None, want: Array) -> None:
    """The same shape, and float64 within FIT_RTOL of lava-dl's."""
    fitted = np.asarray(got, np.float64)
    assert fitted.shape == want.shape
    np.testing.assert_allclose(fitted, want, rtol=FIT_RTOL, atol=0)
