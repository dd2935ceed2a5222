"""Array types and the checks every public call makes on what it is given."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot.errors import MissingExtraError, RangeError, ShapeError, TypeMismatchError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Axes = Sequence[int | str]


def floats(name: str, value: object, axes: Axes | None = None) -> Floats:
    """`value` as a finite float32 array whose shape fits `axes` (an int is a size, a str any size).

    Raises TypeMismatchError for complex, text or object data, ShapeError for a shape that does not fit, and
    RangeError for NaN, infinity and numbers beyond float32. Spec: NUM-9.
    """
    array = _numeric(name, value)
    check_shape(name, array, axes)
    with np.errstate(over="ignore"):
        result = array.astype(np.float32, copy=False)
    check_finite(name, result)
    return result


def labels(name: str, value: object, count: int, classes: int) -> Ints:
    """`value` as `count` int64 class numbers in [0, classes); raises TypeMismatchError, ShapeError, RangeError. Spec: TRN-14."""
    array = _numeric(name, value)
    if array.dtype.kind not in "iu":
        raise TypeMismatchError(name, f"of dtype {array.dtype}", "whole numbers")
    check_shape(name, array, (count,))
    if array.size and (array.min() < 0 or array.max() >= classes):
        worst = array.min() if array.min() < 0 else array.max()
        raise RangeError(name, worst, f"class numbers in [0, {classes})")
    return array.astype(np.int64, copy=False)


def check_shape(name: str, array: NDArray[Any], axes: Axes | None) -> None:
    """Raise ShapeError unless `array.shape` fits `axes` and no axis is empty."""
    if axes is None:
        return
    fits = len(array.shape) == len(axes) and all(
        size == wanted if isinstance(wanted, int) else size > 0 for size, wanted in zip(array.shape, axes, strict=True)
    )
    if not fits:
        wanted = ", ".join(str(a) for a in axes) + ("," if len(axes) == 1 else "")
        raise ShapeError(name, f"of shape {array.shape}", f"({wanted})")


def check_finite(name: str, array: NDArray[Any]) -> None:
    """Raise RangeError that tells where the first NaN or infinity is."""
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise RangeError(name, f"{array[where]} at {where}", "finite float32 numbers")


def whole(name: str, value: object, low: int = 1, high: int = 2**31 - 1) -> int:
    """`value` as an int in [low, high]; raises TypeMismatchError (bool and float included) or RangeError."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeMismatchError(name, repr(value), "a whole number")
    if not low <= value <= high:
        raise RangeError(name, value, f"in [{low}, {high}]")
    return int(value)


def number(name: str, value: object, low: float = -np.inf, high: float = np.inf, *, above: bool = False) -> float:
    """`value` as a finite float in [low, high], or in (low, high] with `above`; raises TypeMismatchError, RangeError."""
    scalar = isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.complexfloating))
    if not scalar:
        raise TypeMismatchError(name, repr(value), "a number")
    result = float(value)  # type: ignore[arg-type]
    inside = np.isfinite(result) and result <= high and (result > low if above else result >= low)
    if not inside:
        raise RangeError(name, value, f"in {'(' if above else '['}{low}, {high}]")
    return result


def generator(name: str, value: object) -> np.random.Generator:
    """`value` if it is a numpy.random.Generator; raises TypeMismatchError."""
    if not isinstance(value, np.random.Generator):
        raise TypeMismatchError(name, repr(value), "a numpy.random.Generator (numpy.random.default_rng(seed))")
    return value


def extra(package: str, name: str) -> ModuleType:
    """The optional module `package`; raises MissingExtraError that names the extra `name`."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(package.partition(".")[0], name) from error


def _numeric(name: str, value: object) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(name, "ragged", "a rectangular array") from error
    if array.dtype.kind not in "biuf":
        raise TypeMismatchError(name, f"of dtype {array.dtype}", "real numbers")
    return array
