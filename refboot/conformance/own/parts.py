"""refboot's neurons, synapses and samplers, asked as the table of operations asks."""

from __future__ import annotations

from typing import Any

import numpy as np

from refboot import arrays, loss
from refboot.ann_sampler import AnnSampler
from refboot.block import base
from refboot.block import cuba as block
from refboot.conformance.own.replay import SEED, Permutations, Replay
from refboot.network import Network
from refboot.neuron import Dropout, cuba
from refboot.optim import Parameter
from refboot.reference import fit, rates
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.synapse import Dense, Scalar, Weight

Array = np.ndarray
NONE = np.zeros(0, np.float32)
delay_forward, delay_backward = rates.delay_forward, rates.delay_backward
mean_rate, mean_rate_backward = rates.mean_rate_forward, rates.mean_rate_backward
cross_entropy = loss.cross_entropy


def make_neuron(threshold: float, i: float, v: float, **others: Any) -> cuba.Neuron:
    """A CUBA neuron."""
    return cuba.Neuron(threshold, i, v, **others)


def neuron_forward(
    z: Array, threshold: float, i: float, v: float, graded: bool, calls: int
) -> Array:
    """Spikes over several calls with persistent state."""
    neuron = make_neuron(threshold, i, v, graded_spike=bool(graded), persistent_state=True)
    z = arrays.floats("z", z)
    return np.concatenate(
        [neuron.forward(np.ascontiguousarray(piece)) for piece in np.split(z, calls, axis=-1)],
        axis=-1,
    )


def neuron_backward(
    grad: Array,
    z: Array,
    threshold: float,
    i: float,
    v: float,
    tau: float,
    scale: float,
    graded: bool,
) -> tuple[Any, ...]:
    """Gradients for z and for the decays."""
    neuron = make_neuron(
        threshold,
        i,
        v,
        tau_grad=tau,
        scale_grad=scale,
        graded_spike=bool(graded),
        requires_grad=True,
    )
    neuron.forward(z)
    return neuron.backward(grad), neuron.current_decay.grad, neuron.voltage_decay.grad


def give(weight: Weight, v: Array, g: Array | None) -> None:
    """Give a weight its parameters."""
    weight.v.data[...] = v
    if g is not None:
        assert weight.g is not None
        weight.g.data[...] = g


def gradients(weight: Weight) -> tuple[Array, Array]:
    """The gradients of a weight's v and g, empty without weight norm."""
    assert weight.v.grad is not None
    return weight.v.grad, NONE if weight.g is None or weight.g.grad is None else weight.g.grad


def make_dense(v: Array, g: Array | None, mask: Array | None = None) -> Dense:
    """A dense synapse with these parameters."""
    synapse = Dense(
        v.shape[1],
        v.shape[0],
        weight_norm=g is not None,
        mask=mask,
        rng=np.random.default_rng(SEED),
    )
    give(synapse.weight, v, g)
    return synapse


def dense_synapse(x: Array, v: Array, g: Array | None, mask: Array | None) -> Array:
    """The weighted input of a dense synapse."""
    synapse = make_dense(v, g, mask)
    return synapse.forward(arrays.floats("x", x, synapse.axes))


def dense_synapse_backward(
    grad: Array, x: Array, v: Array, g: Array | None, mask: Array | None
) -> tuple[Array, ...]:
    """Its gradients for x, v and g."""
    synapse = make_dense(v, g, mask)
    synapse.forward(x)
    return synapse.backward(grad), *gradients(synapse.weight)


def input_synapse(x: Array, weight: float | None, bias: float | None) -> Array:
    """The weighted input of an input layer."""
    return Scalar(weight, bias).forward(arrays.floats("x", x))


def input_synapse_backward(
    grad: Array, x: Array, weight: float | None, bias: float | None
) -> tuple[Any, ...]:
    """Its gradients for x, weight and bias."""
    synapse = Scalar(weight, bias)
    synapse.forward(x)
    return synapse.backward(grad), gradient(synapse.weight), gradient(synapse.bias)


def gradient(parameter: Parameter | None) -> Array:
    """The gradient of a parameter, empty where there is none."""
    return NONE if parameter is None or parameter.grad is None else parameter.grad


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
    z: Array,
    a: Array,
    knots: Any,
    slopes: Any,
    num_centers: int,
    low: float,
    high: float,
    alpha: float,
    eps: float,
) -> tuple[Any, ...]:
    """The curve a sampler fits."""
    sampler = AnnSampler(num_centers, (low, high), eps)
    sampler.alpha = alpha
    sampler.curve = None if knots is None else fit.Curve(knots, slopes)
    if len(z) or len(a):
        sampler.append(a[:, None], z[:, None])
    sampler.fit()
    return sampler.centers, sampler.slopes


def curve_backward(grad: Array, z: Array, knots: Array, slopes: Array) -> Array:
    """The gradient through a sampler's curve."""
    sampler = AnnSampler()
    sampler.curve = fit.Curve(knots, slopes)
    sampler.forward(z)
    return sampler.backward(grad)


def dropout_forward(x: Array, kept: Array, p: float, training: bool) -> Array:
    """Dropout with known draws."""
    return Dropout(p, Replay(kept=kept)).forward(x, bool(training))


def dropout_backward(grad: Array, kept: Array, p: float) -> Array:
    """Its gradient."""
    dropout = Dropout(p, Replay(kept=kept))
    dropout.forward(grad, True)
    return dropout.backward(grad)


def flatten(x: Array) -> Array:
    """Flatten."""
    return block.Flatten().forward(x)


def hold(x: Array, steps: int, spiking: bool) -> Array:
    """What a network makes of a still input."""
    network = Network([block.Flatten()], (x.shape[1],), steps)
    return network.forward(x, LayerMode(0, Mode.SNN if spiking else Mode.ANN))


def schedule(
    samples: int,
    period: int,
    crossover: Array,
    layers: int,
    epochs: Array,
    iterations: Array,
    train: Array,
) -> Array:
    """The modes a scheduler gives."""
    scheduler = Scheduler(samples, period, crossover.tolist())
    asked = zip(epochs.tolist(), iterations.tolist(), train.tolist(), strict=True)
    modes = [
        scheduler.mode(epoch, iteration, bool(training)) for epoch, iteration, training in asked
    ]
    return np.array([[mode.of(layer).value for layer in range(layers)] for mode in modes])


def predict(logits: Array) -> Array:
    """The predicted classes."""
    return logits.argmax(axis=1)


def initial_weight(uniform: Array, weight_scale: float) -> tuple[Array, Array]:
    """A weight as it is drawn."""
    weight = Weight(uniform.shape, weight_scale, True, None, None, Replay(uniform=uniform))
    assert weight.g is not None
    return weight.v.data, weight.g.data


def load_curve(knots: Array, slopes: Array) -> tuple[Array, ...]:
    """A stored curve, checked."""
    return tuple(base.checked_curve(knots, slopes))
