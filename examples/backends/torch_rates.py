"""Sampling, fit, curve, schedule, loss and optimisers over PyTorch, from chapters 5 to 7, 10 and
11.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch_ops import Refused, leaf, pull, single, tensor


class Curve(torch.autograd.Function):
    """ACT-2 and ACT-3 in float32, and ACT-4 going back."""

    @staticmethod
    def forward(ctx, z, knots, slopes, scale, eps):
        edges, rates = knots.to(z.dtype).T.contiguous()
        piece = torch.searchsorted(edges, z.contiguous()) - 1  # k[i] < z <= k[i+1]
        inside = (piece >= 0) & (piece < len(slopes))
        i = piece.clamp(0, len(slopes) - 1)
        slope = slopes.to(z.dtype)[i]
        ctx.save_for_backward(torch.where(inside, slope, 0))
        ctx.numbers = torch.tensor(scale, dtype=z.dtype), torch.tensor(eps, dtype=z.dtype)
        return torch.where(
            inside, rates[i] + slope * (z - edges[i]), torch.where(piece < 0, 0, rates[-1])
        )

    @staticmethod
    def backward(ctx, grad):
        (slope,), (scale, eps) = ctx.saved_tensors, ctx.numbers
        return grad * (slope * scale + eps), None, None, None, None


def curve(
    z: Tensor, knots: Tensor, slopes: Tensor, scale: float | None = None, eps: float = 1e-5
) -> Tensor:
    """The curve in float32, with the scale of ACT-5 unless another is given."""
    last = knots[-1]
    scale = (float(last[0] / last[1]) if last[0] > 0 else 1.0) if scale is None else scale
    return Curve.apply(
        z.to(torch.float32), knots.to(torch.float32), slopes.to(torch.float32), scale, eps
    )


def pwl_forward(z, knots, slopes):
    return single(curve(tensor(z), tensor(knots), tensor(slopes)))


def pwl_backward(grad, z, knots, slopes, scale, eps):
    z = torch.tensor(z, requires_grad=True)
    return pull(curve(z, tensor(knots), tensor(slopes), scale, eps), grad, z)[0]


def curve_backward(grad, z, knots, slopes):
    z = torch.tensor(z, requires_grad=True)
    return pull(curve(z, tensor(knots), tensor(slopes)), grad, z)[0]


def sample_points(z, s):
    return single(tensor(z).mean(-1).flatten()), single(tensor(s).mean(-1).flatten())


def keep_newest(z, capacity):
    if capacity < 1:
        raise Refused("range")
    return z[-capacity:]


def keep_half(z, permutation):
    kept = torch.ones(len(z), dtype=torch.bool)
    kept[tensor(permutation)[: len(z) // 2]] = False
    return z[kept.numpy()]


def saturation(a, high):
    a = tensor(a)
    if not len(a) or a.max() <= 0:
        return 0.8
    above = a[a > high * a.max()]
    return max(float(above.mean() if len(above) else a.max()), 0.8)


def median(x: Tensor) -> float:
    """FIT-5: of an even number the mean of the two in the middle."""
    ordered, n = x.sort().values, len(x)
    return float(ordered[(n - 1) // 2] + ordered[n // 2]) / 2


def band_medians(z, a, levels):
    z, a, found = tensor(z), tensor(a), np.full((len(levels) - 1, 2), np.nan)
    for i in range(len(found)):
        inside = (a > levels[i]) & (a <= levels[i + 1])
        if inside.any():
            found[i] = median(z[inside]), median(a[inside])
    return found


def fit_curve(z, a, knots, slopes, num_centers=5, low=0.1, high=0.9, alpha=0.1, eps=1e-5):
    if num_centers < 1 or not 0 <= low < high <= 1:
        raise Refused("range")
    if z.shape != a.shape:
        raise Refused("shape")
    if not len(z) and knots is not None:
        return knots, slopes
    top = saturation(a, high)
    levels = np.linspace(low * top, high * top, num_centers + 1)
    centers = []
    for i, new in enumerate(band_medians(z, a, levels)):
        old = [] if knots is None else [k for k in knots if levels[i] < k[1] <= levels[i + 1]]
        if old and not math.isnan(new[0]):
            centers.append(alpha * new + (1 - alpha) * np.mean(old, axis=0))
        elif old or not math.isnan(new[0]):
            centers.append(np.mean(old, axis=0) if old else new)
    return drawn(anchored(rising(centers, eps), top, eps), top)


def rising(centers, eps):
    """FIT-8."""
    pools = []
    for center in centers:
        mean, n = np.asarray(center), 1
        while pools and mean[0] - pools[-1][0][0] <= eps * (mean[1] - pools[-1][0][1]):
            before, m = pools.pop()
            mean, n = (before * m + mean * n) / (m + n), m + n
        pools.append((mean, n))
    return [mean for mean, _ in pools]


def anchored(centers, top, eps):
    """FIT-9."""
    if len(centers) > 1:
        return np.array(centers)
    if not centers:
        return np.array([[0, 0], [min(1.0, top)] * 2])
    z, a = centers[0]
    return np.array([[0.0 if z > eps * a else min(z - a, np.nextafter(z, -np.inf)), 0.0], [z, a]])


def drawn(centers, top):
    """FIT-10."""
    inner = np.diff(centers[:, 1]) / np.diff(centers[:, 0])
    slopes = np.concatenate([inner[:1], inner, inner[-1:]])
    first = centers[0, 0] - centers[0, 1] / slopes[0], 0.0
    last = centers[-1, 0] + (top - centers[-1, 1]) / slopes[-1], top
    return np.vstack([first, centers, last]), slopes


def load_curve(knots, slopes):
    rises = knots.shape == (len(slopes) + 1, 2) and bool(
        (np.diff(knots, axis=0) >= 0).all() and (slopes > 0).all()
    )
    if (
        not rises
        or not np.isfinite(knots).all()
        or not np.isfinite(slopes).all()
        or knots[-1, 1] <= 0
    ):
        raise Refused("format")
    return knots, slopes


def schedule(num_sample_iter, sample_period, crossover_epochs, layers, epochs, iterations, train):
    whole = all(isinstance(n, int) for n in (num_sample_iter, sample_period))
    if not whole:
        raise Refused("dtype")
    if (
        sample_period < 1
        or num_sample_iter < 0
        or min([*crossover_epochs, *epochs, *iterations]) < 0
    ):
        raise Refused("range")
    rows = []
    for epoch, iteration, training in zip(epochs, iterations, train, strict=True):
        sampling = epoch % sample_period == 0
        base = (
            (2 if iteration < num_sample_iter else 3 if iteration == num_sample_iter else 1)
            if training and sampling
            else 1
        )
        base = 0 if sampling and not training else base
        crossed = 0 if base == 2 else sum(e <= epoch for e in set(crossover_epochs.tolist()))
        rows.append([0 if layer < crossed else base for layer in range(layers)])
    return np.array(rows)


def cross_entropy_forward(logits, labels):
    logits = tensor(logits)
    return functional.cross_entropy(logits, tensor(labels)).item(), single(logits.softmax(1))


def cross_entropy_backward(softmax, labels):
    return single(
        (tensor(softmax) - functional.one_hot(tensor(labels), softmax.shape[1])) / len(labels)
    )


def cross_entropy(logits, labels):
    if labels.dtype.kind != "i":
        raise Refused("dtype")
    if labels.shape != logits.shape[:1]:
        raise Refused("shape")
    if not np.isfinite(logits).all() or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise Refused("range")
    x = leaf(logits)
    loss = functional.cross_entropy(x, tensor(labels))
    return loss.item(), pull(loss, 1.0, x)[0]


def predict(logits):
    x = tensor(logits)
    places = torch.arange(x.shape[1]).expand_as(x)
    return torch.where(x == x.amax(1, keepdim=True), places, x.shape[1]).amin(1).numpy()


def initial_weight(uniform, weight_scale):
    v = weight_scale * tensor(uniform) / math.sqrt(uniform.shape[1])
    return single(v), single(v.norm(dim=1))


def sgd_step(p, grad, velocity, lr, momentum):
    p, grad, velocity = (torch.from_numpy(a) for a in (p, grad, velocity))
    velocity.mul_(torch.tensor(momentum, dtype=p.dtype)).add_(grad)
    p.sub_(velocity * torch.tensor(lr, dtype=p.dtype))


def adam_step(p, grad, m, v, step, lr, beta1, beta2, eps):
    parameter = torch.from_numpy(p)
    parameter.grad = torch.from_numpy(grad).clone()
    rule = torch.optim.Adam([parameter], lr, (beta1, beta2), eps)
    rule.state[parameter] = {
        "step": torch.tensor(float(step - 1)),
        "exp_avg": torch.from_numpy(m),
        "exp_avg_sq": torch.from_numpy(v),
    }
    rule.step()
    for moment in (m, v):
        moment[np.abs(moment) < np.finfo(np.float32).tiny] = 0  # which PyTorch does not do
