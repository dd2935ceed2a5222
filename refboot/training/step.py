"""One training step, one epoch of steps, and one evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import Any, Protocol

import numpy as np

from refboot import arrays, engine, ops
from refboot.arrays import Floats, Ints
from refboot.errors import ShapeError, TypeMismatchError
from refboot.loss import cross_entropy
from refboot.network import Network
from refboot.reference.modes import mean_rate_backward
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.stats import LearningStat
from refboot.training.guard import Guard

Batches = Iterable[tuple[Floats, Ints]]
KINDS: dict[str, tuple[type, str]] = {
    "network": (Network, "a refboot.Network"),
    "mode": (LayerMode, "a refboot.routine.LayerMode, as Scheduler.mode gives"),
    "stat": (LearningStat, "a refboot.stats.LearningStat"),
    "guard": (Guard, "a refboot.training.guard.Guard"),
    "scheduler": (Scheduler, "a refboot.routine.Scheduler"),
}


class Optimizer(Protocol):
    """What a step needs of an optimiser."""

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
    """Train on one batch: forward in `mode`, cross-entropy of the mean rates, backward, update.

    Adds to `stat` and returns the loss. `guard` checks the samples before a fit, the curves after
    it, and loss and gradients before the update, which it may forbid. Spec: TRN-6.
    """
    _check(network=network, mode=mode, stat=stat, guard=guard)
    if not all(callable(getattr(optimizer, name, None)) for name in ("zero_grad", "step")):
        got = f"a {type(optimizer).__name__}"
        raise TypeMismatchError("optimizer", got, "an optimiser with zero_grad and step")
    fit_guard = guard if mode.base_mode is Mode.FIT else None
    if fit_guard:
        fit_guard.sampled(network)
    optimizer.zero_grad()
    plan = engine.plan(network)
    found = None if plan is None else plan.gradients(x, labels, mode)
    if plan is None or found is None:
        plan, found = None, gradients(network, x, labels, mode)
    loss, rates = found
    if fit_guard:
        fit_guard.fitted(network, mode)
    if guard is None or guard.passes(loss, (plan or network).grad_norms()):
        optimizer.step() if plan is None else plan.update(optimizer)
    add(stat, loss, rates, labels)
    return loss


def gradients(network: Network, x: Floats, labels: Ints, mode: LayerMode) -> tuple[float, Floats]:
    """Loss and mean rates (N, K) of a batch, layer by layer; adds to the parameters' gradients."""
    output = network.forward(x, mode)
    rates = ops.active().mean_rate_forward(output)[..., 0]
    loss, grad = cross_entropy(rates, labels)
    network.backward(mean_rate_backward(grad[..., None], output.shape[-1]))
    return loss, rates


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
    """Train one step on each batch, in the modes of `scheduler`; the first is iteration `start`.

    Calls `after(iteration, mode)` after each step. With a `guard`, a RangeError on the way becomes
    a TroubleError that names epoch and step. Spec: TRN-12.
    """
    if not callable(after):
        raise TypeMismatchError("after", repr(after), "a function of iteration and mode")
    _check(network=network, scheduler=scheduler, guard=guard)
    network.train()
    for iteration, (x, labels) in enumerate(_pairs(batches), arrays.whole("start", start, 0)):
        mode = scheduler.mode(epoch, iteration, network.training)
        with nullcontext() if guard is None else guard.at(epoch, iteration):
            train_step(network, optimizer, x, labels, mode, stat, guard)
        after(iteration, mode)


def evaluate(network: Network, batches: Batches, mode: LayerMode, stat: LearningStat) -> Floats:
    """Run every batch in `mode`; adds to `stat`, returns the mean rates (N, K) of all batches."""
    _check(network=network, mode=mode, stat=stat)
    network.eval()
    plan, found = engine.plan(network), []
    for x, labels in _pairs(batches):
        rates = None if plan is None else plan.rates(x, mode)
        if rates is None:
            rates = ops.active().mean_rate_forward(network.forward(x, mode))[..., 0]
        add(stat, cross_entropy(rates, labels)[0], rates, labels)
        found.append(rates)
    if not found:
        raise ShapeError("batches", "empty", "at least one batch")
    return np.concatenate(found)


def add(stat: LearningStat, loss: float, rates: Floats, labels: Ints) -> None:
    """Add a batch with mean `loss`, `rates` (N, K) and `labels` (N,) to `stat`. Spec: TRN-13."""
    stat.num_samples += len(labels)
    stat.loss_sum += loss * len(labels)
    stat.correct_samples += int(np.count_nonzero(rates.argmax(axis=1) == labels))


def _check(**given: object) -> None:
    """Raise TypeMismatchError unless each argument is what its name says; a guard may be None."""
    for name, value in given.items():
        if not (name == "guard" and value is None):
            arrays.instance(name, value, *KINDS[name])


def _pairs(batches: Iterable[Any]) -> Iterator[tuple[Floats, Ints]]:
    """The batches, each checked to be a pair (x, labels); raises TypeMismatchError."""
    if not isinstance(batches, Iterable) or isinstance(batches, (str, bytes, np.ndarray)):
        got = f"a {type(batches).__name__}"
        raise TypeMismatchError("batches", got, "an iterable of pairs (x, labels)")
    for batch in batches:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            got = f"a {type(batch).__name__}"
            raise TypeMismatchError("one of the batches", got, "a pair (x, labels)")
        yield batch[0], batch[1]
