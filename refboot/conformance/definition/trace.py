"""The training trace: a small network trained for a few steps in all four modes, on plain
arrays.
"""

from __future__ import annotations

import hashlib

import numpy as np

from refboot import arrays, reference
from refboot.conformance.definition import rates
from refboot.conformance.definition.layers import (
    Backward,
    Cell,
    analog,
    cell,
    dense,
    layer,
    scalar,
    spikes,
)
from refboot.reference.modes import Mode, mean_rate_backward
from refboot.reference.numbers import total

Array = np.ndarray
NAMES = (("weight", "bias"), *[("synapse.weight_v", "synapse.weight_g")] * 3)


class Net:
    """An input block, two dense blocks with weight norm and the affine read-out: parameters in that
    order, two per block; for each block but the last its points (2, n) and its curve.
    """

    def __init__(
        self, parameters: list[Array], of: Cell, delay_shift: bool, permutations: Array
    ) -> None:
        self.parameters = parameters
        self.cell = of
        self.delay_shift = delay_shift
        self.points: list[tuple[Array, ...]] = [(np.zeros(0, np.float32),) * 2] * 3
        self.curves: list[tuple[Array | None, Array | None]] = [(None, None)] * 3
        self.permutations = [list(permutations[:, i]) for i in range(3)]

    def weights(self, i: int) -> list[Array]:
        """The two parameters of block i."""
        return self.parameters[2 * i : 2 * i + 2]

    def block(self, i: int, x: Array, mode: str) -> tuple[Array, Backward]:
        """Output of block i in `mode`, and its backward pass."""
        first, second = self.weights(i)
        if i == 0:
            weight, bias = float(first[0]), float(second[0])
            return layer(
                x, mode, lambda x: scalar(x, weight, bias), lambda z: self.activate(0, z, mode)
            )
        if i == 3:
            return layer(
                x, mode, lambda x: dense(x, first, second), lambda z: (z, lambda grad: (grad,))
            )
        return layer(
            x, mode, lambda x: dense(x, first, second), lambda z: self.activate(i, z, mode)
        )

    def activate(self, i: int, z: Array, mode: str) -> tuple[Array, Backward]:
        """SAM-2, MOD-3: spikes or rates of block i; points are noted and fitted as `mode` says."""
        if mode == "SAMPLE":
            new = rates.sample_points(z, spikes(z, self.cell, False)[0])
            both = zip(self.points[i], new, strict=True)
            self.points[i] = tuple(map(np.concatenate, both))
        if mode == "FIT":
            (at, heights), (knots, slopes) = self.points[i], self.curves[i]
            self.curves[i] = rates.fit_curve(at, heights, knots, slopes)
            order = self.permutations[i].pop(0)
            self.points[i] = tuple(rates.keep_half(p, order) for p in self.points[i])
        if Mode[mode].spiking:
            return spikes(z, self.cell, self.delay_shift)
        return analog(z, *self.curves[i])

    def forward(self, x: Array, modes: list[str], steps: int) -> tuple[Array, list[Backward]]:
        """MOD-13, TRN-3: the logits (N, K) for still inputs x (N, C), and the backward passes of
        blocks and read-out in order.
        """
        x = rates.hold(x, steps, Mode[modes[0]].spiking)
        backs = []
        for i, mode in enumerate(modes):
            x, back = self.block(i, x, mode)
            backs.append(back)
        last = x.shape[-1]
        backs.append(lambda grad: (mean_rate_backward(grad[..., None], last),))
        return rates.mean_rate(x)[..., 0], backs

    def gradients(self, grad: Array, backs: list[Backward]) -> list[Array]:
        """TRN-6: gradients with respect to all parameters, given that of the logits."""
        *block_backs, readout = backs
        (grad,) = readout(grad)
        found: list[Array] = []
        for back in reversed(block_backs):
            grad, *own = back(grad)
            found = own + found
        return found

    def state(self) -> dict[str, Array]:
        """The parameters and curves by the names of the state file (NET-16)."""
        found = {}
        for i, names in enumerate(NAMES):
            found[f"blocks.{i}.neuron.current_decay"] = self.cell.decays[0]
            found[f"blocks.{i}.neuron.voltage_decay"] = self.cell.decays[1]
            for name, p in zip(names, self.weights(i), strict=True):
                found[f"blocks.{i}.{name}"] = p
        for i, (knots, slopes) in enumerate(self.curves):
            if knots is not None and slopes is not None:
                found |= {f"blocks.{i}.curve.knots": knots, f"blocks.{i}.curve.slopes": slopes}
        return found


def trained(
    x: Array, labels: Array, weight: float, bias: float, v1: Array, g1: Array, v2: Array, g2: Array,
    v3: Array, g3: Array, permutations: Array, iterations: int, num_sample_iter: int,
    sample_period: int, crossover_epochs: Array, time_steps: int, threshold: float,
    current_decay: float, voltage_decay: float, delay_shift: bool, optimizer: str, lr: float,
    momentum: float,
) -> tuple[Net, Array, list[float], list[list[float]]]:  # fmt: skip
    """TRN-6: train for one step on each x[s] (N, C), labels[s] (N,): network, modes, losses and the
    lengths of the blocks' gradients. `permutations` (fits, 3, points) say what each fit drops.
    """
    scalars = [np.array([value], np.float32) for value in (weight, bias)]
    of = cell(threshold, current_decay, voltage_decay)
    copies = (p.copy() for p in (v1, g1, v2, g2, v3, g3))
    net = Net([*scalars, *copies], of, delay_shift, permutations)
    memory = [(np.zeros_like(p), np.zeros_like(p)) for p in net.parameters]
    count = np.arange(len(x))
    epochs, rest = np.divmod(count, iterations)
    modes = rates.schedule(
        num_sample_iter, sample_period, crossover_epochs, 4, epochs, rest, count >= 0
    )
    losses, lengths = [], []
    for s in count:
        logits, backs = net.forward(x[s], [Mode(m).name for m in modes[s]], time_steps)
        loss, softmax = reference.cross_entropy_forward(logits, labels[s])
        grads = net.gradients(reference.cross_entropy_backward(softmax, labels[s]), backs)
        for p, grad, (m, v) in zip(net.parameters, grads, memory, strict=True):
            if optimizer == "adam":
                reference.adam_step(p, grad, m, v, int(s) + 1, lr, 0.9, 0.999, 1e-8)
            else:
                reference.sgd_step(p, grad, m, lr, momentum)
        losses.append(loss)
        lengths.append([length(grads[i : i + 2]) for i in range(0, 8, 2)])
    return net, modes, losses, lengths


def training_trace(x: Array, *given: object) -> tuple[Array, ...]:
    """TRN-12: modes, losses and gradients' lengths of a run, and the trained network's rates as an
    SNN for x[0].
    """
    net, modes, losses, lengths = trained(x, *given)  # type: ignore[arg-type]
    logits, _ = net.forward(x[0], ["SNN"] * 4, int(given[14]))  # type: ignore[call-overload]
    return modes, np.array(losses, np.float32), np.array(lengths, np.float32), logits


def training_state(x: Array, *given: object) -> tuple[Array, ...]:
    """TRN-15: the parameters and curves that a run leaves, and their digest."""
    net, *_ = trained(x, *given)  # type: ignore[arg-type]
    curves = [part for curve in net.curves for part in curve]
    return *net.parameters, *curves, digest(net.state())  # type: ignore[arg-type]


def digest(state: dict[str, Array]) -> Array:
    """TRN-15: the first 8 bytes of SHA-256 over names, shapes and values, as numbers (8,)."""
    total = hashlib.sha256()
    for name, values in sorted(state.items()):
        sizes = "x".join(map(str, values.shape))
        total.update(f"{name}\0{sizes}\0".encode())
        total.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes())
    return np.frombuffer(total.digest()[:8], np.uint8).astype(np.int64)


def length(grads: list[Array]) -> float:
    """TRN-12: the length of several gradients as one vector: sums of squares by row, over
    rows, over gradients.
    """
    squares = [total(total((g * g).reshape(len(g), -1).T)) for g in grads]
    return float(np.sqrt(total(np.array(squares))))


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
