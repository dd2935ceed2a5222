"""lava-dl as a backend: what of the algorithm it offers, asked by its public names. Runs where
lava-dl can be imported.

    refboot verify examples/backends/lava_dl_backend.py --expected-failures
    examples/backends/lava_dl_expected_failures.txt

Differences that the spec makes on purpose are in the list of expected failures, each with its
clause.
"""

from __future__ import annotations

import numpy as np
import torch
from lava.lib.dl import slayer
from lava.lib.dl.bootstrap import block
from lava.lib.dl.bootstrap.ann_sampler import AnnSampler
from lava.lib.dl.bootstrap.routine import Mode, Scheduler
from lava.lib.dl.slayer.neuron.dynamics import leaky_integrator

NOTHING = np.zeros(0, np.float32)
ONE = 1 << 12
NEURON = {"threshold": 1.0, "current_decay": 0.5, "voltage_decay": 0.5}
quantised = slayer.neuron.cuba.Neuron(**NEURON).quantize_8bit


def tensor(x) -> torch.Tensor:
    """A float32 tensor."""
    return torch.tensor(np.asarray(x), dtype=torch.float32)


def leaf(x) -> torch.Tensor:
    """A float32 tensor with a gradient."""
    return tensor(x).requires_grad_()


def array(x) -> np.ndarray:
    """A tensor's numbers, an empty array for None."""
    return NOTHING if x is None else x.detach().numpy()


def pull(y, grad, x):
    """The gradient of x."""
    y.backward(tensor(grad))
    return array(x.grad)


def quantize_8bit(x):
    return array(quantised(tensor(x)))


def quantize_8bit_backward(grad, x):
    x = leaf(x)
    return pull(quantised(x), grad, x)


def threshold_mantissa(threshold):
    return slayer.neuron.cuba.Neuron(**(NEURON | {"threshold": threshold})).v_th_mant


def decay_mantissa(decay):
    neuron = slayer.neuron.cuba.Neuron(**NEURON)
    neuron.current_decay.data = tensor(decay)
    return neuron.cx_current_decay


def leaky_forward(drive, decay, state, threshold=None):
    limit = None if threshold is None else threshold / ONE + 0.01 / ONE
    y = leaky_integrator.dynamics(
        tensor(drive / ONE), tensor(decay), tensor(state / ONE), ONE, limit
    )
    last = (
        y[..., -1]
        if limit is None
        else leaky_integrator.persistent_state(y[..., -1], y[..., -1] >= limit)
    )
    return tuple(np.rint(array(a).astype(np.float64) * ONE).astype(np.int64) for a in (y, last))


def leaky_backward(grad, decay):
    x = leaf(np.zeros(grad.shape))
    return pull(
        leaky_integrator.dynamics(x, tensor(decay), torch.zeros(grad.shape[:-1]), ONE), grad, x
    )


def fired(voltage, threshold, graded, tau=1.0, scale=1.0):
    """Spikes of a real voltage."""
    return slayer.spike.Spike.apply(voltage, threshold, tau, scale, graded, 0, 1)


def spike_forward(voltage, threshold):
    return array(fired(tensor(voltage / ONE), threshold / ONE + 0.01 / ONE, False))


def graded_forward(voltage, threshold):
    return array(fired(tensor(voltage / ONE), threshold / ONE + 0.01 / ONE, True))


def spike_backward(grad, voltage, threshold, tau, scale):
    v = leaf(voltage)
    return pull(fired(v, threshold, False, tau, scale), grad, v)


def graded_backward(grad, voltage, threshold, tau, scale):
    v = leaf(voltage)
    return pull(fired(v, threshold, True, tau, scale), grad, v)


def make_neuron(threshold, current_decay, voltage_decay, **options):
    """A CUBA neuron."""
    return slayer.neuron.cuba.Neuron(threshold, current_decay, voltage_decay, **options)


def neuron_forward(z, threshold, current_decay, voltage_decay, graded, calls):
    neuron = make_neuron(
        threshold, current_decay, voltage_decay, graded_spike=bool(graded), persistent_state=True
    )
    return np.concatenate(
        [array(neuron(tensor(piece))) for piece in np.split(z, calls, axis=-1)], axis=-1
    )


def cuba_forward(z, i_decay, v_decay, threshold, u, v):
    neuron = make_neuron(threshold / ONE, 0.5, 0.5, persistent_state=True)
    neuron.current_decay.data, neuron.voltage_decay.data = tensor(i_decay), tensor(v_decay)
    neuron.current_state, neuron.voltage_state = tensor(u / ONE), tensor(v / ONE)
    _, voltage = neuron.dynamics(tensor(z))
    s = neuron.spike(voltage)
    last = (
        np.rint(array(a).astype(np.float64) * ONE).astype(np.int64)
        for a in (neuron.current_state, neuron.voltage_state)
    )
    return array(s), array(voltage), *last


def neuron_backward(grad, z, threshold, current_decay, voltage_decay, tau_grad, scale_grad, graded):
    options = {
        "tau_grad": tau_grad,
        "scale_grad": scale_grad,
        "graded_spike": bool(graded),
        "requires_grad": True,
    }
    neuron, x = make_neuron(threshold, current_decay, voltage_decay, **options), leaf(z)
    return (
        pull(neuron(x), grad, x),
        array(neuron.current_decay.grad),
        array(neuron.voltage_decay.grad),
    )


def give(synapse, v, g):
    """Put weights into a synapse."""
    shape = (*v.shape, *[1] * (5 - v.ndim))
    if g is None:
        synapse.weight.data = tensor(v).reshape(shape)
    else:
        synapse.weight_v.data = tensor(v).reshape(shape)
        synapse.weight_g.data = tensor(g).reshape(-1, 1, 1, 1, 1)
    return synapse


def taken(synapse, g):
    """The gradients of v and g."""
    if g is None:
        return array(synapse.weight.grad)[..., 0, 0, 0], NOTHING
    return array(synapse.weight_v.grad)[..., 0, 0, 0], array(synapse.weight_g.grad).ravel()


def unmasked(mask):
    """A synapse alone has no mask."""
    if mask is not None:
        raise NotImplementedError("a mask")


def dense(v, g):
    """A dense synapse."""
    return give(
        slayer.synapse.Dense(
            v.shape[1], v.shape[0], weight_norm=g is not None, pre_hook_fx=quantised
        ),
        v,
        g,
    )


def dense_synapse(x, v, g, mask):
    unmasked(mask)
    return array(dense(v, g)(tensor(x)))


def dense_synapse_backward(grad, x, v, g, mask):
    unmasked(mask)
    synapse, x = dense(v, g), leaf(x)
    return pull(synapse(x), grad, x), *taken(synapse, g)


def conv_synapse(x, v, stride, padding, dilation, groups):
    shape = v.shape[1] * groups, len(v), v.shape[2:], stride, padding, dilation, groups
    return array(
        give(slayer.synapse.Conv(*shape, pre_hook_fx=quantised), v[..., None], None)(tensor(x))
    )


def pool_synapse(x, kernel, weight_scale):
    synapse = slayer.synapse.Pool(kernel, weight_scale=1, pre_hook_fx=quantised)
    synapse.weight.data[...] = weight_scale
    return array(synapse(tensor(x)))


def batch_norm(x, running_mean, running_var, momentum, scaled, training):
    kind = slayer.neuron.norm.WgtScaleBatchNorm if scaled else slayer.neuron.norm.MeanOnlyBatchNorm
    norm = kind(x.shape[1], momentum, pre_hook_fx=quantised).train(bool(training))
    norm.running_mean = tensor(running_mean)
    if scaled:
        norm.running_var = tensor(running_var)
    y = norm(tensor(x))
    return (
        array(y),
        array(norm.running_mean),
        array(norm.running_var).reshape(1) if scaled else running_var,
    )


def sample_points(z, s):
    sampler = AnnSampler()
    sampler.append(tensor(s), tensor(z))
    return sampler.z, sampler.a


def sampler_of(knots, slopes):
    """A sampler with a curve."""
    sampler = AnnSampler()
    if knots is not None:
        sampler.centers, sampler.slopes, sampler.max = knots, slopes, knots[-1, 1]
    return sampler


def fit_curve(z, a, knots, slopes, num_centers=5, low=0.1, high=0.9, alpha=0.1, eps=1e-5):
    sampler = sampler_of(knots, slopes)
    sampler.num_centers, sampler.sample_range, sampler.alpha = num_centers, [low, high], alpha
    sampler.z, sampler.a = z.astype(np.float64), a.astype(np.float64)
    sampler.fit()
    return sampler.centers, sampler.slopes


def pwl_forward(z, knots, slopes):
    return array(sampler_of(knots, slopes).forward(tensor(z)))


def curve_backward(grad, z, knots, slopes):
    z = leaf(z)
    return pull(sampler_of(knots, slopes).forward(z), grad, z)


def delay_forward(x):
    return array(slayer.axon.delay(tensor(x), 1))


def schedule(num_sample_iter, sample_period, crossover_epochs, layers, epochs, iterations, train):
    scheduler = Scheduler(num_sample_iter, sample_period, crossover_epochs.tolist())
    rows = []
    for epoch, iteration, training in zip(
        epochs.tolist(), iterations.tolist(), train.tolist(), strict=True
    ):
        modes = iter(scheduler.mode(epoch, iteration, bool(training)))
        rows.append([next(modes).value for _ in range(layers)])
    return np.array(rows)


def ran(layer, mode, x, grad, knots, slopes, delay_shift):
    """Output and input gradient of a block."""
    layer.delay_shift = bool(delay_shift)
    layer.f = sampler_of(knots, slopes)
    x = leaf(x)
    y = layer(x, mode=Mode[mode])
    return array(y), pull(y, grad, x)


def params(threshold, current_decay, voltage_decay):
    """The parameters of a block's neuron."""
    return {"threshold": threshold, "current_decay": current_decay, "voltage_decay": voltage_decay}


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
    if kept is not None:
        raise NotImplementedError("a mask of dropout cannot be given")
    layer = block.cuba.Dense(
        params(threshold, current_decay, voltage_decay), *v.shape[::-1], weight_norm=g is not None
    )
    give(layer.synapse, v, g)
    return *ran(layer, mode, x, grad, knots, slopes, delay_shift), *taken(layer.synapse, g)


def affine_block(mode, x, grad, v, g):
    layer = block.cuba.Affine(NEURON, *v.shape[::-1], weight_norm=g is not None)
    give(layer.synapse, v, g)
    return *ran(layer, mode, x, grad, None, None, False), *taken(layer.synapse, g)


def input_block(
    mode, x, grad, weight, bias, knots, slopes, threshold, current_decay, voltage_decay, delay_shift
):
    layer = block.cuba.Input(
        params(threshold, current_decay, voltage_decay), weight=weight, bias=bias
    )
    y, gx = ran(layer, mode, x, grad, knots, slopes, delay_shift)
    return (
        y,
        gx,
        *(NOTHING if p is None else array(p.grad).reshape(1) for p in (layer.weight, layer.bias)),
    )
