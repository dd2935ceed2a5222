"""refboot's neurons, synapses, norms and samplers, asked as the table of operations asks."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np

from refboot import arrays, loss, ops
from refboot.ann_sampler import AnnSampler
from refboot.block.base import checked_curve
from refboot.block.plain import Flatten
from refboot.network import Network
from refboot.neuron import Dropout, cuba
from refboot.neuron.norm import MeanOnlyBatchNorm, WgtScaleBatchNorm
from refboot.optim import Parameter
from refboot.reference import numbers
from refboot.reference.norm import norm_std
from refboot.reference.pwl import Curve
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.synapse import Conv, Dense, Pool, Scalar, Weight

Array = np.ndarray
NONE = np.zeros(0, np.float32)
RNG = np.random.Generator(np.random.PCG64(np.random.SeedSequence(0)))  # what it draws is replaced
cross_entropy = loss.cross_entropy


class Permutations:
    """For `AnnSampler.soft_clear`: known permutations, one after the other."""

    def __init__(self, known: Any) -> None:
        self.known = list(known)

    def permutation(self, n: int) -> Array:
        """The next of them."""
        return self.known.pop(0)[:n]


def neuron_forward(
    z: Array, threshold: float, i: float, v: float, graded: bool, calls: int
) -> Array:
    """Spikes over several calls with persistent state."""
    neuron = cuba.Neuron(threshold, i, v, graded_spike=bool(graded), persistent_state=True)
    pieces = np.split(arrays.floats("z", z), calls, axis=-1)
    return np.concatenate([neuron.forward(np.ascontiguousarray(p)) for p in pieces], axis=-1)


def neuron_backward(
    grad: Array, z: Array, threshold: float, i: float, v: float, *surrogate: Any
) -> tuple[Any, ...]:
    """Gradients of z and of the decays; `surrogate` is tau_grad, scale_grad, graded."""
    tau, scale, graded = surrogate
    neuron = cuba.Neuron(threshold, i, v, tau, scale, graded_spike=bool(graded), requires_grad=True)
    neuron.forward(z)
    return neuron.backward(grad), neuron.current_decay.grad, neuron.voltage_decay.grad


def give(weight: Weight, v: Array, g: Array | None) -> None:
    """Give a weight its parameters."""
    weight.v.data[...] = v
    if weight.g is not None:
        weight.g.data[...] = g


def gradient(parameter: Parameter | None) -> Array:
    """The gradient of a parameter, empty where there is none."""
    return NONE if parameter is None or parameter.grad is None else parameter.grad


def make_dense(v: Array, g: Array | None, mask: Array | None) -> Dense:
    """A dense synapse with these parameters."""
    synapse = Dense(v.shape[1], v.shape[0], weight_norm=g is not None, mask=mask, rng=RNG)
    give(synapse.weight, v, g)
    return synapse


def dense_synapse(x: Array, *weight: Any) -> Array:
    """The weighted input of a dense synapse."""
    synapse = make_dense(*weight)
    return synapse.forward(arrays.floats("x", x, synapse.axes))


def dense_synapse_backward(grad: Array, x: Array, *weight: Any) -> tuple[Array, ...]:
    """Its gradients of x, v and g."""
    synapse = make_dense(*weight)
    synapse.forward(x)
    return synapse.backward(grad), gradient(synapse.weight.v), gradient(synapse.weight.g)


def input_synapse(x: Array, weight: float | None, bias: float | None) -> Array:
    """The weighted input of an input layer."""
    return Scalar(weight, bias).forward(arrays.floats("x", x))


def input_synapse_backward(
    grad: Array, x: Array, weight: float | None, bias: float | None
) -> tuple[Any, ...]:
    """Its gradients of x, weight and bias."""
    synapse = Scalar(weight, bias)
    synapse.forward(x)
    return synapse.backward(grad), gradient(synapse.weight), gradient(synapse.bias)


def conv_synapse(x: Array, v: Array, *window: Any) -> Array:
    """The weighted input of a convolution; `window` is stride, padding, dilation, groups."""
    synapse = Conv(v.shape[1] * window[3], len(v), v.shape[2:], *window, rng=RNG)
    give(synapse.weight, v, None)
    return synapse.forward(arrays.floats("x", x, synapse.axes))


def pool_synapse(x: Array, kernel: tuple[int, int], weight_scale: float) -> Array:
    """The weighted input of a pool."""
    return Pool(kernel, weight_scale=weight_scale).forward(x)


def input_drive(x: Array, weight: int, bias: int) -> Array:
    """The drive of pixels in state units."""
    z = Scalar(weight / 64, bias / 64).forward(x)
    return numbers.to_state(z)


def integer_drive(s: Array, weight: Array) -> Array:
    """The drive of spikes through weight mantissas."""
    real = (weight / np.float32(64)).astype(np.float32)
    return numbers.to_state(ops.active().dense_forward(s, real))


def batch_norm(
    x: Array, mean: Array, variance: Array, momentum: float, scaled: bool, training: bool
) -> tuple[Array, ...]:
    """The normed x, and the running statistics afterwards."""
    norm = WgtScaleBatchNorm(momentum) if scaled else MeanOnlyBatchNorm(momentum)
    norm.build(len(mean))
    named = norm.parameters()
    for name, given in (("running_mean", mean), ("running_var", variance)):
        if name in named:
            named[name].data[...] = given
    y = norm.forward(x, training)
    return y, named["running_mean"].data, named["running_var"].data if scaled else variance


def batch_norm_backward(grad: Array, x: Array, scaled: bool, training: bool) -> Array:
    """Its gradient of x."""
    norm = WgtScaleBatchNorm() if scaled else MeanOnlyBatchNorm()
    norm.build(x.shape[1])
    norm.forward(x, training)
    return norm.backward(grad)


def norm_exponent(variance: Array) -> Array:
    """The exponent of a scaling norm."""
    return np.log2(norm_std(variance)).astype(np.int64)


def exchange_norm(running_mean: Array) -> Array:
    """The bias mantissas of a norm."""
    norm = MeanOnlyBatchNorm()
    norm.build(len(running_mean))
    norm.parameters()["running_mean"].data[...] = running_mean
    return norm.bias


def sample_points(z: Array, s: Array) -> tuple[Array, Array]:
    """What a sampler makes of weighted input and spikes."""
    sampler = AnnSampler()
    sampler.append(s, z)
    return sampler.z, sampler.a


def keep_newest(z: Array, capacity: int) -> Array:
    """What a sampler of this capacity holds in the end."""
    sampler = AnnSampler(capacity=capacity)
    for point in z:
        sampler.append_means(point[None], point[None])
    return sampler.z


def keep_half(z: Array, permutation: Array) -> Array:
    """What a sampler holds after half of it was forgotten."""
    sampler = AnnSampler()
    sampler.append_means(z, z)
    sampler.soft_clear(Permutations([permutation]))
    return sampler.z


def fit_curve(
    z: Array, a: Array, knots: Any, slopes: Any, count: int, low: float, high: float, *rest: float
) -> tuple[Any, ...]:
    """The curve a sampler fits; `rest` is alpha and eps."""
    sampler = AnnSampler(count, (low, high), rest[1])
    sampler.alpha = rest[0]
    sampler.curve = None if knots is None else Curve(knots, slopes)
    if len(z) or len(a):
        sampler.append(a[:, None], z[:, None])
    sampler.fit()
    return sampler.centers, sampler.slopes


def curve_backward(grad: Array, z: Array, knots: Array, slopes: Array) -> Array:
    """The gradient through a sampler's curve."""
    sampler = AnnSampler()
    sampler.curve = Curve(knots, slopes)
    sampler.forward(z)
    return sampler.backward(grad)


def load_curve(knots: Array, slopes: Array) -> tuple[Array, ...]:
    """A stored curve, checked."""
    return tuple(checked_curve(knots, slopes))


def dropout_forward(x: Array, kept: Array, p: float, training: bool) -> Array:
    """Dropout with known draws."""
    with mock.patch("refboot.neuron.dropout.uniform", return_value=kept):
        return Dropout(p, RNG).forward(x, bool(training))


def dropout_backward(grad: Array, kept: Array, p: float) -> Array:
    """Its gradient."""
    dropout = Dropout(p, RNG)
    with mock.patch("refboot.neuron.dropout.uniform", return_value=kept):
        dropout.forward(grad, True)
    return dropout.backward(grad)


def mean_rate(x: Array) -> Array:
    """The mean over time."""
    return ops.active().mean_rate_forward(x)


def flatten(x: Array) -> Array:
    """Flatten."""
    return Flatten().forward(x)


def hold(x: Array, steps: int, spiking: bool) -> Array:
    """What a network makes of a still input."""
    network = Network([Flatten()], (x.shape[1],), steps)
    return network.forward(x, LayerMode(0, Mode.SNN if spiking else Mode.ANN))


def schedule(samples: int, period: int, crossover: Array, layers: int, *asked: Array) -> Array:
    """The modes a scheduler gives; `asked` is epochs, iterations, train."""
    scheduler = Scheduler(samples, period, crossover.tolist())
    modes = [
        scheduler.mode(epoch, iteration, bool(training))
        for epoch, iteration, training in zip(*(a.tolist() for a in asked), strict=True)
    ]
    return np.array([[mode.of(layer).value for layer in range(layers)] for mode in modes])


def predict(logits: Array) -> Array:
    """The predicted classes."""
    return logits.argmax(axis=1)


def initial_weight(uniform: Array, weight_scale: float) -> tuple[Array, Array]:
    """A weight as it is drawn."""
    known = mock.patch(
        "refboot.synapse.dense.uniform", lambda rng, low, high, _: high * uniform.astype(np.float64)
    )
    with known:
        weight = Weight(uniform.shape, weight_scale, True, None, None, RNG)
    assert weight.g is not None
    return weight.v.data, weight.g.data
