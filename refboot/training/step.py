"""One training step, one epoch of them, one evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from refboot import arrays
from refboot.arrays import Floats, Ints
from refboot.block.base import mean_rate, mean_rate_backward
from refboot.errors import RangeError, ShapeError, TroubleError, TypeMismatchError
from refboot.loss import cross_entropy
from refboot.network import Network
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.stats import LearningStat
from refboot.training.guard import Guard

Batches = Iterable[tuple[Floats, Ints]]


class Optimizer(Protocol):
    """What a step asks of an optimiser."""

    def zero_grad(self) -> None: ...
    def step(self) -> None: ...


def train_step(
    network: Network,
    optimizer: Optimizer,
    x: Floats,
    labels: Ints,
    mode: LayerMode,
    stat: LearningStat,
    guard: Guard | None = None,
) -> float:
    """One step on a batch: forward in `mode`, cross-entropy on the mean rates, backward, update;
    adds to `stat`, returns the loss.

    `guard` sees the samples before a fit, the curves after it, and loss and gradients before the
    update, which it may forbid. Spec: TRN-6.
    """
    _check_parts(network, mode, stat)
    if guard is not None:
        arrays.instance("guard", guard, Guard, "a refboot.training.guard.Guard")
    if not all(callable(getattr(optimizer, name, None)) for name in ("zero_grad", "step")):
        raise TypeMismatchError(
            "optimizer", f"a {type(optimizer).__name__}", "an optimiser with zero_grad and step"
        )
    watching = guard if mode.base_mode is Mode.FIT else None
    if watching is not None:
        watching.sampled(network)
    output = network.forward(x, mode)
    if watching is not None:
        watching.fitted(network, mode)
    rates = mean_rate(output)[..., 0]
    loss, grad = cross_entropy(rates, labels)
    optimizer.zero_grad()
    network.backward(mean_rate_backward(grad[..., None], output.shape[-1]))
    if guard is None or guard.passes(network, loss):
        optimizer.step()
    add(stat, loss, rates, labels)
    return loss


def train_epoch(
    network: Network,
    optimizer: Optimizer,
    batches: Batches,
    scheduler: Scheduler,
    epoch: int,
    stat: LearningStat,
    after: Callable[[int, LayerMode], None] = lambda iteration, mode: None,
    guard: Guard | None = None,
    start: int = 0,
) -> None:
    """One step on every batch, the first being iteration `start`, in the modes the scheduler gives.

    `after(iteration, mode)` is called behind each. With a `guard`, an error on the way tells epoch
    and step (TroubleError). Spec: TRN-12.
    """
    if not callable(after):
        raise TypeMismatchError("after", repr(after), "a function of iteration and mode")
    arrays.instance("scheduler", scheduler, Scheduler, "a refboot.routine.Scheduler")
    arrays.instance("network", network, Network, "a refboot.Network").train()
    for iteration, (x, labels) in enumerate(_pairs(batches), arrays.whole("start", start, 0)):
        mode = scheduler.mode(epoch, iteration, network.training)
        with watched(guard, epoch, iteration):
            train_step(network, optimizer, x, labels, mode, stat, guard)
        after(iteration, mode)


@contextmanager
def watched(guard: Guard | None, epoch: int, step: int) -> Iterator[None]:
    """Tell `guard` where the training is; within the `with` block a RangeError becomes a
    TroubleError that says so too.
    """
    if guard is not None:
        arrays.instance("guard", guard, Guard, "a refboot.training.guard.Guard")
        guard.epoch, guard.step = epoch, step
    try:
        yield
    except RangeError as error:
        if guard is None:
            raise
        raise TroubleError(
            f"{error.name} in epoch {epoch}, step {step}", error.got, error.expected
        ) from error


def evaluate(network: Network, batches: Batches, mode: LayerMode, stat: LearningStat) -> np.ndarray:
    """Run every batch in `mode`, adding to `stat`; returns the rates (N, K) of all of them,
    float32.
    """
    _check_parts(network, mode, stat)
    network.eval()
    found = []
    for x, labels in _pairs(batches):
        rates = mean_rate(network.forward(x, mode))[..., 0]
        add(stat, cross_entropy(rates, labels)[0], rates, labels)
        found.append(rates)
    if not found:
        raise ShapeError("batches", "empty", "at least one batch")
    return np.concatenate(found)


def _check_parts(network: Network, mode: LayerMode, stat: LearningStat) -> None:
    arrays.instance("network", network, Network, "a refboot.Network")
    arrays.instance("mode", mode, LayerMode, "a refboot.routine.LayerMode, as Scheduler.mode gives")
    arrays.instance("stat", stat, LearningStat, "a refboot.stats.LearningStat")


def _pairs(batches: Batches) -> Iterator[tuple[Floats, Ints]]:
    """The batches, each seen to be a pair; raises TypeMismatchError."""
    if not isinstance(batches, Iterable) or isinstance(batches, (str, bytes, np.ndarray)):
        raise TypeMismatchError(
            "batches", f"a {type(batches).__name__}", "an iterable of pairs (x, labels)"
        )
    for batch in batches:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise TypeMismatchError(
                "one of the batches", f"a {type(batch).__name__}", "a pair (x, labels)"
            )
        yield batch[0], batch[1]


def add(stat: LearningStat, loss: float, rates: Floats, labels: Ints) -> None:
    """Add a batch with mean `loss`, read-out `rates` (N, K) and `labels` (N,) to the sums of
    `stat`. Spec: TRN-13.
    """
    stat.num_samples += len(labels)
    stat.loss_sum += loss * len(labels)
    stat.correct_samples += int(np.count_nonzero(rates.argmax(axis=1) == labels))
