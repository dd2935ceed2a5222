"""The errors that refboot raises; each names the thing, what it was, and what was expected."""

from __future__ import annotations


class RefbootError(ValueError):
    """Base of every error that refboot raises on purpose: `name` is `got`, expected `expected`."""

    def __init__(self, name: str, got: object, expected: str) -> None:
        super().__init__(f"{name} is {got}, expected {expected}")
        self.name = name
        self.got = got
        self.expected = expected


class ShapeError(RefbootError):
    """An array has the wrong number of axes, or the wrong size along one."""


class TypeMismatchError(RefbootError):
    """A value has the wrong type, or an array the wrong dtype."""


class RangeError(RefbootError):
    """A value is outside the allowed range; NaN and infinity are always outside."""


class OrderError(RefbootError):
    """A call came before the one it needs: ANN mode before a fit, backward before forward."""


class FormatError(RefbootError):
    """A file is foreign, truncated, damaged or of another version."""


class MissingExtraError(RefbootError):
    """An optional package is not installed; the message names the extra that installs it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, "not installed", f"pip install 'refboot[{extra}]'")


class TroubleError(RefbootError):
    """Training went wrong: exploding or non-finite numbers, a silent layer, a fit on few points."""
