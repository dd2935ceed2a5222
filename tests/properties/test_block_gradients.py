"""Whole blocks: the gradient of a random linear functional of the output, for the input and for
every parameter.

In ANN mode (no quantisation) it is compared with central differences of the block computed again in
float64, with the slope that the rate curve's backward documents in place of its own. In SNN mode
the neuron's linear map and surrogate stand for the spikes.
"""

import float64_rules as exact
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from small_networks import TUTORIAL
from strategies import rising_curves, seeds

from refboot import block
from refboot.reference.modes import mean_rate_forward
from refboot.routine import Mode

N, IN, OUT, T = 3, 5, 4, 6
TOLERANCE = 2e-4
masks = st.one_of(
    st.none(),
    seeds.map(
        lambda seed: (np.random.default_rng(seed).random((OUT, IN)) < 0.7).astype(np.float32)
    ),
)
dense_options = st.fixed_dictionaries(
    {"weight_norm": st.booleans(), "mask": masks, "weight_scale": st.sampled_from([1, 2])}
)


def normal(seed, *shape):
    return np.random.default_rng([seed, 99]).normal(size=shape).astype(np.float32)


def trainable(b):
    return {name: p for name, p in b.parameters().items() if p.trainable}


def dense_z(b, x, values):
    """The weighted input of a Dense or Affine block in float64, its parameters being `values`."""
    if "synapse.weight_g" in values:
        w = exact.weight_norm(values["synapse.weight_v"], values["synapse.weight_g"])
    else:
        w = values["synapse.weight"]
    mask = b.synapse.weight.mask
    return np.einsum("oi,nit->not", w if mask is None else w * mask.astype(np.float64), x)


def input_z(b, x, values):
    """The weighted input of an Input block in float64."""
    return values.get("weight", 1.0) * x + values.get("bias", 0.0)


def check(b, z_of, x, gain_of, seed):
    """<dy, y> has, along a random direction in input and parameters, the slope that `backward`
    says.
    """
    dy = normal(seed, *b.forward(x, Mode.ANN).shape)
    gx = b.backward(dy)
    values = {name: p.data.astype(np.float64) for name, p in trainable(b).items()}
    rate = x.astype(np.float64).mean(axis=-1, keepdims=True)
    gain = gain_of(z_of(b, rate, values))
    directions = {
        name: np.random.default_rng([seed, k]).normal(size=v.shape)
        for k, (name, v) in enumerate(values.items())
    }
    dx = normal(seed + 1, *x.shape).astype(np.float64)

    def functional(h):
        moved = {name: v + h * directions[name] for name, v in values.items()}
        return exact.inner(dy * gain, z_of(b, (x + h * dx).mean(axis=-1, keepdims=True), moved))

    slope = (functional(1e-4) - functional(-1e-4)) / 2e-4
    pairs = [(gx, dx), *((p.grad, directions[name]) for name, p in trainable(b).items())]
    assert all(
        p.grad.shape == p.data.shape and p.grad.dtype == np.float32 for p in trainable(b).values()
    )
    assert gx.shape == x.shape
    scale = sum(exact.size(*pair) for pair in pairs)
    assert abs(slope - sum(exact.inner(*pair) for pair in pairs)) <= TOLERANCE * scale + 1e-9


def gain_away_from_knots(b):
    """The documented gain, for cases in which float32 and float64 see the same pieces."""

    def gain_of(z):
        distance = np.abs(z[..., None] - b.f.curve.knots[:, 0])
        assume(distance.min() > 1e-4)
        return exact.gain(z, b.f.curve, b.f.eps)

    return gain_of


@pytest.mark.parametrize("steps", [1, T], ids=["rates", "bridge"])
@given(seed=seeds, options=dense_options, curve=rising_curves())
def test_dense_block_in_ann_mode(steps, seed, options, curve):
    b = block.cuba.Dense(
        TUTORIAL, IN, OUT, pre_hook_fx=None, rng=np.random.default_rng(seed), **options
    )
    b.f.curve = curve
    check(b, dense_z, normal(seed, N, IN, steps), gain_away_from_knots(b), seed)


@pytest.mark.parametrize("steps", [1, T], ids=["rates", "bridge"])
@given(
    seed=seeds,
    curve=rising_curves(),
    weight=st.sampled_from([None, 0.7, -1.3]),
    bias=st.sampled_from([None, 0.0, 0.4]),
)
def test_input_block_in_ann_mode(steps, seed, curve, weight, bias):
    b = block.cuba.Input(TUTORIAL, weight, bias, pre_hook_fx=None, rng=np.random.default_rng(seed))
    b.f.curve = curve
    assert set(trainable(b)) == {
        name for name, v in (("weight", weight), ("bias", bias)) if v is not None
    }
    check(b, input_z, normal(seed, N, IN, steps), gain_away_from_knots(b), seed)


@pytest.mark.parametrize("steps", [1, T], ids=["rates", "bridge"])
@given(seed=seeds, options=dense_options)
def test_affine_block_in_ann_mode(steps, seed, options):
    b = block.cuba.Affine(
        TUTORIAL, IN, OUT, pre_hook_fx=None, rng=np.random.default_rng(seed), **options
    )
    check(b, dense_z, normal(seed, N, IN, steps), np.ones_like, seed)


@given(seeds, dense_options, rising_curves())
def test_weights_within_range_get_the_gradient_of_the_quantised_weight(seed, options, curve):
    """Straight through: with 8-bit weights, the gradients are those of a block whose weights are
    the quantised ones.
    """
    options = {**options, "weight_norm": False}
    b = block.cuba.Dense(TUTORIAL, IN, OUT, rng=np.random.default_rng(seed), **options)
    twin = block.cuba.Dense(
        TUTORIAL, IN, OUT, pre_hook_fx=None, rng=np.random.default_rng(seed), **options
    )
    twin.synapse.weight.v.data = b.synapse.weight.quantised()
    x, dy = normal(seed, N, IN, 1), normal(seed + 1, N, OUT, 1)
    results = []
    for one in (b, twin):
        one.f.curve = curve
        results.append(
            (one.forward(x, Mode.ANN), one.backward(dy), one.parameters()["synapse.weight"].grad)
        )
    for got, want in zip(*results, strict=True):
        np.testing.assert_array_equal(got, want)


@given(
    seeds,
    st.fixed_dictionaries(
        {
            "threshold": st.floats(0.25, 4),
            "current_decay": st.floats(0, 1),
            "voltage_decay": st.floats(0, 1),
        }
    ),
    st.floats(0.01, 1),
    st.booleans(),
    dense_options,
)
def test_dense_block_in_snn_mode(seed, neuron, tau_grad, delay_shift, options):
    """The voltage comes from the neuron's own trace; from there on everything is computed again in
    float64.
    """
    b = block.cuba.Dense(
        {**neuron, "tau_grad": tau_grad, "scale_grad": 2},
        IN,
        OUT,
        delay_shift=delay_shift,
        rng=np.random.default_rng(seed),
        **options,
    )
    x, dy, dx = normal(seed, N, IN, T), normal(seed + 1, N, OUT, T), normal(seed + 2, N, IN, T)
    b.forward(x, Mode.SNN)
    gx, n, w = b.backward(dy), b.neuron, b.synapse.weight.quantised().astype(np.float64)
    voltage = n.trace(b.synapse.forward(x)).v / 4096
    slope = exact.surrogate(voltage, n.threshold, 100 * tau_grad * n.threshold, 0.2)
    gs = np.concatenate([dy[..., 1:], np.zeros((N, OUT, 1))], axis=-1) if delay_shift else dy
    du = exact.leaky(np.einsum("oi,nit->not", w, dx), exact.keep_of(n.cx_current_decay, 2))
    moved = slope * exact.leaky(du, exact.keep_of(n.cx_voltage_decay, 2))
    scale = exact.size(gs, moved) + exact.size(gx, dx)
    assert abs(exact.inner(gs, moved) - exact.inner(gx, dx)) <= TOLERANCE * scale + 1e-20


@given(seeds)
def test_gradients_gather_over_passes_until_they_are_zeroed(seed):
    b = block.cuba.Affine(TUTORIAL, IN, OUT, weight_norm=True, rng=np.random.default_rng(seed))
    x, dy = normal(seed, N, IN, 1), normal(seed + 1, N, OUT, 1)
    b.forward(x, Mode.ANN)
    b.backward(dy)
    once = {name: p.grad.copy() for name, p in trainable(b).items()}
    b.backward(dy)
    for name, p in trainable(b).items():
        np.testing.assert_array_equal(p.grad, once[name] * 2)
        p.zero_grad()
        assert p.grad is None


@given(seeds)
def test_the_bridge_is_the_mean(seed):
    x = normal(seed, N, IN, T)
    b = block.cuba.Affine(TUTORIAL, IN, OUT, rng=np.random.default_rng(seed))
    np.testing.assert_array_equal(b(x, Mode.ANN), b(mean_rate_forward(x), Mode.ANN))
