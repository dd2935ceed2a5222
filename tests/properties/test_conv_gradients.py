"""Convolution, pooling, averaging, norms and rate losses: every backward is the adjoint of its
linearised forward.

As in test_adjoints and test_block_gradients; the linear maps are computed again in float64, one
output pixel at a time.
"""

import float64_rules as exact
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from small_networks import TUTORIAL
from strategies import rising_curves, seeds, shapes_nct, sizes
from test_adjoints import assert_adjoint
from test_adjoints import normal as drawn
from test_block_gradients import TOLERANCE, check, gain_away_from_knots, normal

from refboot import block, ops
from refboot.classifier import Rate
from refboot.loss import SpikeMax, SpikeRate
from refboot.neuron import norm
from refboot.reference.conv import output_size
from refboot.routine import Mode

N, IN, OUT, T = 2, 4, 6, 5
pairs = st.tuples(st.integers(1, 2), st.integers(1, 3))


@st.composite
def conv_options(draw):
    """The arguments of a Conv block with 4 input and 6 output channels, for pictures of 6 x 5."""
    groups, kernel = draw(st.sampled_from([1, 2])), draw(pairs)
    masked = draw(st.booleans())
    mask = (
        (np.random.default_rng(draw(seeds)).random((OUT, IN // groups, *kernel)) < 0.7).astype(
            np.float32
        )
        if masked
        else None
    )
    window = {
        "kernel_size": kernel,
        "stride": draw(pairs),
        "padding": draw(st.sampled_from([0, 1, (2, 0)])),
        "dilation": draw(pairs),
    }
    return window | {"groups": groups, "weight_norm": draw(st.booleans()), "mask": mask}


def make_conv(seed, options, **more):
    conv = block.cuba.Conv(TUTORIAL, IN, OUT, rng=np.random.default_rng(seed), **options, **more)
    height, width = (
        output_size(size, *(conv.synapse.window[k][axis] for k in range(4)))
        for axis, size in enumerate((6, 5))
    )
    assume(height > 0 and width > 0)
    return conv


def convolve(x, w, window, groups):
    """The convolution in float64, one output pixel at a time."""
    _, stride, padding, dilation = window
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)])
    reach = [dilation[k] * (w.shape[2 + k] - 1) + 1 for k in range(2)]
    out = [(x.shape[2 + k] - reach[k]) // stride[k] + 1 for k in range(2)]
    z = np.empty((len(x), len(w), *out, x.shape[-1]))
    ins, outs = w.shape[1], len(w) // groups
    for g, row, col in np.ndindex(groups, *out):
        y0, x0 = row * stride[0], col * stride[1]
        seen = x[
            :,
            g * ins : (g + 1) * ins,
            y0 : y0 + reach[0] : dilation[0],
            x0 : x0 + reach[1] : dilation[1],
        ]
        z[:, g * outs : (g + 1) * outs, row, col] = np.einsum(
            "ocij,ncijt->not", w[g * outs : (g + 1) * outs], seen
        )
    return z


def conv_z(b, x, values):
    """The weighted input of a Conv block in float64, its parameters being `values`."""
    norm_ = "synapse.weight_g" in values
    w = (
        exact.weight_norm(values["synapse.weight_v"], values["synapse.weight_g"])
        if norm_
        else values["synapse.weight"]
    )
    mask = b.synapse.weight.mask
    return convolve(
        x, w if mask is None else w * mask.astype(np.float64), b.synapse.window, b.synapse.groups
    )


@given(seeds, conv_options(), st.integers(1, 4))
def test_convolution_for_its_input_and_its_weight(seed, options, steps):
    synapse = make_conv(seed, options).synapse
    window = *synapse.window[1:], synapse.groups
    x, dx, w, dw = (
        normal(seed, N, IN, 6, 5, steps),
        normal(seed + 1, N, IN, 6, 5, steps),
        *synapse_weights(seed, synapse),
    )
    z, jx, jw = (ops.active().conv_forward(*pair, *window) for pair in ((x, w), (dx, w), (x, dw)))
    gz = normal(seed + 2, *z.shape)
    gx, gw = ops.active().conv_backward(gz, x, w, *window)
    assert_adjoint((gz, jx), (gx, dx))
    assert_adjoint((gz, jw), (gw, dw))
    np.testing.assert_allclose(
        z, convolve(x, w.astype(np.float64), synapse.window, synapse.groups), atol=1e-4
    )


def synapse_weights(seed, synapse):
    shape = synapse.weight.v.data.shape
    return normal(seed + 3, *shape), normal(seed + 4, *shape)


@given(seeds, pairs, pairs, st.sampled_from([(0, 0), (1, 2)]), pairs, st.integers(1, 3))
def test_pooling(seed, kernel, stride, padding, dilation, steps):
    x, w = normal(seed, N, IN, 6, 5, steps), normal(seed + 1, *kernel)
    whole = [-(-size // k) * k for size, k in zip((6, 5), kernel, strict=True)]
    assume(
        all(
            output_size(whole[k], kernel[k], stride[k], padding[k], dilation[k]) > 0
            for k in range(2)
        )
    )
    z = ops.active().pool_forward(x, w, stride, padding, dilation)
    gz = normal(seed + 2, *z.shape)
    gx = ops.active().pool_backward(gz, w, (6, 5), stride, padding, dilation)
    assert_adjoint((gz, z), (gx, x))
    wide = np.pad(x, [(0, 0), (0, 0), (0, whole[0] - 6), (0, whole[1] - 5), (0, 0)])
    alone = np.broadcast_to(w.astype(np.float64), (IN, 1, *kernel))
    np.testing.assert_allclose(
        z, convolve(wide, alone, (kernel, stride, padding, dilation), IN), atol=1e-5
    )


@given(st.data())
def test_average_over_populations(data):
    groups, space = data.draw(sizes), data.draw(st.sampled_from([(), (2, 3)]))
    dx = data.draw(drawn((N, groups * data.draw(sizes), *space, T)))
    average = block.cuba.Average(groups)
    y = average(dx, Mode.SNN)
    gy = data.draw(drawn(y.shape))
    assert_adjoint((gy, y), (average.backward(gy), dx))
    want = [
        part.reshape(N, -1, T).mean(axis=1)
        for part in np.split(dx.astype(np.float64), groups, axis=1)
    ]
    np.testing.assert_allclose(y, np.stack(want, axis=1), atol=1e-6)


@given(st.data(), st.sampled_from([norm.MeanOnlyBatchNorm, norm.WgtScaleBatchNorm]), st.booleans())
def test_norm_through_its_mean(data, kind, training):
    """Without quantisation the norm is linear but for its power of two, which counts as given."""
    shape = data.draw(shapes_nct())
    x, dx, gy = (data.draw(drawn(shape)) for _ in range(3))
    one = kind(quantised=False)
    one.build(shape[1])
    one.forward(2 * x, True)
    y = one.forward(x, training)
    centre = (
        dx.mean(axis=(0, *range(2, dx.ndim)), keepdims=True, dtype=np.float64) if training else 0
    )
    std = one._last()[1].astype(np.float64)
    assert_adjoint((gy, (dx - centre) / std), (one.backward(gy), dx))
    assert float(std[0]) in {2.0**k for k in range(-3, 4)}
    if training:
        np.testing.assert_allclose(
            (x - x.mean(axis=(0, *range(2, x.ndim)), keepdims=True, dtype=np.float64)) / std,
            y,
            atol=1e-5,
        )


@pytest.mark.parametrize("steps", [1, T], ids=["rates", "bridge"])
@given(seed=seeds, options=conv_options(), curve=rising_curves())
def test_conv_block_in_ann_mode(steps, seed, options, curve):
    b = make_conv(seed, options, pre_hook_fx=None)
    b.f.curve = curve
    check(b, conv_z, normal(seed, N, IN, 6, 5, steps), gain_away_from_knots(b), seed)


@pytest.mark.parametrize("steps", [1, T], ids=["rates", "bridge"])
@given(seed=seeds, kernel=pairs, curve=rising_curves())
def test_pool_block_in_ann_mode(steps, seed, kernel, curve):
    b = block.cuba.Pool(
        TUTORIAL, kernel, weight_scale=0.75, pre_hook_fx=None, rng=np.random.default_rng(seed)
    )
    b.f.curve = curve

    def pool_z(b, x, values):
        wide = np.pad(x, [(0, 0), (0, 0), (0, -6 % kernel[0]), (0, -5 % kernel[1]), (0, 0)])
        return convolve(wide, np.broadcast_to(0.75, (IN, 1, *kernel)), b.synapse.window, IN)

    check(b, pool_z, normal(seed, N, IN, 6, 5, steps), gain_away_from_knots(b), seed)


@given(seeds, conv_options(), st.booleans())
def test_conv_block_in_snn_mode(seed, options, delay_shift):
    """The voltage comes from the neuron's own trace; from there on everything is computed again in
    float64.
    """
    b = make_conv(seed, options, delay_shift=delay_shift)
    x, dx = normal(seed, N, IN, 6, 5, T), normal(seed + 2, N, IN, 6, 5, T)
    dy = normal(seed + 1, *b.forward(x, Mode.SNN).shape)
    gx, n, w = b.backward(dy), b.neuron, b.synapse.weight.quantised().astype(np.float64)
    slope = exact.surrogate(n.trace(b.synapse.forward(x)).v / 4096, n.threshold, n.tau, n.scale)
    gs = (
        np.concatenate([dy[..., 1:], np.zeros((*dy.shape[:-1], 1))], axis=-1) if delay_shift else dy
    )
    du = exact.leaky(
        convolve(dx, w, b.synapse.window, b.synapse.groups), exact.keep_of(n.cx_current_decay, 4)
    )
    moved = slope * exact.leaky(du, exact.keep_of(n.cx_voltage_decay, 4))
    assert (
        abs(exact.inner(gs, moved) - exact.inner(gx, dx))
        <= TOLERANCE * (exact.size(gs, moved) + exact.size(gx, dx)) + 1e-20
    )


@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        (SpikeRate(0.9, 0.1), lambda r, hit: np.square(r - np.where(hit, 0.9, 0.1)).sum()),
        (SpikeRate(0.5, 0.0, "mean"), lambda r, hit: np.square(r - np.where(hit, 0.5, 0.0)).mean()),
        (SpikeMax("probability"), lambda r, hit: -np.log(r[hit] / (r.sum(axis=1) + 1e-6)).sum()),
        (
            SpikeMax("softmax", "mean"),
            lambda r, hit: -np.log(np.exp(r[hit]) / np.exp(r).sum(axis=1)).mean(),
        ),
    ],
    ids=["rate sum", "rate mean", "max probability", "max softmax mean"],
)
@given(seed=seeds)
def test_losses_against_their_formulas_and_central_differences(loss, formula, seed):
    rng = np.random.default_rng(seed)
    spikes = rng.uniform(0.05, 1, (N, OUT, T)).astype(np.float32)
    labels, direction = rng.integers(0, OUT, N), rng.normal(size=spikes.shape)
    hit = labels[:, None] == np.arange(OUT)

    def functional(s):
        return formula(s.mean(axis=-1), hit)

    value, grad = loss(spikes, labels)
    assert abs(value - functional(spikes.astype(np.float64))) <= 1e-5 * max(1, abs(value))
    slope = exact.slope_along(functional, spikes.astype(np.float64), direction, 1e-4)
    assert abs(slope - exact.inner(grad, direction)) <= 1e-5 * (exact.size(grad, direction) + 1)


@pytest.mark.parametrize(
    ("mode", "formula"),
    [
        ("probability", lambda r: r / (r.sum(axis=1, keepdims=True) + 1e-6)),
        ("softmax", lambda r: np.exp(r) / np.exp(r).sum(axis=1, keepdims=True)),
        ("logsoftmax", lambda r: r - np.log(np.exp(r).sum(axis=1, keepdims=True))),
    ],
)
@given(seed=seeds)
def test_confidence_against_its_formula_and_central_differences(mode, formula, seed):
    rng = np.random.default_rng(seed)
    spikes, dy = (
        rng.uniform(0.05, 1, (N, 2, 3, T)).astype(np.float32),
        rng.normal(size=(N, 6)).astype(np.float32),
    )
    direction = rng.normal(size=spikes.shape)

    def functional(s):
        return exact.inner(dy, formula(s.mean(axis=-1).reshape(N, -1)))

    np.testing.assert_allclose(
        Rate.confidence(spikes, mode),
        formula(spikes.mean(axis=-1, dtype=np.float64).reshape(N, -1)),
        rtol=1e-5,
    )
    slope = exact.slope_along(functional, spikes.astype(np.float64), direction, 1e-4)
    grad = Rate.confidence_backward(dy, spikes, mode)
    assert grad.shape == spikes.shape
    assert abs(slope - exact.inner(grad, direction)) <= 1e-5 * (exact.size(grad, direction) + 1)
