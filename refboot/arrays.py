"""Array types, and the checks that every public call makes on its arguments."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from refboot.errors import MissingExtraError, RangeError, ShapeError, TypeMismatchError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]
Axes = Sequence[int | str]
Kind = TypeVar("Kind")


def floats(name: str, value: object, axes: Axes | None = None) -> Floats:
    """`value` as a finite float32 array whose shape fits `axes` (an int: that size; a str: any).

    Raises TypeMismatchError for complex, text or object data, ShapeError for another shape, and
    RangeError for NaN, infinity and numbers beyond float32. Spec: NUM-9.
    """
    array = numeric(name, value)
    check_shape(name, array, axes)
    with np.errstate(over="ignore"):
        result = array.astype(np.float32, copy=False)
    check_finite(name, result)
    return result


def unsearched(name: str, value: object, axes: Axes | None = None) -> Floats:
    """Like `floats`, but a float32 array is not searched for NaN: refboot itself made it."""
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        check_shape(name, value, axes)
        return value
    return floats(name, value, axes)


def moving(name: str, value: object, taken: Callable[[str, object], Floats] = floats) -> Floats:
    """`value` as a float32 array (N, C, ..., T), checked by `taken`; no axis may be empty."""
    array = taken(name, value)
    check_shape(name, array, ("N", "C", *["..."] * (array.ndim - 3), "T"))
    return array


def labels(name: str, value: object, count: int, classes: int) -> Ints:
    """`value` as `count` int64 class numbers in [0, classes).

    Raises TypeMismatchError, ShapeError or RangeError. Spec: TRN-14.
    """
    array = numeric(name, value)
    if array.dtype.kind not in "iu":
        raise TypeMismatchError(name, f"of dtype {array.dtype}", "whole numbers")
    check_shape(name, array, (count,))
    if array.size and (array.min() < 0 or array.max() >= classes):
        worst = array.min() if array.min() < 0 else array.max()
        raise RangeError(name, worst, f"class numbers in [0, {classes})")
    return array.astype(np.int64, copy=False)


def check_shape(name: str, array: NDArray[Any], axes: Axes | None) -> None:
    """Raise ShapeError unless `array.shape` fits `axes` and no axis named by a str is empty."""
    if axes is None or array.shape == axes:
        return
    fits = array.ndim == len(axes) and all(
        size == wanted if isinstance(wanted, int) else size > 0
        for size, wanted in zip(array.shape, axes, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, axes)) + ("," if len(axes) == 1 else "")
        raise ShapeError(name, f"of shape {array.shape}", f"({wanted})")


def check_finite(name: str, array: NDArray[Any]) -> None:
    """Raise RangeError with the place of the first NaN or infinity."""
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise RangeError(name, f"{array[where]} at {where}", "finite float32 numbers")


def whole(name: str, value: object, low: int = 1, high: int = 2**31 - 1) -> int:
    """`value` as an int in [low, high]; raises RangeError, TypeMismatchError for bool and float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeMismatchError(name, _shown(value), "a whole number")
    if not low <= value <= high:
        raise RangeError(name, value, f"in [{low}, {high}]")
    return int(value)


def number(
    name: str, value: object, low: float = -np.inf, high: float = np.inf, *, above: bool = False
) -> float:
    """`value` as a finite float in [low, high], or in (low, high] with `above`.

    Raises TypeMismatchError or RangeError.
    """
    wrong = isinstance(value, (bool, np.complexfloating))
    if wrong or not isinstance(value, (int, float, np.number)):
        raise TypeMismatchError(name, _shown(value), "a number")
    try:
        result = float(value)
    except OverflowError:
        result = np.inf
    inside = np.isfinite(result) and result <= high and (result > low if above else result >= low)
    if not inside:
        raise RangeError(name, value, f"in {'(' if above else '['}{low}, {high}]")
    return result


def flag(name: str, value: object) -> bool:
    """`value` as a bool; raises TypeMismatchError for anything but True and False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeMismatchError(name, _shown(value), "True or False")
    return bool(value)


def choice(name: str, value: object, allowed: Sequence[str]) -> str:
    """`value` if it is one of the words `allowed`; raises RangeError."""
    if not isinstance(value, str) or value not in allowed:
        raise RangeError(name, _shown(value), f"one of {tuple(allowed)}")
    return value


def items(name: str, value: object) -> list[Any]:
    """The items of a list, tuple, range or array with one axis; raises TypeMismatchError."""
    wrong = isinstance(value, np.ndarray) and value.ndim != 1
    if wrong or not isinstance(value, (list, tuple, range, np.ndarray)):
        raise TypeMismatchError(name, _shown(value), "a sequence")
    return list(value)


def pair(name: str, value: object) -> tuple[Any, Any]:
    """The two items of a pair; raises TypeMismatchError."""
    found = items(name, value)
    if len(found) != 2:
        raise TypeMismatchError(name, _shown(value), "a pair")
    return found[0], found[1]


def instance(name: str, value: object, kind: type[Kind], what: str) -> Kind:
    """`value` if it is a `kind`, called `what` in the error; raises TypeMismatchError."""
    if not isinstance(value, kind):
        raise TypeMismatchError(name, _shown(value), what)
    return value


def mapping(name: str, value: object, what: str) -> Mapping[Any, Any]:
    """`value` if it is a mapping, called `what` in the error; raises TypeMismatchError."""
    return instance(name, value, Mapping, what)  # type: ignore[type-abstract]


def notes(name: str, value: object) -> dict[str, Any]:
    """A mapping of plain values as JSON keeps it (None: empty); raises TypeMismatchError."""
    given = {} if value is None else dict(mapping(name, value, "a mapping of plain values"))
    try:
        return dict(json.loads(json.dumps(given)))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeMismatchError(name, f"a mapping with {error}", "plain JSON values") from error


def generator(name: str, value: object) -> np.random.Generator:
    """`value` if it is a numpy.random.Generator; raises TypeMismatchError."""
    what = "a numpy.random.Generator (numpy.random.default_rng(seed))"
    return instance(name, value, np.random.Generator, what)


def extra(package: str, name: str) -> ModuleType:
    """The optional module `package`; raises MissingExtraError that names the extra `name`."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(package.partition(".")[0], name) from error


def numeric(name: str, value: object) -> NDArray[Any]:
    """`value` as an array of real numbers; raises ShapeError if ragged, TypeMismatchError."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(name, "ragged", "a rectangular array") from error
    if array.dtype.kind not in "biuf":
        raise TypeMismatchError(name, f"of dtype {array.dtype}", "real numbers")
    return array


def _shown(value: object) -> str:
    """`value` as a short text."""
    text = f"of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
