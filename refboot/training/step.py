"""One training step, one epoch of them, one evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.block.base import mean_rate, mean_rate_backward
from refboot.loss import cross_entropy
from refboot.network import Network
from refboot.routine import LayerMode, Scheduler
from refboot.stats import LearningStat

Batches = Iterable[tuple[Floats, Ints]]


class Optimizer(Protocol):
    """What a step asks of an optimiser."""

    def zero_grad(self) -> None: ...
    def step(self) -> None: ...


def train_step(network: Network, optimizer: Optimizer, x: Floats, labels: Ints, mode: LayerMode, stat: LearningStat) -> float:
    """One step on a batch: forward in `mode`, cross-entropy on the mean rates, backward, update; adds to `stat`, returns the loss."""
    output = network.forward(x, mode)
    rates = mean_rate(output)[..., 0]
    loss, grad = cross_entropy(rates, labels)
    optimizer.zero_grad()
    network.backward(mean_rate_backward(grad[..., None], output.shape[-1]))
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
) -> None:
    """One step on every batch, in the modes the scheduler gives; `after(iteration, mode)` is called behind each."""
    network.train()
    for iteration, (x, labels) in enumerate(batches):
        mode = scheduler.mode(epoch, iteration, network.training)
        train_step(network, optimizer, x, labels, mode, stat)
        after(iteration, mode)


def evaluate(network: Network, batches: Batches, mode: LayerMode, stat: LearningStat) -> np.ndarray:
    """Run every batch in `mode`, adding to `stat`; returns the rates (N, K) of all of them, float32."""
    network.eval()
    found = []
    for x, labels in batches:
        rates = mean_rate(network.forward(x, mode))[..., 0]
        add(stat, cross_entropy(rates, labels)[0], rates, labels)
        found.append(rates)
    return np.concatenate(found)


def add(stat: LearningStat, loss: float, rates: Floats, labels: Ints) -> None:
    """Add a batch with mean `loss`, read-out `rates` (N, K) and `labels` (N,) to the sums of `stat`."""
    stat.num_samples += len(labels)
    stat.loss_sum += loss * len(labels)
    stat.correct_samples += int(np.sum(rates.argmax(axis=1) == labels))
