"""refboot's algorithm over PyTorch, written from the spec alone, autograd doing every backward
pass: a backend of levels 1 to 4, and 5.

    refboot verify examples/backends/torch_backend.py

The same module trains: `refboot.ops.use(torch_backend)` puts its operations under refboot's blocks.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch_ops import *  # noqa: F403
from torch_ops import Refused, fired, leaf, neuron_numbers, pull, single, tensor
from torch_rates import *  # noqa: F403
from torch_rates import curve, fit_curve, keep_half, sample_points, schedule
from torch_synapse import *  # noqa: F403
from torch_synapse import dense, normed, scalar, statistics

NOTHING = np.zeros(0, np.float32)
MODES = ("SNN", "ANN", "SAMPLE", "FIT")
SPIKING = ("SNN", "SAMPLE")


def mean_rate(x):
    return single(tensor(x).mean(-1, keepdim=True))


def mean_rate_backward(grad, steps):
    return np.repeat(grad / np.float32(steps), steps, axis=-1)


def later(x: Tensor) -> Tensor:
    """MOD-7."""
    return functional.pad(x[..., :-1], (1, 0))


def delay_forward(x):
    return single(later(tensor(x)))


def delay_backward(grad):
    x = leaf(np.zeros(grad.shape))
    return pull(later(x), grad, x)[0]


def dropped(x: Tensor, kept, p: float) -> Tensor:
    """NRM-9, NRM-10."""
    return (
        x
        if kept is None
        else x * (tensor(kept) * float(np.float32(1) / np.float32(1 - p)))[..., None]
    )


def dropout_forward(x, kept, p, training):
    return single(dropped(tensor(x), kept if training else None, p))


def dropout_backward(grad, kept, p):
    x = leaf(np.zeros(grad.shape))
    return pull(dropped(x, kept, p), grad, x)[0]


def flatten(x):
    return single(tensor(x).flatten(1, -2))


def hold(x, steps, spiking):
    return single(tensor(x)[..., None].expand(*x.shape, steps if spiking else 1)).copy()


class Neuron:
    """A neuron's integers, its delay shift and its dropout."""

    def __init__(self, threshold, current_decay, voltage_decay, delay_shift, kept=None, p=0.0):
        self.mantissa, self.i, self.w = neuron_numbers(threshold, current_decay, voltage_decay)
        self.delay_shift, self.kept, self.p = delay_shift, kept, p

    def spikes(self, z: Tensor) -> Tensor:
        """LIF-4."""
        return fired(z, self.i.double(), self.w.double(), self.mantissa)[0]

    def out(self, s: Tensor) -> Tensor:
        """MOD-1: dropout, then delay."""
        s = dropped(s, self.kept, self.p)
        return later(s) if self.delay_shift else s


def activate(z: Tensor, mode: str, neuron: Neuron, knots, slopes) -> Tensor:
    """MOD-1, MOD-4."""
    if mode in SPIKING:
        return neuron.out(neuron.spikes(z))
    if knots is None:
        raise Refused("order")
    return dropped(curve(z, tensor(knots), tensor(slopes)).double(), neuron.kept, neuron.p)


def bridged(x: Tensor, mode: str) -> Tensor:
    """MOD-12."""
    return x if mode in SPIKING or x.shape[-1] == 1 else x.mean(-1, keepdim=True)


def with_gradients(y: Tensor, grad, *inputs: Tensor | None):
    """An output and the gradients of what is there."""
    found = iter(pull(y, grad, *(x for x in inputs if x is not None)))
    return single(y), *(NOTHING if x is None else next(found) for x in inputs)


def given(x):
    """A leaf, or None."""
    return None if x is None else leaf(np.atleast_1d(x))


def dense_block(
    mode,
    x,
    grad,
    v,
    g,
    knots,
    slopes,
    threshold,
    current_decay,
    voltage_decay,
    delay_shift,
    kept,
    p,
):
    x, v, g, neuron = (
        leaf(x),
        leaf(v),
        given(g),
        Neuron(threshold, current_decay, voltage_decay, delay_shift, kept, p),
    )
    return with_gradients(
        activate(dense(bridged(x, mode), v, g), mode, neuron, knots, slopes), grad, x, v, g
    )


def dense_sample(x, v, g, threshold, current_decay, voltage_decay, delay_shift, kept, p):
    neuron = Neuron(threshold, current_decay, voltage_decay, delay_shift, kept, p)
    z = dense(tensor(x), tensor(v), None if g is None else tensor(g))
    s = neuron.spikes(z)
    return single(neuron.out(s)), *sample_points(z.numpy(), s.numpy())


def input_block(
    mode, x, grad, weight, bias, knots, slopes, threshold, current_decay, voltage_decay, delay_shift
):
    x, weight, bias, neuron = (
        leaf(x),
        given(weight),
        given(bias),
        Neuron(threshold, current_decay, voltage_decay, delay_shift),
    )
    return with_gradients(
        activate(scalar(bridged(x, mode), weight, bias), mode, neuron, knots, slopes),
        grad,
        x,
        weight,
        bias,
    )


def affine_block(mode, x, grad, v, g):
    x, v, g = leaf(x), leaf(v), given(g)
    return with_gradients(dense(bridged(x, mode), v, g), grad, x, v, g)


def normed_rates(x, v, knots, slopes, scaled):
    z = dense(tensor(x), tensor(v), None)
    return single(curve(normed(z, *statistics(z), scaled), tensor(knots), tensor(slopes)))


class Net:
    """TRN-12: an input block, two dense blocks and the read-out, with what they have sampled and
    fitted.
    """

    def __init__(self, parameters, neuron: Neuron, permutations):
        self.parameters = [
            torch.nn.Parameter(torch.tensor(np.atleast_1d(p), dtype=torch.float32).double())
            for p in parameters
        ]
        self.neuron, self.permutations = neuron, permutations
        self.points = [(NOTHING, NOTHING)] * 3
        self.curves = [(None, None)] * 3
        self.fits = [0] * 3

    def forward(self, x, modes, steps: int) -> Tensor:
        """The logits."""
        y = tensor(hold(x, steps, modes[0] in SPIKING))
        for i, mode in enumerate(modes):
            first, second = self.parameters[2 * i : 2 * i + 2]
            z = (scalar if i == 0 else dense)(bridged(y, mode), first, second)
            y = z if i == 3 else self.layer(i, z, mode)
        return y.mean(-1)

    def layer(self, i: int, z: Tensor, mode: str) -> Tensor:
        """MOD-2, MOD-3: what a block adds to its modes."""
        if mode == "SAMPLE":
            new = sample_points(z.detach().numpy(), self.neuron.spikes(z.detach()).numpy())
            self.points[i] = tuple(
                np.concatenate(pair) for pair in zip(self.points[i], new, strict=True)
            )
        if mode == "FIT":
            self.curves[i] = fit_curve(*self.points[i], *self.curves[i])
            order = self.permutations[self.fits[i], i][: len(self.points[i][0])]
            self.points[i] = tuple(keep_half(a, order) for a in self.points[i])
            self.fits[i] += 1
        return activate(z, mode, self.neuron, *self.curves[i])


def training_trace(
    x, labels, weight, bias, v1, g1, v2, g2, v3, g3, permutations, iterations,
    num_sample_iter, sample_period, crossover_epochs, time_steps, threshold,
    current_decay, voltage_decay, delay_shift, optimizer, lr, momentum,
):  # fmt: skip
    net = Net(
        (weight, bias, v1, g1, v2, g2, v3, g3),
        Neuron(threshold, current_decay, voltage_decay, delay_shift),
        permutations,
    )
    adam = optimizer == "adam"
    rule = (
        torch.optim.Adam(net.parameters, lr)
        if adam
        else torch.optim.SGD(net.parameters, lr, momentum)
    )
    steps, losses, norms = np.arange(len(x)), [], []
    modes = schedule(
        num_sample_iter,
        sample_period,
        crossover_epochs,
        4,
        steps // iterations,
        steps % iterations,
        steps >= 0,
    )
    for s in steps:
        loss = functional.cross_entropy(
            net.forward(x[s], [MODES[m] for m in modes[s]], time_steps), tensor(labels[s])
        )
        rule.zero_grad()
        loss.backward()
        norms.append(
            [
                float(sum((p.grad**2).sum() for p in net.parameters[i : i + 2]) ** 0.5)
                for i in range(0, 8, 2)
            ]
        )
        losses.append(loss.item())
        rule.step()
    with torch.no_grad():
        return (
            modes,
            np.array(losses),
            np.array(norms),
            single(net.forward(x[0], ["SNN"] * 4, time_steps)),
        )
