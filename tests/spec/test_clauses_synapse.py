"""Chapter 4, clause by clause: dense, convolution, pooling, input."""

import math
from itertools import product

import numpy as np
import pytest
import spec_plain as plain

from refboot.errors import RangeError, ShapeError
from refboot.ops import Ops
from refboot.reference.conv import output_size
from refboot.synapse import Conv, Dense, Scalar

Rng = np.random.Generator


def test_dense_sum(o: Ops, rng: Rng):
    """SYN-1, SYN-2, SYN-11: spikes through quantised weights are the integer sum, in range,
    whatever the order.
    """
    k, s = rng.integers(-128, 128, (6, 40)), rng.integers(0, 2, (3, 40, 7))
    z = o.dense_forward(np.float32(s), np.float32(k / 32))
    expected = [
        [
            [sum(int(k[i, j] * s[n, j, t]) for j in range(40)) / 32 for t in range(7)]
            for i in range(6)
        ]
        for n in range(3)
    ]
    assert z.tolist() == expected
    order = rng.permutation(40)
    assert (
        o.dense_forward(np.float32(s[:, order]), np.float32(k[:, order] / 32)).tolist() == expected
    )
    assert -128 * 40 <= 32 * z.min() <= 32 * z.max() <= 127 * 40


def test_other_sums_are_within_their_bound(o: Ops, rng: Rng):
    """SYN-3."""
    x, W = np.float32(rng.normal(0, 1, (2, 30, 3))), np.float32(rng.normal(0, 1, (4, 30)))
    true, size = (
        np.einsum("oi,nit->not", f(W).astype(np.float64), f(x).astype(np.float64))
        for f in (np.array, np.abs)
    )
    assert (np.abs(o.dense_forward(x, W) - true) <= 30 * 2**-23 * size).all()


@pytest.mark.parametrize("weight_norm", [True, False])
def test_weight_is_masked_then_quantised_each_time(rng: Rng, weight_norm):
    """SYN-4."""
    mask = np.float32(rng.integers(0, 2, (3, 8)))
    dense = Dense(8, 3, weight_norm=weight_norm, mask=mask, rng=rng)
    for _ in range(2):
        dense.weight.v.data[...] = rng.normal(0, 1, (3, 8))
        z = dense.forward(np.eye(8, dtype=np.float32)[None])
        assert z[0].tolist() == [
            [plain.q(float(m * w)) for m, w in zip(*rows, strict=True)]
            for rows in zip(mask, dense.weight.full(), strict=True)
        ]


def test_weight_norm(o: Ops, rng: Rng):
    """SYN-5."""
    v, g = np.float32(rng.normal(0, 1, (3, 2, 4))), np.float32(rng.normal(0, 1, 3))
    expected = [
        [[x * g[k] / math.hypot(*v[k].ravel().tolist()) for x in row] for row in v[k].tolist()]
        for k in range(3)
    ]
    np.testing.assert_allclose(o.weight_norm_forward(v, g), expected, rtol=4 * 2**-23, atol=0)


@pytest.mark.parametrize(("weight", "bias"), [(0.7, -0.3), (None, 0.2), (9.0, None), (None, None)])
def test_input_layer(rng: Rng, weight, bias):
    """SYN-6."""
    x = np.float32(rng.normal(0, 2, (2, 3, 1)))
    w, b = 1 if weight is None else plain.q(weight), 0 if bias is None else plain.q(bias)
    assert Scalar(weight, bias).forward(x).ravel().tolist() == [
        plain.q(float(value)) * w + b for value in x.ravel()
    ]


GEOMETRIES = [((1, 1), (0, 0), (1, 1), 1), ((2, 1), (1, 2), (1, 1), 2), ((1, 2), (2, 0), (2, 1), 4)]


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), GEOMETRIES)
def test_convolution(o: Ops, rng: Rng, stride, padding, dilation, groups):
    """SYN-7, SYN-8, SYN-9."""
    (C, H, W, T), (outputs, kh, kw) = (4, 6, 5, 2), (8, 3, 2)
    k, s = (
        rng.integers(-128, 128, (outputs, C // groups, kh, kw)),
        rng.integers(0, 2, (1, C, H, W, T)),
    )
    z = o.conv_forward(np.float32(s), np.float32(k / 32), stride, padding, dilation, groups)
    size = [
        (n + 2 * p - d * (m - 1) - 1) // st + 1
        for n, p, d, m, st in zip((H, W), padding, dilation, (kh, kw), stride, strict=True)
    ]
    assert z.shape == (1, outputs, *size, T)
    for out, y, x, t in product(range(outputs), *map(range, size), range(T)):
        total, first = 0, out // (outputs // groups) * (C // groups)
        for c, i, j in product(range(C // groups), range(kh), range(kw)):
            row, col = (
                y * stride[0] + i * dilation[0] - padding[0],
                x * stride[1] + j * dilation[1] - padding[1],
            )
            total += (
                int(k[out, c, i, j] * s[0, first + c, row, col, t])
                if 0 <= row < H and 0 <= col < W
                else 0
            )
        assert z[0, out, y, x, t] == total / 32


def test_size_of_a_convolution():
    """SYN-8: as many positions as fit."""
    for n, k, st, p, d in product((5, 8), (1, 3), (1, 2, 3), (0, 1), (1, 2)):
        assert output_size(n, k, st, p, d) == sum(
            y + d * (k - 1) < n + 2 * p for y in range(0, n + 2 * p, st)
        )


def test_impossible_convolutions_are_rejected(rng: Rng):
    """SYN-8, SYN-9."""
    with pytest.raises(ShapeError):
        Conv(1, 1, (2, 5), padding=(0, 1), rng=rng).forward(np.zeros((1, 1, 9, 2, 1), np.float32))
    for channels in ((4, 6), (6, 4)):
        with pytest.raises(RangeError):
            Conv(*channels, 3, groups=4, rng=rng)


@pytest.mark.parametrize(("H", "W", "window"), [(4, 6, (2, 2)), (5, 7, (3, 2)), (3, 3, (3, 3))])
def test_pooling(o: Ops, rng: Rng, H, W, window):
    """SYN-10."""
    s = rng.integers(0, 2, (2, 3, H, W, 2))
    z = o.pool_forward(np.float32(s), np.full(window, 1.25, np.float32), window, (0, 0), (1, 1))
    assert z.shape == (2, 3, -(-H // window[0]), -(-W // window[1]), 2)
    for y, x in product(range(z.shape[2]), range(z.shape[3])):
        part = s[:, :, y * window[0] : (y + 1) * window[0], x * window[1] : (x + 1) * window[1]]
        assert (z[:, :, y, x] == 1.25 * part.sum(axis=(2, 3))).all()


def test_without_quantisation_the_weight_is_used_as_it_is(rng: Rng):
    """SYN-12."""
    dense = Dense(3, 2, pre_hook_fx=None, rng=rng)
    dense.weight.v.data[0, 0] = 9.1
    z = dense.forward(np.eye(3, dtype=np.float32)[None])
    dense.backward(np.ones((1, 2, 3), np.float32))
    assert z[0].tolist() == dense.weight.v.data.tolist()
    assert dense.weight.v.grad is not None
    assert dense.weight.v.grad.tolist() == np.ones((2, 3)).tolist()
