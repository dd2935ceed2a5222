"""The training trace: a small network trained for a few steps in all four modes, on plain
arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refboot import arrays, reference
from refboot.conformance.definition import blocks, parts
from refboot.conformance.definition.neurons import Cell, cell, fire

Array = np.ndarray
MODES = ("SNN", "ANN", "SAMPLE", "FIT")


class Trace(NamedTuple):
    """The mode of every layer and the loss of every step, the gradient's length per block, and the
    trained network's rates as an SNN.
    """

    modes: Array
    losses: Array
    grad_norms: Array
    rates: Array


class Samples:
    """What a layer has sampled, and the curve it was fitted."""

    def __init__(self, permutations: list[Array]) -> None:
        self.z = self.a = np.zeros(0)
        self.knots: Array | None = None
        self.slopes: Array | None = None
        self.permutations = permutations

    def take(self, z: Array, a: Array) -> None:
        """SAM-2: append the points."""
        self.z, self.a = np.concatenate([self.z, z]), np.concatenate([self.a, a])

    def fit(self) -> None:
        """MOD-3: fit the curve, then drop half of the points, those first in the next
        permutation.
        """
        self.knots, self.slopes = parts.fit_curve(self.z, self.a, self.knots, self.slopes)
        order = self.permutations.pop(0)[: len(self.z)]
        self.z, self.a = parts.keep_half(self.z, order), parts.keep_half(self.a, order)


class Net:
    """An input block, two dense blocks with weight norm and the affine read-out; parameters in that
    order, two per block.
    """

    def __init__(
        self, parameters: list[Array], of: Cell, delay_shift: bool, permutations: Array
    ) -> None:
        self.parameters = parameters
        self.cell = of
        self.delay_shift = delay_shift
        self.samples = [Samples(list(permutations[:, i])) for i in range(3)]

    def block(self, i: int, x: Array, mode: str) -> tuple[Array, blocks.Backward]:
        """Output of block i in `mode`, and its backward pass."""
        first, second = self.weights(i)
        if i == 0:
            return blocks.layer(
                x,
                mode,
                lambda x: blocks.scalar(x, first[0], second[0]),
                lambda z: self.activate(0, z, mode),
            )
        if i == 3:
            return blocks.layer(
                x,
                mode,
                lambda x: blocks.dense(x, first, second),
                lambda z: (z, lambda grad: (grad,)),
            )
        return blocks.layer(
            x, mode, lambda x: blocks.dense(x, first, second), lambda z: self.activate(i, z, mode)
        )

    def weights(self, i: int) -> list[Array]:
        """The two parameters of block i."""
        return self.parameters[2 * i : 2 * i + 2]

    def activate(self, i: int, z: Array, mode: str) -> tuple[Array, blocks.Backward]:
        """Spikes or rates of block i, sampled or fitted as `mode` says."""
        samples = self.samples[i]
        if mode == "SAMPLE":
            samples.take(*parts.sample_points(z, fire(z, self.cell)[0]))
        if mode == "FIT":
            samples.fit()
        if mode in blocks.SPIKING:
            return blocks.spikes(z, self.cell, self.delay_shift)
        return blocks.rates(z, samples.knots, samples.slopes)

    def forward(
        self, x: Array, modes: list[str], steps: int
    ) -> tuple[Array, list[blocks.Backward]]:
        """MOD-13, TRN-3: the logits (N, K) for still inputs x (N, C), and the backward passes of
        blocks and read-out in order.
        """
        x = parts.hold(x, steps, modes[0] in blocks.SPIKING)
        backs = []
        for i, mode in enumerate(modes):
            x, back = self.block(i, x, mode)
            backs.append(back)
        last = x.shape[-1]
        return parts.mean_rate(x)[..., 0], [
            *backs,
            lambda grad: (parts.mean_rate_backward(grad[..., None], last),),
        ]

    def gradients(self, grad: Array, backs: list[blocks.Backward]) -> list[Array]:
        """TRN-6: gradients of all parameters, given that of the logits."""
        *block_backs, readout = backs
        (grad,) = readout(grad)
        found: list[Array] = []
        for back in reversed(block_backs):
            grad, *own = back(grad)
            found = own + found
        return found


def training_trace(
    x: Array, labels: Array, weight: float, bias: float, v1: Array, g1: Array, v2: Array, g2: Array, v3: Array, g3: Array,
    permutations: Array, iterations: int, num_sample_iter: int, sample_period: int, crossover_epochs: Array, time_steps: int,
    threshold: float, current_decay: float, voltage_decay: float, delay_shift: bool, optimizer: str, lr: float, momentum: float,
) -> Trace:  # fmt: skip
    """TRN-6, TRN-12: train for one step on each x[s] (N, C), labels[s] (N,); `permutations` (fits,
    3, points) say what each fit drops.
    """
    scalars = [np.array([value], np.float32).astype(x.dtype) for value in (weight, bias)]
    net = Net(
        [*scalars, *(p.copy() for p in (v1, g1, v2, g2, v3, g3))],
        cell(threshold, current_decay, voltage_decay),
        delay_shift,
        permutations,
    )
    memory = [(np.zeros_like(p), np.zeros_like(p)) for p in net.parameters]
    steps = np.arange(len(x))
    modes = parts.schedule(
        num_sample_iter,
        sample_period,
        crossover_epochs,
        4,
        steps // iterations,
        steps % iterations,
        steps >= 0,
    )
    losses, norms = [], []
    for s in steps:
        logits, backs = net.forward(x[s], [MODES[m] for m in modes[s]], time_steps)
        loss, softmax = reference.cross_entropy_forward(logits, labels[s])
        grads = net.gradients(reference.cross_entropy_backward(softmax, labels[s]), backs)
        for p, grad, (m, v) in zip(net.parameters, grads, memory, strict=True):
            if optimizer == "adam":
                reference.adam_step(p, grad, m, v, int(s) + 1, lr, 0.9, 0.999, 1e-8)
            else:
                reference.sgd_step(p, grad, m, lr, momentum)
        losses.append(loss)
        norms.append([length(grads[i : i + 2]) for i in range(0, 8, 2)])
    rates, _ = net.forward(x[0], ["SNN"] * 4, time_steps)
    return Trace(modes, np.array(losses), np.array(norms), rates)


def length(grads: list[Array]) -> float:
    """The length of several gradients as one vector, in float64."""
    return float(
        np.sqrt(np.sum(np.concatenate([grad.ravel() for grad in grads]).astype(np.float64) ** 2))
    )


def cross_entropy(logits: Array, labels: Array) -> tuple[float, Array]:
    """TRN-1, TRN-2, TRN-14: the loss and its gradient; raises ShapeError, TypeMismatchError,
    RangeError.
    """
    arrays.floats("logits", logits, ("N", "K"))
    classes = arrays.labels("labels", labels, *logits.shape)
    loss, softmax = reference.cross_entropy_forward(logits, classes)
    return loss, reference.cross_entropy_backward(softmax, classes)


def predict(logits: Array) -> Array:
    """TRN-13: the class of each row, the first of the largest."""
    return logits.argmax(axis=1)


def initial_weight(uniform: Array, weight_scale: float) -> tuple[Array, Array]:
    """TRN-7: v and g from numbers (O, I) drawn uniformly from [-1, 1)."""
    v = (weight_scale * uniform / np.sqrt(uniform.shape[1])).astype(np.float32)
    return v, reference.synapse.row_norm(v)
