"""Loss and accuracy of one data set: the running epoch, the log of earlier epochs, their best."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from refboot.arrays import instance, whole
from refboot.errors import FormatError, RangeError, TypeMismatchError

Log = list[float | None]

NAMES = ("loss_str", "loss_unit", "accuracy_str", "accuracy_unit")
TALLIES = ("num_samples", "loss_sum", "correct_samples")
LOGS = ("loss_log", "accuracy_log")


def real(name: str, value: object) -> float:
    """`value` as a float. NaN and infinity pass, because a run that diverges is still reported.

    Raises TypeMismatchError.
    """
    try:
        if not isinstance(value, (str, bytes, bytearray)):
            return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        pass
    raise TypeMismatchError(name, repr(value), "a number")


def expect_keys(name: str, state: object, keys: Collection[str]) -> None:
    """Raise FormatError unless `state` is a mapping with exactly these keys."""
    if not isinstance(state, Mapping) or set(state) != set(keys):
        got = sorted(map(str, state)) if isinstance(state, Mapping) else type(state).__name__
        raise FormatError(name, got, f"a mapping with the keys {sorted(keys)}")


class LearningStat:
    """Loss and accuracy of one data set.

    num_samples, loss_sum, correct_samples: the running epoch so far, to which the training loop
    adds; int, float (a float64 sum, whatever is added) and int. Set `loss_sum` or `correct_samples`
    to None in a run that does not measure it. min_loss, max_accuracy: the best logged epochs, None
    before the first; NaN is never best. loss_log, accuracy_log: a float or None per epoch.
    The names and units are printable text. Raises TypeMismatchError or RangeError.

    >>> stat = LearningStat()
    >>> stat.num_samples, stat.loss_sum, stat.correct_samples = 10000, 1865.6, 9608
    >>> print(stat)
    loss =     0.18656                        accuracy = 0.96080
    >>> stat.best_accuracy
    True
    """

    num_samples: Any
    loss_sum: Any
    correct_samples: Any

    def __init__(
        self,
        loss_str: str = "loss",
        loss_unit: str = "",
        accuracy_str: str = "accuracy",
        accuracy_unit: str = "",
    ) -> None:
        texts = (loss_str, loss_unit, accuracy_str, accuracy_unit)
        for name, text in zip(NAMES, texts, strict=True):
            if not instance(name, text, str, "text").isprintable():
                raise RangeError(name, repr(text), "printable text on one line")
        self.loss_str, self.loss_unit = loss_str, loss_unit
        self.accuracy_str, self.accuracy_unit = accuracy_str, accuracy_unit
        self.num_samples, self.loss_sum, self.correct_samples = 0, 0.0, 0
        self.loss_log: Log = []
        self.accuracy_log: Log = []
        self.min_loss: float | None = None
        self.max_accuracy: float | None = None
        self._was_best = False, False

    def __setattr__(self, name: str, value: object) -> None:
        if name in TALLIES:
            self._logged = False
            if name == "loss_sum" and value is not None:
                value = np.float64(real(name, value))  # with a float32 the sum would be float32
            elif value is not None:
                value = whole(name, value, 0, 2**63 - 1)
        object.__setattr__(self, name, value)

    @property
    def loss(self) -> float | None:
        """Mean loss of the running epoch; None without samples or without a loss."""
        known = self.num_samples and self.loss_sum is not None
        return float(self.loss_sum / self.num_samples) if known else None

    @property
    def accuracy(self) -> float | None:
        """Share of correct samples in the running epoch; None if unknown."""
        known = self.num_samples and self.correct_samples is not None
        return self.correct_samples / self.num_samples if known else None

    @property
    def best_loss(self) -> bool:
        """True if the running epoch beats `min_loss`; after `update`, if the last epoch did.

        lava-dl answers for the last logged epoch always. Its tutorial asks before it updates, and
        so saves the network one evaluation late. After `update` both agree.
        """
        return self._best()[0]

    @property
    def best_accuracy(self) -> bool:
        """True if the running epoch beats `max_accuracy`; otherwise as `best_loss`."""
        return self._best()[1]

    def update(self) -> None:
        """Log the running epoch and update the best; its numbers stay until `reset`."""
        self._record(self.loss, self.accuracy)
        self._logged = True

    def reset(self) -> None:
        """Start an epoch: the numbers become zero, except those that are None."""
        for name in TALLIES:
            setattr(self, name, None if getattr(self, name) is None else 0)

    def to_dict(self) -> dict[str, Any]:
        """The running epoch and the logs as plain values for JSON (NaN as Python's json has it)."""
        logs = {name: list(getattr(self, name)) for name in LOGS}
        total = None if self.loss_sum is None else float(self.loss_sum)
        tallies = {name: getattr(self, name) for name in TALLIES} | {"loss_sum": total}
        return tallies | {"logged": self._logged} | logs

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `to_dict` gave; the best values follow from the logs.

        Raises FormatError for missing or unknown keys and for bad logs, TypeMismatchError or
        RangeError for bad numbers, and then changes nothing.
        """
        expect_keys("learning stat", state, [*TALLIES, "logged", *LOGS])
        logs = [state[name] for name in LOGS]
        if not all(isinstance(log, list) for log in logs) or len(logs[0]) != len(logs[1]):
            raise FormatError("learning stat", "without two logs", "lists of equal length")
        fresh = LearningStat(*(getattr(self, name) for name in NAMES))
        for pair in zip(*logs, strict=True):
            fresh._record(*(v if v is None else real("a logged number", v) for v in pair))
        for name in TALLIES:
            setattr(fresh, name, state[name])
        fresh._logged = bool(state["logged"])
        self.__dict__.update(fresh.__dict__)

    def __str__(self) -> str:
        """Loss and accuracy with the best so far; unknown numbers are left out."""
        parts = []
        if self.loss is not None:
            low = "" if self.min_loss is None else f"(min = {self.min_loss:11.5f})"
            parts.append(f"{self.loss_str} = {self.loss:11.5f} {low} {self.loss_unit}".rstrip())
        if self.accuracy is not None:
            high = "" if self.max_accuracy is None else f"(max = {self.max_accuracy:7.5f})"
            words = [f"{self.accuracy_str} = {self.accuracy:7.5f}", high, self.accuracy_unit]
            parts.append(" ".join(word for word in words if word))
        return (" " * (24 if self.min_loss is None else 4)).join(parts)

    def _best(self) -> tuple[bool, bool]:
        if self._logged or not self.num_samples:
            return self._was_best
        return self._beats(self.loss, self.accuracy)

    def _beats(self, loss: float | None, accuracy: float | None) -> tuple[bool, bool]:
        low = math.inf if self.min_loss is None else self.min_loss
        high = -math.inf if self.max_accuracy is None else self.max_accuracy
        return loss is not None and loss < low, accuracy is not None and accuracy > high

    def _record(self, loss: float | None, accuracy: float | None) -> None:
        self._was_best = self._beats(loss, accuracy)
        self.min_loss = loss if self._was_best[0] else self.min_loss
        self.max_accuracy = accuracy if self._was_best[1] else self.max_accuracy
        self.loss_log.append(loss)
        self.accuracy_log.append(accuracy)
