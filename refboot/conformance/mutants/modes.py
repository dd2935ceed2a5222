"""Mistakes in modes, schedule, dropout and training."""

from __future__ import annotations

from typing import Any

import numpy as np

from refboot.conformance.definition import layers, rates, synapses, trace
from refboot.conformance.definition.layers import Cell
from refboot.conformance.mutants.mutant import Mutant
from refboot.reference import modes, training
from refboot.reference.modes import Mode

Array = np.ndarray
spikes, weights, dense_sample = layers.spikes, trace.Net.weights, layers.dense_sample
base_mode, layer_mode = modes.base_mode, modes.layer_mode
cross_entropy_forward, cross_entropy_backward = (
    training.cross_entropy_forward,
    training.cross_entropy_backward,
)
sgd_step, adam_step, initial_weight = training.sgd_step, training.adam_step, synapses.initial_weight


def mask_per_step(x: Array, kept: Array, p: float, training: bool) -> Array:
    """A mask that moves on by one neuron at each step."""
    masks = np.stack([np.roll(kept, t, axis=1) for t in range(x.shape[-1])], axis=-1)
    return x * masks * rates.survivor_scale(p) if training else x


def unscaled(x: Array, kept: Array, p: float, training: bool) -> Array:
    """Survivors as they are."""
    return x * kept[..., None] if training else x


def other_mask(x: Array, kept: Array, p: float, training: bool) -> Array:
    """The dropped kept and the kept dropped."""
    return x * ((1 - kept) * rates.survivor_scale(p))[..., None] if training else x


def always_drops(x: Array, kept: Array, p: float, training: bool) -> Array:
    """Dropout in evaluation, too."""
    return x * (kept * rates.survivor_scale(p))[..., None]


def delayed_anyway(
    z: Array, of: Cell, shift: bool, kept: Array | None = None, p: float = 0
) -> tuple[Array, layers.Backward]:
    """The delay shift whether asked for or not."""
    return spikes(z, of, True, kept, p)


def never_delayed(
    z: Array, of: Cell, shift: bool, kept: Array | None = None, p: float = 0
) -> tuple[Array, layers.Backward]:
    """No delay shift."""
    return spikes(z, of, False, kept, p)


def samples_output(
    x: Array, v: Array, g: Array | None, *neuron_and_rest: object
) -> tuple[Array, ...]:
    """Points of what leaves the block: after dropout and delay."""
    y, z_mean, _ = dense_sample(x, v, g, *neuron_and_rest)  # type: ignore[arg-type]
    return y, z_mean, y.mean(axis=-1).ravel()


def stale_weights(self: trace.Net, i: int) -> list[Array]:
    """Dense weights as they were when first used: the norm is never taken again."""
    known = self.__dict__.setdefault("known", {})
    if i not in known:
        known[i] = [p.copy() for p in weights(self, i)]
    return weights(self, i) if i == 0 else known[i]


def fit_one_early(epoch: int, iteration: int, *rest: Any) -> Mode:
    """FIT in place of the last SAMPLE."""
    return base_mode(epoch, iteration + 1, *rest)


def samples_once_more(epoch: int, iteration: int, *rest: Any) -> Mode:
    """One more SAMPLE before FIT."""
    return base_mode(epoch, max(iteration - 1, 0), *rest)


def never_fits(*asked: Any) -> Mode:
    """ANN where FIT should be."""
    found = base_mode(*asked)
    return Mode.ANN if found is Mode.FIT else found


def periods_from_one(epoch: int, iteration: int, train: bool, samples: int, period: int) -> Mode:
    """Sampling in epochs 1, 1 + period, ..."""
    return base_mode(epoch + period - 1, iteration, train, samples, period)


def evaluates_as_ann(epoch: int, iteration: int, train: bool, *plan: Any) -> Mode:
    """Evaluation never spikes."""
    return base_mode(epoch, iteration, train, *plan) if train else Mode.ANN


def evaluates_as_snn(epoch: int, iteration: int, train: bool, *plan: Any) -> Mode:
    """Evaluation always spikes."""
    return base_mode(epoch, iteration, train, *plan) if train else Mode.SNN


def crossover_before_sample(layer: int, base: Mode, crossover: int) -> Mode:
    """Crossed layers are SNN, not SAMPLE, while the others sample."""
    return Mode.SNN if layer < crossover else base


def crossover_from_output(layer: int, base: Mode, crossover: int) -> Mode:
    """The last layers cross over first."""
    return layer_mode(3 - layer, base, crossover)


def counts_repeats(samples: int, period: int, marks: Array, layers: int, *asked: Array) -> Array:
    """The crossover grows whenever it is asked for."""
    crossed, found = 0, []
    for epoch, iteration, train in zip(*(a.tolist() for a in asked), strict=True):
        crossed += epoch in marks
        base = base_mode(epoch, iteration, bool(train), samples, period)
        found.append([layer_mode(layer, base, crossed).value for layer in range(layers)])
    return np.array(found)


def summed(logits: Array, labels: Array) -> tuple[float, Array]:
    """The sum of the losses, not their mean."""
    value, softmax = cross_entropy_forward(logits, labels)
    return value * len(labels), softmax


def naive(logits: Array, labels: Array) -> tuple[float, Array]:
    """Exponentials without the largest taken off first, in float32."""
    with np.errstate(all="ignore"):
        exps = np.exp(logits.astype(np.float32))
        softmax = exps / exps.sum(axis=1, keepdims=True)
        return float(-np.log(softmax[np.arange(len(labels)), labels]).mean()), softmax


def adam_biased(
    p: Array,
    grad: Array,
    m: Array,
    v: Array,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    """Moments not corrected for their start."""
    adam_step(p, grad, m, v, 10**6, lr, beta1, beta2, eps)


def adam_eps_inside(
    p: Array,
    grad: Array,
    m: Array,
    v: Array,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    """eps under the root."""
    m[...] = beta1 * m + (1 - beta1) * grad
    v[...] = beta2 * v + (1 - beta2) * grad * grad
    p -= lr / (1 - beta1**step) * m / np.sqrt(v / (1 - beta2**step) + eps)


def adam_subnormal(
    p: Array,
    grad: Array,
    m: Array,
    v: Array,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    """Moments that may shrink below the smallest normal number."""
    moments = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad * grad
    adam_step(p, grad, m, v, step, lr, beta1, beta2, eps)
    m[...], v[...] = moments


def adam_swapped(
    p: Array,
    grad: Array,
    m: Array,
    v: Array,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    """The decay rates of the moments swapped."""
    adam_step(p, grad, m, v, step, lr, beta2, beta1, eps)


def sgd_damped(p: Array, grad: Array, velocity: Array, lr: float, momentum: float) -> None:
    """The gradient times 1 - momentum."""
    sgd_step(p, ((1 - momentum) * grad).astype(p.dtype), velocity, lr, momentum)


def sgd_nesterov(p: Array, grad: Array, velocity: Array, lr: float, momentum: float) -> None:
    """The step looks ahead."""
    velocity[...] = momentum * velocity + grad
    p -= lr * (grad + momentum * velocity)


def sgd_forgetful(p: Array, grad: Array, velocity: Array, lr: float, momentum: float) -> None:
    """The right step, but the velocity stays as it was."""
    sgd_step(p, grad, velocity.copy(), lr, momentum)


def adam_forgetful(p: Array, grad: Array, m: Array, v: Array, step: int, *rates: float) -> None:
    """The right step, but v stays as it was."""
    adam_step(p, grad, m, v.copy(), step, *rates)  # type: ignore[arg-type]


def fan_out(uniform: Array, weight_scale: float) -> tuple[Array, Array]:
    """The bound taken from the number of outputs."""
    v, g = initial_weight(uniform, weight_scale)
    factor = np.sqrt(uniform.shape[1] / uniform.shape[0])
    return v * factor, g * factor


MUTANTS = [
    Mutant(
        "dropout mask per step",
        "NRM-9",
        "the mask is not held over time",
        {"dropout_forward": mask_per_step},
    ),
    Mutant(
        "dropout not scaled",
        "NRM-10",
        "survivors are not multiplied by 1 / (1 - p)",
        {"dropout_forward": unscaled},
    ),
    Mutant(
        "dropout mask inverted", "NRM-9", "the kept are dropped", {"dropout_forward": other_mask}
    ),
    Mutant(
        "dropout in evaluation",
        "NRM-10",
        "dropout acts outside training",
        {"dropout_forward": always_drops},
    ),
    Mutant(
        "delay shift always",
        "MOD-7",
        "spikes are delayed though not asked for",
        {"spikes": delayed_anyway},
    ),
    Mutant("delay shift never", "MOD-7", "spikes are not delayed", {"spikes": never_delayed}),
    Mutant(
        "delay shift wraps round",
        "MOD-7",
        "the last step comes first",
        {"delay_forward": lambda x: np.roll(x, 1, axis=-1)},
    ),
    Mutant(
        "delay shift to earlier",
        "MOD-7",
        "spikes come one step early",
        {"delay_forward": modes.delay_backward},
    ),
    Mutant(
        "sampled after dropout and delay",
        "SAM-1",
        "points of what leaves the block",
        {"dense_sample": samples_output},
    ),
    Mutant(
        "stale weight norm",
        "SYN-4",
        "weights are not computed anew from v and g",
        {"Net.weights": stale_weights},
    ),
    Mutant(
        "bridge sums",
        "MOD-12",
        "the sum over time in place of the mean",
        {"mean_rate_forward": lambda x: x.sum(axis=-1, keepdims=True)},
    ),
    Mutant(
        "bridge takes the last step",
        "MOD-12",
        "the last step in place of the mean",
        {"mean_rate_forward": lambda x: x[..., -1:]},
    ),
    Mutant(
        "flatten by column",
        "MOD-6",
        "column-major order",
        {"flatten": lambda x: x.transpose(0, 3, 2, 1, 4).reshape(len(x), -1, x.shape[-1])},
    ),
    Mutant(
        "still input for one step",
        "MOD-13",
        "an input that is not held",
        {
            "hold": lambda x, steps, spiking: (
                x[..., None] * (np.arange(steps if spiking else 1) == 0)
            )
        },
    ),
    Mutant(
        "rates held",
        "MOD-13",
        "rate modes run all steps",
        {"hold": lambda x, steps, spiking: np.repeat(x[..., None], steps, axis=-1)},
    ),
    Mutant(
        "fit one iteration early",
        "MOD-8",
        "FIT takes the place of the last SAMPLE",
        {"base_mode": fit_one_early},
    ),
    Mutant(
        "fit one iteration late", "MOD-8", "one SAMPLE too many", {"base_mode": samples_once_more}
    ),
    Mutant("no fit", "MOD-8", "ANN where FIT should be", {"base_mode": never_fits}),
    Mutant(
        "periods counted from one",
        "MOD-8",
        "sampling starts in epoch 1",
        {"base_mode": periods_from_one},
    ),
    Mutant(
        "evaluation always ANN", "MOD-9", "never evaluated as SNN", {"base_mode": evaluates_as_ann}
    ),
    Mutant(
        "evaluation always SNN", "MOD-9", "never evaluated as ANN", {"base_mode": evaluates_as_snn}
    ),
    Mutant(
        "crossed layers do not sample",
        "MOD-10",
        "SNN for the first layers in SAMPLE",
        {"layer_mode": crossover_before_sample},
    ),
    Mutant(
        "crossover from the output",
        "MOD-10",
        "the last layers spike first",
        {"layer_mode": crossover_from_output},
    ),
    Mutant(
        "crossover one epoch late",
        "MOD-11",
        "counted where epoch > landmark",
        {"crossover": lambda epoch, marks: sum(e < epoch for e in marks)},
    ),
    Mutant(
        "crossover grows when asked",
        "MOD-11",
        "asking twice counts twice",
        {"schedule": counts_repeats},
    ),
    Mutant(
        "loss summed",
        "TRN-1",
        "the sum over samples, not the mean",
        {"cross_entropy_forward": summed},
    ),
    Mutant(
        "loss overflows",
        "TRN-1",
        "exponentials of the logits as they are",
        {"cross_entropy_forward": naive},
    ),
    Mutant(
        "loss gradient summed",
        "TRN-2",
        "not divided by the number of samples",
        {"cross_entropy_backward": lambda s, y: cross_entropy_backward(s, y) * len(y)},
    ),
    Mutant(
        "last of equals predicted",
        "TRN-13",
        "the last of the largest logits",
        {"predict": lambda x: x.shape[1] - 1 - x[:, ::-1].argmax(axis=1)},
    ),
    Mutant(
        "Adam without bias correction",
        "TRN-4",
        "moments not divided by 1 - beta^t",
        {"adam_step": adam_biased},
    ),
    Mutant("Adam's eps under the root", "TRN-4", "sqrt(v + eps)", {"adam_step": adam_eps_inside}),
    Mutant(
        "Adam's betas swapped", "TRN-4", "beta1 for v and beta2 for m", {"adam_step": adam_swapped}
    ),
    Mutant(
        "Adam's moments subnormal",
        "TRN-4",
        "moments below 2^-126 are kept",
        {"adam_step": adam_subnormal},
    ),
    Mutant("momentum damped", "TRN-5", "the gradient times 1 - momentum", {"sgd_step": sgd_damped}),
    Mutant("momentum of Nesterov", "TRN-5", "the step looks ahead", {"sgd_step": sgd_nesterov}),
    Mutant(
        "velocity never updated",
        "TRN-5",
        "the new velocity is not stored",
        {"sgd_step": sgd_forgetful},
    ),
    Mutant(
        "Adam's v never updated", "TRN-4", "the new v is not stored", {"adam_step": adam_forgetful}
    ),
    Mutant(
        "initial weights by fan-out",
        "TRN-7",
        "the bound from the number of outputs",
        {"initial_weight": fan_out},
    ),
]
