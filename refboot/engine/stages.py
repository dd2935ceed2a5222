"""A plan: the stages of a training step and of a test, each shared by the threads there are.

A stage is a number of tasks that need nothing of one another: weights are quantised, some outputs
at a time; some samples go forward and back; some outputs' weights get their gradients. No sum is
split between tasks, so the bits do not depend on the threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from refboot import threads
from refboot.arrays import Floats, Ints
from refboot.engine.in_rates import Curves, RateBatch
from refboot.engine.in_spikes import Entry, SpikeBatch
from refboot.engine.layer import UNITS, Layer, Spikes
from refboot.engine.parts import Parts
from refboot.kernels.training import adam
from refboot.optim import Adam
from refboot.reference.training import adam_constants
from refboot.routine import LayerMode, Mode

F = np.float32
CHUNK, TESTED = 16, 32  # samples of a task in training, and at once in a test
STRIP = 256  # outputs of a task
PART = 1 << 16  # weights of a task of the optimiser
SMALL = 1 << 18  # products of a step: with fewer it stays on one thread
LARGEST = 1 << 15  # sums of a neuron's weights, in units, are smaller in spiking modes
DRIVE = 20 * 4096  # of the input layer, at most: 4 * 4 + 4, in state units


class Plan:
    """Runs whole steps and tests of one network.

    The gradients that a call leaves are the next call's to write over.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.layers = [Layer(weight) for weight in parts.weights]
        self.strips = [
            (i, low, min(low + STRIP, layer.outputs))
            for i, layer in enumerate(self.layers)
            for low in range(0, layer.outputs, STRIP)
        ]
        self.products = sum(layer.weight.size for layer in self.layers)
        self.in_rates: RateBatch | None = None  # arrays of the last step
        self.in_spikes: SpikeBatch | None = None
        self.neurons: list[Spikes] = []

    def gradients(self, x: Floats, labels: Ints, mode: LayerMode) -> tuple[float, Floats] | None:
        """Forward, loss and backward for pictures x (N, ...) and labels (N,): the loss and the
        mean read-out (N, K).

        Sets the gradient of each parameter; SAMPLE gives the samplers their points, FIT fits
        first. None, and nothing is changed, if the plain path must do this step.
        """
        x, base, labels = self._pictures(x, mode), mode.base_mode, np.asarray(labels)
        samplers = self.parts.samplers
        if not len(x) or not self._labelled(labels, len(x)):
            return None
        if base is Mode.FIT and any(f.rng is None for f in samplers):
            return None
        if not self._quantise(base.spiking, training=True):
            return None
        if base is Mode.FIT:
            threads.over(len(samplers), lambda i: samplers[i].fit())
            for sampler in samplers:  # one draws after another
                sampler.soft_clear()
        batch, labels = self._batch(len(x), base.spiking), labels.astype(np.int64)

        def chunk(part: slice) -> None:
            batch.forward(part, x[part])
            batch.backward(part, labels[part])
            if base is Mode.SAMPLE and isinstance(batch, SpikeBatch):
                batch.sample(part)

        size, work = (CHUNK // 2, self.parts.steps) if base.spiking else (CHUNK, 1)
        self._over_chunks(size, len(x), chunk, len(x) * work * self.products)
        self._learn(batch, len(x) * work * self.products)
        if base is Mode.SAMPLE and isinstance(batch, SpikeBatch):
            for sampler, points in zip(samplers, batch.points(), strict=True):
                sampler.append_means(*points)
        loss = np.add.accumulate(batch.losses)[-1] / F(len(x))
        return float(loss), batch.out.copy()

    def update(self, optimizer: Any) -> None:
        """`optimizer.step()`; a step of Adam is shared by the threads."""
        if type(optimizer) is not Adam:
            optimizer.step()
            return
        o, tasks = optimizer, []
        o.steps += 1
        rate, root = adam_constants(o.steps, o.lr, o.beta1, o.beta2)
        constants = *map(F, (o.beta1, 1 - o.beta1, o.beta2, 1 - o.beta2)), rate, root, F(o.eps)
        for i, p in enumerate(o.parameters):
            if p.grad is None:
                continue
            o.m[i], o.v[i] = (_laid_out_as(p.data, a) for a in (o.m[i], o.v[i]))
            flat = [_flat(a) for a in (p.data, _laid_out_as(p.data, p.grad), o.m[i], o.v[i])]
            parts = range(0, p.data.size, PART)
            tasks += [[a[low : low + PART] for a in flat] for low in parts]
        self._over(len(tasks), lambda i: adam(*tasks[i], *constants), self.products)

    def rates(self, x: Floats, mode: LayerMode) -> Floats | None:
        """The mean read-out (N, K) of pictures x (N, ...) in SNN or ANN mode, or None if the plain
        path must give it.
        """
        x, spikes = self._pictures(x, mode), mode.base_mode is Mode.SNN
        if not len(x) or mode.base_mode not in (Mode.SNN, Mode.ANN):
            return None
        if not self._quantise(spikes, training=False):
            return None
        now = self._entry() if spikes else self._curves()
        rates = np.empty((len(x), self.layers[-1].outputs), F)

        def some(part: slice) -> None:
            batch: RateBatch | SpikeBatch
            if isinstance(now, Entry):
                batch = SpikeBatch(self.layers, TESTED, now, training=False)
            else:
                batch = RateBatch(self.layers, TESTED, now)
            for low in range(part.start, part.stop, TESTED):
                own = slice(low, min(low + TESTED, part.stop))
                here = slice(0, own.stop - low)
                batch.forward(here, x[own])
                rates[own] = batch.out[here]

        size = -(-len(x) // (8 * TESTED)) * TESTED  # of a task
        self._over_chunks(size, len(x), some, len(x) * self.products)
        return rates

    def grad_norms(self) -> dict[str, float]:
        """`Network.grad_norms` after `gradients`, from sums that were made on the way."""
        scalars = [p.grad[0] for p in self.parts.scalar.parameters().values() if p.grad is not None]
        sums = [np.add.accumulate(layer.squares, axis=1)[:, -1] for layer in self.layers]
        squares = {f"blocks.{i}": own for i, own in enumerate(sums, 1)}
        if scalars:
            squares = {"blocks.0": np.square(scalars)} | squares
        return {name: math.sqrt(np.add.accumulate(own)[-1]) for name, own in squares.items()}

    def _pictures(self, x: Floats, mode: LayerMode) -> Floats:
        """x as (N, I), without any where it is nothing for the engine."""
        inputs, base = self.layers[0].inputs, mode.base_mode
        none = np.empty((0, inputs), F)
        if not isinstance(x, np.ndarray) or x.dtype != F or not x.ndim:
            return none
        if x.size != len(x) * inputs or (mode.crossover and not base.spiking):
            return none
        if base is Mode.ANN and any(f.curve is None for f in self.parts.samplers):
            return none
        flat = np.ascontiguousarray(x.reshape(len(x), inputs))
        return flat if np.isfinite(flat).all() else none

    def _labelled(self, labels: np.ndarray, count: int) -> bool:
        """True for a class number for each of `count` samples."""
        return (
            labels.shape == (count,)
            and labels.dtype.kind in "iu"
            and bool(labels.min() >= 0 and labels.max() < self.layers[-1].outputs)
        )

    def _quantise(self, spiking: bool, training: bool) -> bool:
        """Quantise all weights; False where some are not finite, or states might not fit."""
        sums = [0] * len(self.strips)
        for layer in self.layers:
            layer.lay_out()

        def strip(j: int) -> None:
            i, low, high = self.strips[j]
            sums[j] = self.layers[i].quantise(low, high, spiking, training)

        self._over(len(sums), strip, self.products)
        scalars = [p.data for p in self.parts.scalar.parameters().values()]
        if min(sums) < 0 or not np.isfinite(scalars).all():
            return False
        if not spiking:
            return True
        self.neurons = [Spikes(neuron, self.parts.steps) for neuron in self.parts.neurons]
        drives = [DRIVE] + [0] * len(self.layers)
        for (i, _, _), size in zip(self.strips, sums, strict=True):
            drives[i + 1] = max(drives[i + 1], size * UNITS)
        fits = all(d < n.most for d, n in zip(drives, self.neurons, strict=False))
        return max(sums) < LARGEST and fits

    def _entry(self) -> Entry:
        return Entry(self.neurons, self.parts.scalar, self.parts.steps)

    def _curves(self) -> Curves:
        return Curves(self.parts.samplers, *self.parts.scalar.quantised())

    def _batch(self, samples: int, spiking: bool) -> RateBatch | SpikeBatch:
        """Arrays for so many samples: those of the last step, if there were as many."""
        if spiking:
            entry, kept = self._entry(), self.in_spikes
            if kept is None or kept.samples != samples:
                kept = SpikeBatch(self.layers, samples, entry)
            self.in_spikes, kept.entry = kept, entry
            return kept
        curves, batch = self._curves(), self.in_rates
        if batch is None or batch.samples != samples:
            batch = RateBatch(self.layers, samples, curves)
        self.in_rates, batch.curves = batch, curves
        return batch

    def _learn(self, batch: RateBatch | SpikeBatch, work: int) -> None:
        """The gradients of all parameters."""

        def task(j: int) -> None:
            if j == 0:
                self._learn_scalars(batch.scalars())
                return
            i, low, high = self.strips[j - 1]
            batch.gradient(i, low, high)
            self.layers[i].learn(low, high)

        self._over(len(self.strips) + 1, task, work)
        for layer in self.layers:
            layer.hand_over()

    def _learn_scalars(self, grads: Floats) -> None:
        scalar = self.parts.scalar
        for p, grad in zip((scalar.weight, scalar.bias), grads, strict=True):
            if p is not None:
                p.grad = scalar.hook.backward(np.array([grad]), p.data)

    def _over_chunks(
        self, size: int, count: int, work: Callable[[slice], None], products: int
    ) -> None:
        """work(part) for parts of `size` of the samples."""
        parts = [slice(low, min(low + size, count)) for low in range(0, count, size)]
        self._over(len(parts), lambda i: work(parts[i]), products)

    def _over(self, count: int, work: Callable[[int], None], products: int) -> None:
        """work(i) for each i below `count`, on one thread if there are few products to make."""
        if products < SMALL:
            for i in range(count):
                work(i)
        else:
            threads.over(count, work)


def _flat(a: Floats) -> Floats:
    """All numbers of `a` in a row, as they lie in memory."""
    return a.T.reshape(-1) if a.flags.f_contiguous else a.reshape(-1)


def _laid_out_as(like: Floats, a: Floats) -> Floats:
    """`a` with its numbers in the order in which those of `like` lie in memory."""
    if a.flags.f_contiguous == like.flags.f_contiguous:
        return a
    return np.asfortranarray(a) if like.flags.f_contiguous else np.ascontiguousarray(a)
