"""The operations in use: Numba's where Numba is installed, else the definition's, or somebody
else's put in by hand.

`REFBOOT_OPS=reference` (or `numba`) in the environment chooses for a process, `with
ops.use("reference"):` for a block of code. `ops.use` also takes any object with functions of the
names and signatures in `Ops`; those it lacks come from the definition.

>>> from refboot import ops
>>> with ops.use("reference"):
...     ops.active().quantize_8bit(np.float32([0.04])).tolist()
[0.03125]
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import SimpleNamespace
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from refboot import preparing, reference, threads
from refboot.arrays import Floats, Ints
from refboot.errors import RangeError, TypeMismatchError

Doubles = NDArray[np.float64]
Pair = tuple[int, int]


class Ops(Protocol):
    """What a set of operations offers; each function is specified by the one of the same name in
    refboot.reference.
    """

    def quantize_8bit(self, x: Floats) -> Floats: ...
    def quantize_8bit_backward(self, grad: Floats, x: Floats) -> Floats: ...
    def leaky_forward(
        self,
        drive: Ints,
        decay: Ints,
        state: Ints,
        threshold: int | None = None,
        subtract: bool = False,
    ) -> tuple[Ints, Ints]: ...
    def leaky_backward(self, grad: Floats, decay: Ints) -> Floats: ...
    def leaky_decay_backward(self, gx: Floats, y: Ints, shared: bool) -> Floats: ...
    def spike_forward(self, voltage: Ints, threshold: int) -> Floats: ...
    def spike_backward(
        self, grad: Floats, voltage: Floats, threshold: float, tau: float, scale: float
    ) -> Floats: ...
    def graded_forward(self, voltage: Ints, threshold: int) -> Floats: ...
    def graded_backward(
        self, grad: Floats, voltage: Floats, threshold: float, tau: float, scale: float
    ) -> Floats: ...
    def cuba_forward(
        self, z: Floats, i_decay: Ints, v_decay: Ints, threshold: int, u: Ints, v: Ints
    ) -> tuple[Floats, Floats, Ints, Ints]: ...
    def cuba_backward(
        self,
        grad: Floats,
        voltage: Floats,
        i_decay: Ints,
        v_decay: Ints,
        threshold: float,
        tau: float,
        scale: float,
    ) -> Floats: ...
    def wrapped_forward(self, drive: Ints, decay: Ints, state: Ints) -> tuple[Ints, Ints]: ...
    def saturated_forward(
        self,
        drive: Ints,
        decay: Ints,
        state: Ints,
        threshold: int | None = None,
        subtract: bool = False,
    ) -> tuple[Ints, Ints]: ...
    def adaptive_forward(
        self,
        voltage: Ints,
        a_decay: Ints,
        r_decay: Ints,
        threshold: int,
        jump: int,
        a: Ints,
        r: Ints,
    ) -> tuple[Ints, Ints, Ints]: ...
    def dense_forward(self, x: Floats, weight: Floats) -> Floats: ...
    def dense_backward(self, grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats]: ...
    def conv_forward(
        self, x: Floats, weight: Floats, stride: Pair, padding: Pair, dilation: Pair, groups: int
    ) -> Floats: ...
    def conv_backward(
        self,
        grad: Floats,
        x: Floats,
        weight: Floats,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
    ) -> tuple[Floats, Floats]: ...
    def pool_forward(
        self, x: Floats, weight: Floats, stride: Pair, padding: Pair, dilation: Pair
    ) -> Floats: ...
    def pool_backward(
        self, grad: Floats, weight: Floats, size: Pair, stride: Pair, padding: Pair, dilation: Pair
    ) -> Floats: ...
    def average_forward(self, x: Floats, groups: int) -> Floats: ...
    def average_backward(self, grad: Floats, shape: tuple[int, ...]) -> Floats: ...
    def norm_statistics(self, x: Floats) -> tuple[Floats, Floats]: ...
    def norm_forward(self, x: Floats, mean: Floats, std: Floats) -> Floats: ...
    def norm_backward(self, grad: Floats, std: Floats, through: Floats) -> Floats: ...
    def weight_norm_forward(self, v: Floats, g: Floats) -> Floats: ...
    def weight_norm_backward(self, grad: Floats, v: Floats, g: Floats) -> tuple[Floats, Floats]: ...
    def input_forward(self, x: Floats, weight: Floats, bias: Floats) -> Floats: ...
    def input_backward(
        self, grad: Floats, x: Floats, weight: Floats
    ) -> tuple[Floats, Floats, Floats]: ...
    def saturation(self, a: Doubles, high: float) -> float: ...
    def band_medians(self, z: Doubles, a: Doubles, levels: Doubles) -> Doubles: ...
    def pwl_forward(self, z: Floats, knots: Doubles, slopes: Doubles) -> Floats: ...
    def pwl_backward(
        self, grad: Floats, z: Floats, knots: Doubles, slopes: Doubles, scale: float, eps: float
    ) -> Floats: ...
    def cross_entropy_forward(self, logits: Floats, labels: Ints) -> tuple[float, Floats]: ...
    def cross_entropy_backward(self, softmax: Floats, labels: Ints) -> Floats: ...
    def rate_error_forward(
        self, rates: Floats, labels: Ints, true_rate: float, false_rate: float
    ) -> tuple[float, Floats]: ...
    def rate_error_backward(self, error: Floats) -> Floats: ...
    def share_forward(self, rates: Floats, eps: float = 1e-6) -> Floats: ...
    def share_backward(self, grad: Floats, rates: Floats, eps: float = 1e-6) -> Floats: ...
    def share_loss_forward(self, rates: Floats, labels: Ints) -> float: ...
    def share_loss_backward(self, rates: Floats, labels: Ints) -> Floats: ...
    def sgd_step(
        self, p: Floats, grad: Floats, velocity: Floats, lr: float, momentum: float
    ) -> None: ...
    def adam_step(
        self,
        p: Floats,
        grad: Floats,
        m: Floats,
        v: Floats,
        step: int,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
    ) -> None: ...


NAMES = tuple(reference.__all__)
MODULES = {"reference": "refboot.reference", "numba": "refboot.kernels"}
_active: ContextVar[Ops | None] = ContextVar("refboot_ops", default=None)
_default: list[Ops] = []


def active() -> Ops:
    """The set in use here and now."""
    chosen = _active.get()
    if chosen is not None:
        return chosen
    if not _default:
        _default.append(resolve(_chosen()))
    return _default[0]


@contextmanager
def use(choice: str | object) -> Iterator[Ops]:
    """Within the `with` block use "numba", "reference", or an object of your own; raises RangeError
    or TypeMismatchError.
    """
    token = _active.set(resolve(choice))
    try:
        yield active()
    finally:
        _active.reset(token)


def shortcuts() -> Any:
    """Ways around that the set in use has beside the functions in `Ops`, for the same results:
    refboot.kernels.shortcuts, or None.
    """
    chosen = active()  # which imports it
    if chosen is not sys.modules.get(MODULES["numba"]):
        return None
    return _ways()


@cache
def _ways() -> Any:
    ways = importlib.import_module("refboot.kernels.shortcuts")
    return ways if ways.COMPILED else None


def prepare() -> Callable[[], None]:
    """Begin to compile what a training needs, in processes beside this one, if Numba's set is in
    use, nothing is compiled yet, and more than one thread may work.

    Returns at once, with a function that waits for what the first step needs.
    """
    chosen = _active.get()
    numbas = (
        chosen is sys.modules.get(MODULES["numba"]) if chosen is not None else _chosen() == "numba"
    )
    return preparing.begin() if numbas and threads.count() > 1 else lambda: None


def _chosen() -> str:
    """The set that is in use where none is put in."""
    return os.environ.get(
        "REFBOOT_OPS", "numba" if importlib.util.find_spec("numba") else "reference"
    )


def resolve(choice: str | object) -> Ops:
    """The set that `choice` names or is, completed from the definition."""
    if isinstance(choice, str):
        if choice not in MODULES:
            raise RangeError(
                "the set of operations (REFBOOT_OPS)", repr(choice), f"one of {sorted(MODULES)}"
            )
        try:
            return cast(Ops, importlib.import_module(MODULES[choice]))
        except ImportError as error:
            raise RangeError(
                "the set of operations (REFBOOT_OPS)",
                repr(choice),
                f"one that can be imported ({error})",
            ) from error
    if choice is not None and any(choice is sys.modules.get(module) for module in MODULES.values()):
        return cast(Ops, choice)
    own = {name: getattr(choice, name) for name in NAMES if hasattr(choice, name)}
    if not own or not all(callable(function) for function in own.values()):
        raise TypeMismatchError(
            "the set of operations",
            repr(choice),
            "an object with functions named as in refboot.ops.Ops",
        )
    return cast(
        Ops, SimpleNamespace(**{name: own.get(name, getattr(reference, name)) for name in NAMES})
    )
