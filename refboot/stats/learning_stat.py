"""Loss and accuracy of one data set: the running epoch, the log of the epochs before, and their
best.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from refboot.arrays import whole
from refboot.errors import FormatError, RangeError, TypeMismatchError

Log = list[float | None]

_TALLIES = ("num_samples", "loss_sum", "correct_samples")


def count(name: str, value: object) -> int:
    """`value` as an int of at least 0; raises TypeMismatchError, RangeError."""
    return whole(name, value, 0, 2**63 - 1)


def real(name: str, value: object) -> float:
    """`value` as a float, NaN and infinity included (a run that diverges is still reported); raises
    TypeMismatchError.
    """
    try:
        if not isinstance(value, (str, bytes, bytearray)):
            return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        pass
    raise TypeMismatchError(name, repr(value), "a number")


def expect_keys(name: str, state: object, keys: Collection[str]) -> None:
    """Raise FormatError unless `state` is a mapping with exactly these keys."""
    if not isinstance(state, Mapping):
        raise FormatError(name, f"a {type(state).__name__}", "a mapping")
    if set(state) != set(keys):
        raise FormatError(
            name, f"a mapping of {sorted(map(str, state))}", f"the keys {sorted(keys)}"
        )


def _total(name: str, value: object) -> np.float64:
    """`value` as a NumPy float64: added to a Python float, a float32 loss would sum in float32."""
    return np.float64(real(name, value))


class _Tally:
    """A number of the running epoch: what is assigned passes `check`; None says that the run does
    not count it.
    """

    def __init__(self, check: Callable[[str, object], float]) -> None:
        self.check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, stat: Any, owner: type | None = None) -> Any:
        return self if stat is None else stat.__dict__[self.name]

    def __set__(self, stat: Any, value: object) -> None:
        stat.__dict__[self.name] = None if value is None else self.check(self.name, value)
        stat.__dict__["_logged"] = False


class LearningStat:
    """Loss and accuracy of one data set: the running epoch, the log of the epochs before, and their
    best.

    num_samples, loss_sum, correct_samples: the running epoch so far, which the training loop adds
    to; kept as int, float (float64, whatever is added) and int. A run without a loss or without an
    accuracy sets `loss_sum` or `correct_samples` to None. min_loss, max_accuracy: best of the
    logged epochs, None before the first; NaN is never best. loss_log, accuracy_log: a float or None
    an epoch. loss_str, accuracy_str, loss_unit, accuracy_unit: printable text. Raises
    TypeMismatchError or RangeError for anything else.

    >>> stat = LearningStat()
    >>> stat.num_samples, stat.loss_sum, stat.correct_samples = 10000, 1865.6, 9608
    >>> print(stat)
    loss =     0.18656                        accuracy = 0.96080
    >>> stat.best_accuracy
    True
    """

    num_samples = _Tally(count)
    loss_sum = _Tally(_total)
    correct_samples = _Tally(count)

    def __init__(
        self,
        loss_str: str = "loss",
        loss_unit: str = "",
        accuracy_str: str = "accuracy",
        accuracy_unit: str = "",
    ) -> None:
        self.loss_str = _printable("loss_str", loss_str)
        self.loss_unit = _printable("loss_unit", loss_unit)
        self.accuracy_str = _printable("accuracy_str", accuracy_str)
        self.accuracy_unit = _printable("accuracy_unit", accuracy_unit)
        self.loss_log: Log = []
        self.accuracy_log: Log = []
        self.min_loss: float | None = None
        self.max_accuracy: float | None = None
        self.num_samples, self.loss_sum, self.correct_samples = 0, 0.0, 0
        self._logged = False
        self._was_best_loss = self._was_best_accuracy = False

    @property
    def loss(self) -> float | None:
        """Mean loss of the running epoch; None without samples or without a loss."""
        return self._mean(self.loss_sum)

    @property
    def accuracy(self) -> float | None:
        """Share of correct samples in the running epoch; None without samples or without an
        accuracy.
        """
        return self._mean(self.correct_samples)

    @property
    def best_loss(self) -> bool:
        """Whether the running epoch beats `min_loss`; while nothing is gathered, whether the last
        logged epoch did.

        lava-dl always answers for the last logged epoch; its tutorial asks before it updates, and
        so saves the network one evaluation late. After `update()` the two agree.
        """
        return (
            _beats(self.loss, self.min_loss, operator.lt)
            if self._running()
            else self._was_best_loss
        )

    @property
    def best_accuracy(self) -> bool:
        """Whether the running epoch beats `max_accuracy`; otherwise as `best_loss`, lava-dl's
        difference included.
        """
        return (
            _beats(self.accuracy, self.max_accuracy, operator.gt)
            if self._running()
            else self._was_best_accuracy
        )

    @property
    def valid_loss_log(self) -> bool:
        """Whether any epoch logged a loss."""
        return any(value is not None for value in self.loss_log)

    @property
    def valid_accuracy_log(self) -> bool:
        """Whether any epoch logged an accuracy."""
        return any(value is not None for value in self.accuracy_log)

    def update(self) -> None:
        """Log the running epoch and its records; its numbers stay until `reset()`."""
        self._record(self.loss, self.accuracy)
        self._logged = True

    def reset(self) -> None:
        """Start an epoch: the numbers are zero again, and those that are None stay None."""
        for name in _TALLIES:
            setattr(self, name, None if getattr(self, name) is None else 0)

    def to_dict(self) -> dict[str, Any]:
        """The running epoch and the logs in plain Python values, fit for JSON (NaN as Python's json
        writes it).
        """
        total = None if self.loss_sum is None else float(self.loss_sum)
        tallies = {
            "num_samples": self.num_samples,
            "loss_sum": total,
            "correct_samples": self.correct_samples,
        }
        return {
            **tallies,
            "logged": self._logged,
            "loss_log": list(self.loss_log),
            "accuracy_log": list(self.accuracy_log),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `to_dict()` gave; the records follow from the logs.

        Raises FormatError for missing or unknown keys and for logs that are none, TypeMismatchError
        or RangeError for bad numbers, and then changes nothing.
        """
        expect_keys("learning stat", state, [*_TALLIES, "logged", "loss_log", "accuracy_log"])
        losses, accuracies = (
            _log("loss_log", state["loss_log"]),
            _log("accuracy_log", state["accuracy_log"]),
        )
        if len(losses) != len(accuracies):
            raise FormatError(
                "accuracy_log", f"of {len(accuracies)} epochs", f"{len(losses)}, as loss_log"
            )
        fresh = LearningStat(self.loss_str, self.loss_unit, self.accuracy_str, self.accuracy_unit)
        for loss, accuracy in zip(losses, accuracies, strict=True):
            fresh._record(loss, accuracy)
        for name in _TALLIES:
            setattr(fresh, name, state[name])
        fresh._logged = bool(state["logged"])
        self.__dict__.update(fresh.__dict__)

    def __str__(self) -> str:
        """Loss and accuracy with the best so far, as far as they are known; empty where nothing
        is.
        """
        parts = []
        if self.loss is not None:
            low = "" if self.min_loss is None else f"(min = {self.min_loss:11.5f})"
            parts.append(f"{self.loss_str} = {self.loss:11.5f} {low} {self.loss_unit}".rstrip())
        if self.accuracy is not None:
            high = "" if self.max_accuracy is None else f"(max = {self.max_accuracy:7.5f})"
            words = [f"{self.accuracy_str} = {self.accuracy:7.5f}", high, self.accuracy_unit]
            parts.append(" ".join(word for word in words if word))
        return (" " * (24 if self.min_loss is None else 4)).join(parts)

    def _mean(self, total: float | None) -> float | None:
        return float(total) / self.num_samples if self.num_samples and total is not None else None

    def _running(self) -> bool:
        return bool(self.num_samples) and not self._logged

    def _record(self, loss: float | None, accuracy: float | None) -> None:
        self._was_best_loss = _beats(loss, self.min_loss, operator.lt)
        self._was_best_accuracy = _beats(accuracy, self.max_accuracy, operator.gt)
        self.min_loss = loss if self._was_best_loss else self.min_loss
        self.max_accuracy = accuracy if self._was_best_accuracy else self.max_accuracy
        self.loss_log.append(loss)
        self.accuracy_log.append(accuracy)


def _beats(
    value: float | None, record: float | None, better: Callable[[float, float], bool]
) -> bool:
    """Whether `value` is a new record; None and NaN never are."""
    return value is not None and not math.isnan(value) and (record is None or better(value, record))


def _printable(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeMismatchError(name, repr(value), "text")
    if not value.isprintable():
        raise RangeError(name, repr(value), "printable text on one line")
    return value


def _log(name: str, value: object) -> Log:
    if not isinstance(value, (list, tuple)):
        raise FormatError(name, f"a {type(value).__name__}", "a list of numbers and None")
    return [None if entry is None else real(name, entry) for entry in value]
