"""Synapses, convolutions and norms over PyTorch, from chapters 4 and 9."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch_ops import (
    Quantise,
    Refused,
    checked,
    decay_mantissa,
    leaf,
    leaky,
    pull,
    quantize_8bit,
    single,
    tensor,
    threshold_mantissa,
)


def dense_forward(x, weight):
    return single(tensor(weight) @ tensor(x))


def dense_backward(grad, x, weight):
    x, weight = leaf(x), leaf(weight)
    return pull(weight @ x, grad, x, weight)


def input_forward(x, weight, bias):
    x, weight, bias = (torch.as_tensor(a) for a in (x, weight, bias))
    return single(x * weight + bias)


def input_backward(grad, x, weight):
    x, weight, bias = leaf(x), leaf(weight), leaf(np.zeros(1))
    return pull(x * weight + bias, grad, x, weight, bias)


def full_weight(v: Tensor, g: Tensor | None, mask=None) -> Tensor:
    """SYN-5, and the mask of SYN-4."""
    w = v
    if g is not None:
        square = (v * v).flatten(1).sum(dim=1)
        length = torch.where(square > 0, square, 1).sqrt()  # a row of zeros has no direction
        factor = torch.where(square > 0, g / length, 0 * g)
        w = v * factor.reshape(-1, *[1] * (v.ndim - 1))
    return w if mask is None else w * tensor(mask)


def weight_norm_forward(v, g):
    return single(full_weight(tensor(v), tensor(g)))


def weight_norm_backward(grad, v, g):
    v, g = leaf(v), leaf(g)
    return pull(full_weight(v, g), grad, v, g)


def convolved(x: Tensor, weight: Tensor, stride, padding, dilation, groups: int) -> Tensor:
    """SYN-7: each step is a picture of its own."""
    n, _, height, width, steps = x.shape
    pictures = x.permute(0, 4, 1, 2, 3).reshape(n * steps, -1, height, width)
    z = functional.conv2d(
        pictures, weight, None, tuple(stride), tuple(padding), tuple(dilation), groups
    )
    return z.reshape(n, steps, *z.shape[1:]).permute(0, 2, 3, 4, 1)


def conv_forward(x, weight, stride, padding, dilation, groups):
    return single(convolved(tensor(x), tensor(weight), stride, padding, dilation, groups)).copy()


def conv_backward(grad, x, weight, stride, padding, dilation, groups):
    x, weight = leaf(x), leaf(weight)
    return pull(convolved(x, weight, stride, padding, dilation, groups), grad, x, weight)


def conv_synapse(x, v, stride, padding, dilation, groups):
    if x.shape[1] % groups or len(v) % groups:
        raise Refused("range")
    reach = [dilation[k] * (v.shape[2 + k] - 1) + 1 - 2 * padding[k] for k in range(2)]
    if x.shape[1] != v.shape[1] * groups or reach[0] > x.shape[2] or reach[1] > x.shape[3]:
        raise Refused("shape")
    return conv_forward(x, quantize_8bit(v), stride, padding, dilation, groups)


def pooled(x: Tensor, weight: Tensor, stride, padding, dilation) -> Tensor:
    """SYN-10: zeros up to whole windows, then each channel alone."""
    rest = [-x.shape[2 + k] % weight.shape[k] for k in range(2)]
    x = functional.pad(x, (0, 0, 0, rest[1], 0, rest[0]))
    return convolved(
        x, weight.expand(x.shape[1], 1, *weight.shape), stride, padding, dilation, x.shape[1]
    )


def pool_forward(x, weight, stride, padding, dilation):
    return single(pooled(tensor(x), tensor(weight), stride, padding, dilation)).copy()


def pool_backward(grad, weight, size, stride, padding, dilation):
    x = leaf(np.zeros((*grad.shape[:2], *size, grad.shape[-1])))
    return pull(pooled(x, tensor(weight), stride, padding, dilation), grad, x)[0]


def pool_synapse(x, kernel, weight_scale):
    return pool_forward(
        x, quantize_8bit(np.full(kernel, weight_scale, np.float32)), kernel, (0, 0), (1, 1)
    )


def quantised(w: Tensor) -> Tensor:
    """NUM-2 with its gradient."""
    return Quantise.apply(w)


def dense(x: Tensor, v: Tensor, g: Tensor | None, mask=None) -> Tensor:
    """SYN-4."""
    return quantised(full_weight(v, g, mask).to(torch.float32).double()) @ x


def dense_synapse(x, v, g, mask):
    return single(
        dense(checked(x, None, v.shape[1], None), tensor(v), None if g is None else tensor(g), mask)
    )


def dense_synapse_backward(grad, x, v, g, mask):
    x, v, g = leaf(x), leaf(v), None if g is None else leaf(g)
    found = pull(dense(x, v, g, mask), grad, *([x, v] if g is None else [x, v, g]))
    return found if g is not None else (*found, np.zeros(0, np.float32))


def scalar(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """SYN-6."""
    return quantised(x) * (1 if weight is None else quantised(weight)) + (
        0 if bias is None else quantised(bias)
    )


def input_synapse(x, weight, bias):
    return single(
        scalar(
            checked(x),
            *(
                None if a is None else torch.tensor([a], dtype=torch.float64)
                for a in (weight, bias)
            ),
        )
    )


def input_synapse_backward(grad, x, weight, bias):
    x, weight, bias = leaf(x), *(None if a is None else leaf(np.array([a])) for a in (weight, bias))
    there = [a for a in (x, weight, bias) if a is not None]
    found = iter(pull(scalar(*(x, weight, bias)), grad, *there))
    return tuple(np.zeros(0, np.float32) if a is None else next(found) for a in (x, weight, bias))


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """NRM-1, NRM-5: the mean of each channel and the variance of all, rounded to float32."""
    return x.mean(dim=(0, 2)).float().double(), x.var(unbiased=False).reshape(1).float()


def norm_statistics(x):
    return tuple(map(single, statistics(tensor(x))))


def exponent(variance: Tensor) -> Tensor:
    """NRM-6."""
    fraction, power = torch.frexp(
        torch.sqrt(variance.float() + torch.tensor(1e-5, dtype=torch.float32))
    )
    return (power - (fraction == 0.5).int()).clamp(-3, 3)


def norm_exponent(variance):
    return exponent(tensor(variance)).numpy()


def normed(x: Tensor, mean: Tensor, variance: Tensor, scaled: bool) -> Tensor:
    """NRM-3, NRM-5, with the gradient of NRM-4 where the mean comes from x."""
    y = x - quantised(mean).reshape(1, -1, 1)
    return y / 2.0 ** exponent(variance.detach()).double() if scaled else y


def batch_norm(x, running_mean, running_var, momentum, scaled, training):
    x, means, variances = tensor(x), tensor(running_mean), tensor(running_var)
    if not training:
        return single(normed(x, means, variances, scaled)), running_mean, running_var
    (mean, variance), n = statistics(x), x.shape[0] * x.shape[2]
    var_after = (
        (1 - momentum) * variances + momentum * variance * n / (n + 1) if scaled else variances
    )
    return (
        single(normed(x, mean, variance, scaled)),
        single((1 - momentum) * means + momentum * mean),
        single(var_after),
    )


def batch_norm_backward(grad, x, scaled, training):
    x = leaf(x)
    mean, variance = (
        statistics(x) if training else (torch.zeros(x.shape[1]).double(), torch.zeros(1))
    )
    return pull(normed(x, mean, variance, scaled), grad, x)[0]


def normed_sample(x, v, threshold, voltage_decay, scaled):
    mantissa, decay = (
        threshold_mantissa(threshold),
        torch.tensor(decay_mantissa(np.float32([4096 * voltage_decay]))),
    )
    z = dense(tensor(x), tensor(v), None)
    mean, variance = statistics(z)
    drive = torch.trunc(normed(torch.trunc(z * 4096) / 4096, mean, variance, scaled) * 4096).long()
    voltages, _ = leaky(drive, decay, torch.zeros(z.shape[:-1], dtype=torch.int64), 64 * mantissa)
    s = (voltages > 64 * mantissa).double()
    z_mean = normed(z.mean(-1, keepdim=True), mean, variance, scaled)
    return single(s), single(z_mean.flatten()), single(s.mean(-1).flatten())


def exchange_dense(v, g, threshold, current_decay, voltage_decay):
    weight = 64 * quantize_8bit(single(full_weight(tensor(v), None if g is None else tensor(g))))
    if not weight.any():
        raise Refused("format")
    decays = decay_mantissa(np.float32([4096 * current_decay, 4096 * voltage_decay]))
    return weight.astype(np.int64), decays[0], decays[1], threshold_mantissa(threshold)


def exchange_input(weight, bias):
    return tuple((64 * quantize_8bit(np.float32(a))).astype(np.int64) for a in (weight, bias))


def exchange_norm(running_mean):
    return -(64 * quantize_8bit(running_mean)).astype(np.int64)


def input_drive(x, weight, bias):
    return (2 * weight * torch.round(tensor(x) * 32).clamp(-128, 127).long() + 64 * bias).numpy()


def integer_drive(s, weight):
    return 64 * (tensor(weight) @ tensor(s).long()).numpy()
