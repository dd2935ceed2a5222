"""Mistakes in convolution, pooling and norms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refboot import reference
from refboot.conformance.definition import norms
from refboot.conformance.mutants.mutant import Mutant
from refboot.reference import conv, norm, pool

Array = np.ndarray
Pair = tuple[int, int]
conv_forward, conv_backward, pool_forward = conv.conv_forward, conv.conv_backward, pool.pool_forward
statistics, norm_backward = norm.norm_statistics, norm.norm_backward
normed_sample, moved = norms.normed_sample, norms.moved


def flipped(x: Array, weight: Array, *window: object) -> Array:
    """A convolution with its kernel flipped."""
    return conv_forward(x, weight[:, :, ::-1, ::-1], *window)  # type: ignore[arg-type]


def swapped(
    x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """A convolution with height and width of its window's numbers swapped."""
    return conv_forward(x, weight, stride[::-1], padding[::-1], dilation[::-1], groups)


def interleaved(
    x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Groups whose input channels are dealt out one by one."""
    order = np.arange(x.shape[1]).reshape(-1, groups).T.ravel()
    return conv_forward(x[:, order], weight, stride, padding, dilation, groups)


def over_all(
    x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Groups whose output channels all hear the first input channels."""
    first = np.concatenate([x[:, : weight.shape[1]]] * groups, axis=1)
    return conv_forward(first, weight, stride, padding, dilation, groups)


def averaging(x: Array, weight: Array, *window: object) -> Array:
    """Pooling by the mean."""
    return pool_forward(x, weight, *window) / np.float32(weight.size)  # type: ignore[arg-type]


def largest(x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Pooling by the largest."""
    return weight[0, 0] * (pool_forward(x, weight, stride, padding, dilation) > 0)


def rest_dropped(x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Pooling that leaves out what does not fill a window."""
    height, width = (n // k * k for n, k in zip(x.shape[2:4], weight.shape, strict=True))
    return pool_forward(x[:, :, :height, :width], weight, stride, padding, dilation)


def remainder_padded(size: Pair, window: Pair) -> Pair:
    """The size of a picture with as many zeros as its remainder, not as are missing."""
    height, width = (n + n % k for n, k in zip(size, window, strict=True))
    return height, width


def gradient_unpadded(
    grad: Array, x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> tuple[Array, Array]:
    """A convolution's gradient for x shifted by the padding."""
    gx, gw = conv_backward(grad, x, weight, stride, padding, dilation, groups)
    return np.roll(gx, padding, axis=(2, 3)), gw


def unbiased(x: Array) -> tuple[Array, Array]:
    """The variance over n - 1."""
    mean, variance = statistics(x)
    return mean, variance * np.float32(x.size / (x.size - 1))


def around_channels(x: Array) -> tuple[Array, Array]:
    """The variance around the channels' means."""
    mean, _ = statistics(x)
    axes = (0, *range(2, x.ndim))
    return mean, np.array([x.var(axis=axes, dtype=np.float64).mean()], np.float32)


def of_layer(x: Array) -> tuple[Array, Array]:
    """One mean for all channels."""
    mean, variance = statistics(x)
    return np.full_like(mean, x.mean(dtype=np.float64)), variance


def exponent_as(
    whole: Callable[[Array], Array], eps: float = 1e-5, bits: int = 3
) -> Callable[[Array], Array]:
    """Another rule for the exponent."""
    return lambda variance: (
        2.0 ** np.clip(whole(np.log2(np.sqrt(variance.astype(np.float64) + eps))), -bits, bits)
    )


def norm_with_real_mean(x: Array, mean: Array, std: Array) -> Array:
    """The norm with the mean of x itself, unquantised."""
    return original_forward(x, statistics(x)[0], std)


def sampled_before(x: Array, v: Array, *rest: object) -> tuple[Array, Array, Array]:
    """Points with the weighted input before the norm."""
    s, _, a = normed_sample(x, v, *rest)  # type: ignore[arg-type]
    return s, reference.dense_forward(x, reference.quantize_8bit(v)).mean(axis=-1).ravel(), a


original_forward, original_bias = norm.norm_forward, norms.exchange_norm

MUTANTS = [
    Mutant(
        "kernel flipped",
        "SYN-7",
        "a convolution in place of a cross-correlation",
        {"conv_forward": flipped},
    ),
    Mutant(
        "height and width swapped",
        "SYN-7",
        "stride, padding and dilation as (width, height)",
        {"conv_forward": swapped},
    ),
    Mutant(
        "padding forgotten",
        "SYN-7",
        "the picture is not padded",
        {"conv_forward": lambda x, w, s, p, d, g: conv_forward(x, w, s, (0, 0), d, g)},
    ),
    Mutant(
        "dilation forgotten",
        "SYN-7",
        "the kernel is not spread",
        {"conv_forward": lambda x, w, s, p, d, g: conv_forward(x, w, s, p, (1, 1), g)},
    ),
    Mutant(
        "groups interleaved",
        "SYN-9",
        "channels are dealt out to groups one by one",
        {"conv_forward": interleaved},
    ),
    Mutant(
        "groups of the first channels",
        "SYN-9",
        "every group hears the first channels",
        {"conv_forward": over_all},
    ),
    Mutant(
        "pooling by mean", "SYN-10", "the mean in place of the sum", {"pool_forward": averaging}
    ),
    Mutant(
        "pooling by maximum", "SYN-10", "the largest in place of the sum", {"pool_forward": largest}
    ),
    Mutant(
        "pooling drops the rest",
        "SYN-10",
        "incomplete windows are left out",
        {"pool_forward": rest_dropped},
    ),
    Mutant(
        "pooling pads the remainder",
        "SYN-10",
        "H mod K zeros are added, as lava-dl does",
        {"whole_size": remainder_padded},
    ),
    Mutant(
        "convolution gradient shifted",
        "GRD-10",
        "the padding is not taken off",
        {"conv_backward": gradient_unpadded},
    ),
    Mutant("unbiased variance", "NRM-5", "the variance over n - 1", {"norm_statistics": unbiased}),
    Mutant(
        "variance around channel means",
        "NRM-5",
        "not around the mean of the layer",
        {"norm_statistics": around_channels},
    ),
    Mutant(
        "mean of the layer", "NRM-1", "one mean for all channels", {"norm_statistics": of_layer}
    ),
    Mutant(
        "mean unquantised",
        "NRM-1",
        "a mean that no bias can hold",
        {"norm_forward": norm_with_real_mean},
    ),
    Mutant(
        "exponent rounded",
        "NRM-6",
        "the logarithm is rounded, not rounded up",
        {"norm_std": exponent_as(np.rint)},
    ),
    Mutant(
        "exponent rounded down",
        "NRM-6",
        "the logarithm is rounded down",
        {"norm_std": exponent_as(np.floor)},
    ),
    Mutant(
        "exponent without eps",
        "NRM-6",
        "1e-5 is not added",
        {"norm_std": exponent_as(np.ceil, 0.0)},
    ),
    Mutant(
        "exponent of any size",
        "NRM-6",
        "not held within [-3, 3]",
        {"norm_std": exponent_as(np.ceil, bits=99)},
    ),
    Mutant(
        "running momentum swapped",
        "NRM-2",
        "m old + (1 - m) new",
        {"moved": lambda old, new, m: moved(old, new, 1 - m)},
    ),
    Mutant(
        "running variance of n - 1",
        "NRM-2",
        "n / (n - 1) in place of n / (n + 1)",
        {"shared": lambda v, x: v * np.float32((n := x.size // x.shape[1]) / (n - 1))},
    ),
    Mutant(
        "mean a constant",
        "NRM-4",
        "no gradient through the mean",
        {"norm_backward": lambda g, std, through: norm_backward(g, std, 0 * through)},
    ),
    Mutant(
        "clipped mean passes",
        "NRM-4",
        "gradient through a clipped mean",
        {"norm_backward": lambda g, std, t: norm_backward(g, std, t * 0 + t.max())},
    ),
    Mutant(
        "norm gradient not scaled",
        "NRM-7",
        "2^e is left out",
        {"norm_backward": lambda g, std, t: norm_backward(g, std * 0 + 1, t)},
    ),
    Mutant(
        "sampled before the norm",
        "NRM-8",
        "z of a point without the norm",
        {"normed_sample": sampled_before},
    ),
    Mutant(
        "norm's bias of the wrong sign",
        "NRM-11",
        "64 q(mean), not its negative",
        {"exchange_norm": lambda mean: -original_bias(mean)},
    ),
]
