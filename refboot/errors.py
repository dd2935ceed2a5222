"""The errors refboot raises: each keeps the name of the thing, what it was and what was
expected.
"""

from __future__ import annotations


class RefbootError(ValueError):
    """Root of every error refboot raises on purpose.

    `name` is the thing that was wrong, `got` what it was, `expected` what it should have been
    (text).
    """

    def __init__(self, name: str, got: object, expected: str) -> None:
        super().__init__(f"{name} is {got}, expected {expected}")
        self.name = name
        self.got = got
        self.expected = expected


class ShapeError(RefbootError):
    """An array has the wrong number of axes or the wrong size along one."""


class TypeMismatchError(RefbootError):
    """A value has the wrong type or an array the wrong dtype."""


class RangeError(RefbootError):
    """A value lies outside what is allowed, NaN and infinity included."""


class OrderError(RefbootError):
    """A call came before the one it needs (ANN mode before a fit, backward before forward)."""


class FormatError(RefbootError):
    """A file is not what it should be: foreign, truncated, damaged or of another version."""


class MissingExtraError(RefbootError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, "not installed", f"pip install 'refboot[{extra}]'")


class TroubleError(RefbootError):
    """Training went wrong: numbers that are not finite or explode, a layer that is silent or
    saturated, a fit on too few points.
    """
