"""Whether an answer is right, and if not, where it first goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refboot.conformance.case import Case, Tolerance
from refboot.conformance.operations import AXES, Value

SHOWN = 12


@dataclass(frozen=True)
class Difference:
    """The first place where an answer differs.

    `where` names the axes, `size` is in `unit`, `count` places differ in all, `inputs` are those
    there.
    """

    output: str
    where: dict[str, int]
    expected: str
    got: str
    size: float | None
    unit: str
    count: int
    inputs: dict[str, str]

    def __str__(self) -> str:
        place = ", ".join(f"{axis} {i}" for axis, i in self.where.items())
        at = f" at {place}" if place else ""
        size = "" if self.size is None else f", difference {self.size:g} {self.unit}"
        values = f"expected {self.expected}, got {self.got}{size}"
        return f"{self.output}{at}: {values} ({self.count} such)"


def difference(case: Case, answer: dict[str, np.ndarray]) -> Difference | None:
    """The first difference of `answer` from the case's outputs beyond its tolerance, by time step
    where there is one; None without one.
    """
    found: list[tuple[int, int, Difference]] = []
    for order, value in enumerate(case.operation.outputs):
        expected, got = case.outputs[value.name], answer.get(value.name)
        if got is None or got.shape != expected.shape:
            shape = "nothing" if got is None else f"shape {got.shape}"
            return Difference(value.name, {}, f"shape {expected.shape}", shape, None, "", 1, {})
        wrong = beyond(expected, got, case.tolerance)
        if wrong.any():
            at = first(wrong, value)
            step = at[value.axes.index("T")] if value.axes and "T" in value.axes else wrong.size
            found.append((step, order, describe(case, value, at, got, int(wrong.sum()))))
    return min(found, key=lambda item: item[:2])[2] if found else None


def beyond(expected: np.ndarray, got: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    """Where `got` is further from `expected` than allowed; NaN equals NaN, and infinity itself."""
    with np.errstate(all="ignore"):
        if expected.dtype.kind == "i" and got.dtype.kind == "i":
            apart = (
                expected != got
                if tolerance.kind == "exact"
                else np.abs(expected - got) > allowed(expected, tolerance)
            )
        else:
            if expected.dtype == np.float32 and got.dtype == np.float64:
                got = got.astype(np.float32)  # a float32 answer in a wider type
            e, g = expected.astype(np.float64), got.astype(np.float64)
            apart = ~((e == g) | (np.isnan(e) & np.isnan(g)))
            if tolerance.kind != "exact":
                apart &= ~(np.abs(e - g) <= allowed(expected, tolerance))
    return np.asarray(apart)


def allowed(expected: np.ndarray, tolerance: Tolerance) -> float:
    """The largest difference that is allowed, as a number."""
    return tolerance.amount * ulp(expected) if tolerance.kind == "ulps" else tolerance.amount


def ulp(expected: np.ndarray) -> float:
    """An ulp of the largest finite magnitude of `expected`, as the spec has it."""
    finite = np.abs(expected[np.isfinite(expected)]).astype(np.float64)
    return max(2.0**-23 * float(finite.max(initial=0)), 2.0**-126)


def first(wrong: np.ndarray, value: Value) -> tuple[int, ...]:
    """The first true place: by time step if there is one, then in row-major order."""
    places = np.argwhere(wrong)
    if value.axes and "T" in value.axes and wrong.ndim:
        places = places[np.argsort(places[:, value.axes.index("T")], kind="stable")]
    return tuple(int(i) for i in places[0])


def describe(
    case: Case, value: Value, at: tuple[int, ...], got: np.ndarray, count: int
) -> Difference:
    """The difference at index `at` of the output `value`, in integers where it is whole or exact on
    the state grid, else in ulps.
    """
    expected = case.outputs[value.name]
    e, g = expected[at], got[at]
    with np.errstate(all="ignore"):
        apart = float(g) - float(e)
    unit, size = "in value", apart
    if case.tolerance.kind == "ulps":
        unit, size = "ulps (of the largest magnitude)", apart / ulp(expected)
    elif (
        expected.dtype.kind == "f" and float(e) * 4096 == round(float(e) * 4096)
        if np.isfinite(e)
        else False
    ):
        unit, size = "units of 1/4096", apart * 4096
    letters = value.axes or ""
    where = {AXES[letter]: i for letter, i in zip(letters, at, strict=True)}
    inputs = {
        v.name: shown(case.inputs[v.name], v, dict(zip(letters, at, strict=True)))
        for v in case.operation.inputs
    }
    return Difference(value.name, where, number(e), number(g), size, unit, count, inputs)


def shown(value: Any, of: Value, at: dict[str, int]) -> str:
    """The part of an input that lies at the place `at`: indexed along the axes they share, at most
    a dozen numbers.
    """
    if not isinstance(value, np.ndarray) or of.axes is None:
        return repr(value)
    index = tuple(
        min(at[a], n - 1) if a in at and n else slice(None)
        for a, n in zip(of.axes, value.shape, strict=True)
    )
    part = value[index]
    if part.ndim == 0:
        return number(part[()])
    flat = part.ravel()
    return f"[{', '.join(map(number, flat[:SHOWN]))}{', ...' if len(flat) > SHOWN else ''}]"


def number(x: Any) -> str:
    """A number as short as it can be without loss."""
    return (
        str(int(x))
        if np.asarray(x).dtype.kind in "iu"
        else repr(float(x))
        if np.asarray(x).dtype.itemsize == 8
        else str(np.float32(x))
    )
