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
from refboot.ann_sampler import AnnSampler
from refboot.arrays import Floats, Ints
from refboot.block.cuba import Input
from refboot.engine.in_rates import VALUES, Curves, RateBatch
from refboot.engine.in_spikes import Entry, SpikeBatch
from refboot.engine.layer import UNITS, Layer, Spikes
from refboot.kernels.optim import adam
from refboot.network import Network
from refboot.optim import Adam
from refboot.reference.optim import adam_constants
from refboot.routine import LayerMode, Mode

F = np.float32
CHUNK, TESTED = 16, 32  # samples of a task in training, and at once in a test
STRIP = 256  # outputs of a task
PART = 1 << 16  # weights of a task of the optimiser
SMALL = 1 << 18  # products of a step: with fewer it stays on one thread
LARGEST = 1 << 15  # sums of a neuron's weights, in units, are smaller in spiking modes
DRIVE = 20 * 4096  # of the input layer, at most: 4 * 4 + 4, in state units


class Plan:
    """Runs whole steps and tests of one network. What a call returns and the gradients it leaves
    are the next call's to write over.
    """

    def __init__(self, network: Network) -> None:
        self.blocks, self.steps = list(network.blocks), network.time_steps
        self.first: Input = network.blocks[0]  # type: ignore[assignment]
        self.layers = [Layer(block) for block in network.blocks[1:]]  # type: ignore[arg-type]
        self.samplers: list[AnnSampler] = [block.f for block in self.blocks[:-1]]  # type: ignore[attr-defined]
        self.strips = [
            (i, low, min(low + STRIP, layer.outputs))
            for i, layer in enumerate(self.layers)
            for low in range(0, layer.outputs, STRIP)
        ]
        self.products = sum(layer.weight.size for layer in self.layers)
        self.batches: dict[type, RateBatch | SpikeBatch] = {}
        self.scalars = np.zeros(2, F)

    def serves(self, network: Network) -> bool:
        """True if blocks, their parts and the shapes of their weights are those of the plan."""
        return (
            self.blocks == network.blocks
            and self.steps == network.time_steps
            and self.samplers == [block.f for block in self.blocks[:-1]]  # type: ignore[attr-defined]
            and all(
                layer.v is layer.block.synapse.weight.v
                and layer.g is layer.block.synapse.weight.g
                and layer.v.data.shape == (layer.outputs, layer.inputs)
                for layer in self.layers
            )
        )

    def gradients(self, x: Floats, labels: Ints, mode: LayerMode) -> tuple[float, Floats] | None:
        """Forward, loss and backward for pictures x (N, ...) and labels (N,): the loss and the
        mean read-out (N, K).

        Sets the gradient of each parameter; SAMPLE gives the samplers their points, FIT fits
        first. None, and nothing is changed, if the plain path must do this step.
        """
        pictures, base = self._pictures(x, mode), mode.base_mode
        labels = np.asarray(labels)
        if pictures is None or not self._labelled(labels, len(pictures)):
            return None
        if base is Mode.FIT and any(f.rng is None for f in self.samplers):
            return None
        if not self._quantise(base.spiking):
            return None
        if base is Mode.FIT:
            self._fit()
        step = self._in_spikes if base.spiking else self._in_rates
        losses, rates = step(pictures, labels.astype(np.int64), base)
        return float(np.add.accumulate(losses)[-1] / F(len(losses))), rates.copy()

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
        pictures, spiking = self._pictures(x, mode), mode.base_mode is Mode.SNN
        if pictures is None or not (spiking or mode.base_mode is Mode.ANN):
            return None
        if not self._quantise(spiking):
            return None
        rates = np.empty((len(pictures), self.layers[-1].outputs), F)
        size = -(-len(pictures) // (8 * TESTED)) * TESTED  # of a task
        entry, curves = (self._entry(), None) if spiking else (None, self._curves())

        def some(i: int) -> None:
            batch: SpikeBatch | RateBatch
            batch = (
                SpikeBatch(self.layers, TESTED, self.steps, training=False)
                if spiking
                else RateBatch(self.layers, TESTED)
            )
            end = min((i + 1) * size, len(pictures))
            for low in range(i * size, end, TESTED):
                part = slice(0, min(TESTED, end - low))
                given = pictures[low : low + part.stop]
                if isinstance(batch, SpikeBatch):
                    batch.forward(part, given, entry, self.neurons[1:])
                else:
                    batch.forward(part, given, curves)
                rates[low : low + part.stop] = batch.out[part]

        work = self.products * len(pictures)
        self._over(-(-len(pictures) // size), some, work)
        return rates

    def grad_norms(self) -> dict[str, float]:
        """`Network.grad_norms` after `gradients`, from sums that were made on the way."""
        squares = {"blocks.0": self.scalars * self.scalars}
        sums = [np.add.accumulate(layer.squares, axis=1)[:, -1] for layer in self.layers]
        squares |= {f"blocks.{i}": own for i, own in enumerate(sums, 1)}
        return {name: math.sqrt(np.add.accumulate(own)[-1]) for name, own in squares.items()}

    def _pictures(self, x: Floats, mode: LayerMode) -> Floats | None:
        """x as (N, I), or None where it is nothing for the engine."""
        inputs, base = self.layers[0].inputs, mode.base_mode
        if not isinstance(x, np.ndarray) or x.dtype != F or not x.ndim or not len(x):
            return None
        if x.size != len(x) * inputs or (mode.crossover and not base.spiking):
            return None
        if base is Mode.ANN and any(f.curve is None for f in self.samplers):
            return None
        flat = np.ascontiguousarray(x.reshape(len(x), inputs))
        return flat if np.isfinite(flat).all() else None

    def _labelled(self, labels: np.ndarray, count: int) -> bool:
        """True for a class number for each of `count` samples."""
        return (
            labels.shape == (count,)
            and labels.dtype.kind in "iu"
            and bool(labels.min() >= 0 and labels.max() < self.layers[-1].outputs)
        )

    def _quantise(self, spiking: bool) -> bool:
        """Quantise all weights; False where some are not finite, or states might not fit."""
        sums = [0] * len(self.strips)

        def strip(j: int) -> None:
            i, low, high = self.strips[j]
            sums[j] = self.layers[i].quantise(low, high, spiking)

        self._over(len(sums), strip, self.products)
        scalars = [p.data for p in (self.first.synapse.weight, self.first.synapse.bias) if p]
        if min(sums) < 0 or not np.isfinite(scalars).all():
            return False
        if not spiking:
            return True
        self.neurons = [Spikes(block, self.steps) for block in self.blocks[:-1]]  # type: ignore[arg-type]
        drives = [DRIVE] + [0] * len(self.layers)
        for (i, _, _), size in zip(self.strips, sums, strict=True):
            drives[i + 1] = max(drives[i + 1], size * UNITS)
        fits = all(d < n.most for d, n in zip(drives, self.neurons, strict=False))
        return max(sums) < LARGEST and fits

    def _entry(self) -> Entry:
        return Entry(self.neurons[0], *self.first.synapse.quantised(), self.steps)

    def _curves(self) -> Curves:
        return Curves(self.samplers, *self.first.synapse.quantised())

    def _fit(self) -> None:
        """Fit all curves, then drop half of the points, one sampler's draws after another's."""
        threads.over(len(self.samplers), lambda i: self.samplers[i].fit())
        for sampler in self.samplers:
            sampler.soft_clear()

    def _in_spikes(self, x: Floats, labels: Ints, base: Mode) -> tuple[Floats, Floats]:
        batch, neurons = self._batch(SpikeBatch, len(x)), self.neurons[1:]
        entry, work = self._entry(), len(x) * self.steps * self.products

        def chunk(part: slice) -> None:
            batch.forward(part, x[part], entry, neurons)
            batch.backward(part, labels[part], entry, neurons)
            if base is Mode.SAMPLE:
                batch.sample(part, entry)

        self._over_chunks(CHUNK // 2, len(x), chunk, work)
        self._learn(lambda *strip: batch.gradient(*strip, entry), batch.scalars, work)
        if base is Mode.SAMPLE:
            weight, bias = self.first.synapse.quantised()
            mean = entry.fired.astype(F) / F(self.steps)
            self.samplers[0].append_means(mean[batch.codes], (VALUES * weight + bias)[batch.codes])
            for sampler, fired, z in zip(self.samplers[1:], batch.fired, batch.means, strict=True):
                sampler.append_means(fired / F(self.steps), z)
        return batch.losses, batch.out

    def _in_rates(self, x: Floats, labels: Ints, base: Mode) -> tuple[Floats, Floats]:
        batch, curves = self._batch(RateBatch, len(x)), self._curves()
        work = len(x) * self.products

        def chunk(part: slice) -> None:
            batch.forward(part, x[part], curves)
            batch.backward(part, labels[part])

        self._over_chunks(CHUNK, len(x), chunk, work)
        self._learn(batch.gradient, batch.scalars, work)
        return batch.losses, batch.out

    def _learn(
        self, gradient: Callable[[int, int, int], None], scalars: Callable[[], Floats], work: int
    ) -> None:
        """The gradients of all parameters."""

        def task(j: int) -> None:
            if j == 0:
                self._set_scalars(scalars())
                return
            i, low, high = self.strips[j - 1]
            gradient(i, low, high)
            self.layers[i].learn(low, high)

        self._over(len(self.strips) + 1, task, work)
        for layer in self.layers:
            layer.v.grad, layer.g.grad = layer.gw.T, layer.gg

    def _set_scalars(self, grads: Floats) -> None:
        synapse = self.first.synapse
        self.scalars[:] = 0
        for i, p in enumerate((synapse.weight, synapse.bias)):
            if p is not None:
                p.grad = synapse.hook.backward(grads[i : i + 1], p.data)
                self.scalars[i] = p.grad[0]

    def _batch(self, kind: type, samples: int) -> RateBatch | SpikeBatch:
        """Arrays for so many samples: those of the last step, if there were as many."""
        kept = self.batches.get(kind)
        if kept is None or kept.samples != samples:
            steps = (self.steps,) if kind is SpikeBatch else ()
            kept = self.batches[kind] = kind(self.layers, samples, *steps)
        return kept

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
