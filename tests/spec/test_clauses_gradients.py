"""Chapters 8 and 9, clause by clause: gradients, norms, dropout."""

import math
from itertools import product

import numpy as np
import pytest
import spec_plain as plain

from refboot import ops
from refboot.block import cuba
from refboot.errors import OrderError, RangeError
from refboot.neuron import Dropout
from refboot.neuron.cuba import Neuron
from refboot.neuron.norm import MeanOnlyBatchNorm, WgtScaleBatchNorm
from refboot.ops import Ops
from refboot.optim import Parameter
from refboot.reference import modes
from refboot.reference.draws import uniform
from refboot.reference.numbers import to_real, to_state
from refboot.routine import Mode
from refboot.synapse import Dense

Rng = np.random.Generator
ULP = 2.0**-23


def normal(rng, *shape):
    return np.float32(rng.normal(0, 1, shape))


def backwards(grad, keep):
    """GRD-2, in float32."""
    later, found = np.float32(0), []
    for g in reversed(grad):
        later = g + np.float32(keep) * later
        found.insert(0, later)
    return found


def near(found, true, size, count=4):
    """Within `count` ulps of `size`."""
    return (
        np.abs(np.asarray(found, np.float64) - true)
        <= count * np.maximum(ULP * np.abs(size), 2.0**-126)
    ).all()


@pytest.mark.parametrize("graded", [False, True])
def test_neuron_backward_is_three_backwards(o: Ops, rng: Rng, graded: bool):
    """GRD-1, GRD-3: in float64, with the voltages before the reset, whether or not a step fired."""
    neuron, z, gs = (
        Neuron(1.25, 0.3, 0.1, tau_grad=0.02, graded_spike=graded),
        2 * normal(rng, 2, 3, 12),
        normal(rng, 2, 3, 12),
    )
    with ops.use(o):
        assert neuron.forward(z).sum() > 5
        found = neuron.backward(gs)
    for n, c in product(range(2), range(3)):
        _, voltages, _, _ = plain.neuron(z[n, c].tolist(), 1229, 410, 80)
        factor = [
            0.1 * math.exp(min(v / 4096 - 1.25, 0) / 2.5)
            if graded
            else plain.surrogate(v / 4096, 1.25, 2.5, 0.1)
            for v in voltages
        ]
        gz, size = (
            double_back(double_back(g * factor, 1 - 410 / 4096), 1 - 1229 / 4096)
            for g in (gs[n, c].astype(float), abs(gs[n, c]))
        )
        assert near(found[n, c], gz, size, 16)


def double_back(grad, keep):
    """GRD-2, in float64."""
    found = np.array(grad, np.float64)
    for t in reversed(range(len(found) - 1)):
        found[t] += keep * found[t + 1]
    return found


@pytest.mark.parametrize("decay", [0, 1, 123, 4096])
def test_leaky_backward(o: Ops, rng: Rng, decay: int):
    """GRD-2, GRD-15: no trace of the truncations."""
    gy = normal(rng, 2, 3, 9)
    found = o.leaky_backward(gy, np.array([decay]))
    assert all(
        found[n, c].tolist() == backwards(gy[n, c], 1 - decay / 4096)
        for n, c in product(range(2), range(3))
    )
    assert o.leaky_backward(gy, np.array([decay] * 3)).tolist() == found.tolist()


def test_gradient_of_a_decay_is_the_derivative(o: Ops, rng: Rng):
    """GRD-4: against the difference quotient of the recurrence in float64, which has neither
    truncation nor reset.
    """
    x, gy, d, T = rng.normal(0, 1, 8), rng.normal(0, 1, 8), 700.0, 8

    def loss(decay):
        y, total = 0.0, 0.0
        for t in range(T):
            y = y * (1 - decay / 4096) + x[t]
            total += gy[t] * y
        return total

    y = [0.0]
    for t in range(T):
        y.append(y[-1] * (1 - d / 4096) + x[t])
    gx, states = double_back(gy, 1 - d / 4096), np.rint(4096 * np.array(y[1:])).astype(np.int64)
    found = float(
        o.leaky_decay_backward(np.float32(gx).reshape(1, 1, -1), states.reshape(1, 1, -1), True)[0]
    )
    assert found == pytest.approx((loss(d + 0.5) - loss(d - 0.5)), rel=1e-3)
    assert abs(found) > 1e-5


def test_gradient_of_decays_per_channel(o: Ops, rng: Rng):
    """GRD-4."""
    gx, y = normal(rng, 2, 3, 4, 5), rng.integers(-9999, 9999, (2, 3, 4, 5))
    terms = gx[..., 1:].astype(np.float64) * y[..., :-1] / 4096 / 4096
    assert near(
        o.leaky_decay_backward(gx, y, False),
        -terms.sum(axis=(0, 2, 3)),
        np.abs(terms).sum(axis=(0, 2, 3)),
    )
    assert near(o.leaky_decay_backward(gx, y, True), -terms.sum(), np.abs(terms).sum())


def test_gradient_passes_the_rounding_and_not_the_clip(o: Ops):
    """GRD-5."""
    x = np.arange(-1100, 1100, dtype=np.float32) / 256
    gx = o.quantize_8bit_backward(np.full(len(x), 1.5, np.float32), x)
    assert gx.tolist() == [
        1.5 if -4 <= round(32 * float(value)) / 32 <= 3.96875 else 0 for value in x
    ]


def test_dense_backward(o: Ops, rng: Rng):
    """GRD-6."""
    W, x, gz = normal(rng, 4, 6), normal(rng, 3, 6, 5), normal(rng, 3, 4, 5)
    gx, gW = o.dense_backward(gz, x, W)
    for found, formula, terms, arrays in (
        (gx, "oi,not->nit", 4, (W, gz)),
        (gW, "not,nit->oi", 15, (gz, x)),
    ):
        wide = [array.astype(np.float64) for array in arrays]
        assert near(found, np.einsum(formula, *wide), np.einsum(formula, *map(np.abs, wide)), terms)


def test_weight_norm_backward(o: Ops, rng: Rng):
    """GRD-7."""
    gw, v, g = normal(rng, 3, 7), normal(rng, 3, 7), normal(rng, 3)
    gv, gg = o.weight_norm_backward(gw, v, g)
    wide, norm = v.astype(np.float64), np.linalg.norm(v.astype(np.float64), axis=1)
    expected = (gw * wide).sum(axis=1) / norm
    assert near(gg, expected, (np.abs(gw * wide)).sum(axis=1) / norm)
    along, factor = wide * (expected / norm)[:, None], (g / norm)[:, None]
    assert near(gv, factor * (gw - along), np.abs(factor) * (np.abs(gw) + np.abs(along)), 8)


@pytest.mark.parametrize("weight_norm", [False, True])
def test_mask_is_applied_to_the_gradient(rng: Rng, weight_norm: bool):
    """GRD-8."""
    mask = np.float32([[1, 0, 1, 0]])
    dense = Dense(4, 1, mask=mask, weight_norm=weight_norm, rng=rng)
    dense.weight.v.data[...] = [[0.5, 9, 9, 0.5]]
    if dense.weight.g is not None:
        dense.weight.g.data[...] = np.linalg.norm(dense.weight.v.data)
    dense.forward(np.ones((1, 4, 1), np.float32))
    dense.backward(np.ones((1, 1, 1), np.float32))
    through = np.float32([[1, 0, 0, 0]])  # the third is clipped
    expected = (
        through
        if dense.weight.g is None
        else ops.active().weight_norm_backward(through, dense.weight.v.data, dense.weight.g.data)[0]
    )
    assert dense.weight.v.grad is not None
    assert dense.weight.v.grad.tolist() == expected.tolist()


@pytest.mark.parametrize(("weight", "bias"), [(0.7, -0.3), (9.0, -0.3)])
def test_input_backward(rng: Rng, weight: float, bias: float):
    """GRD-9."""
    block, x, gz = (
        cuba.Input({"threshold": 1, "current_decay": 1, "voltage_decay": 0}, weight, bias, rng=rng),
        2 * normal(rng, 2, 3, 4),
        normal(rng, 2, 3, 4),
    )
    synapse = block.synapse
    synapse.forward(x)
    gx = synapse.backward(gz)
    rounded, inside = (
        np.array([plain.q(float(value)) for value in x.ravel()]),
        np.abs(x + 1 / 64).ravel() <= 3.98,
    )
    gw, gb = (synapse.parameters()[name].grad for name in ("weight", "bias"))
    assert near(
        gw, 0 if weight > 4 else (gz.ravel() * rounded).sum(), np.abs(gz.ravel() * rounded).sum()
    )
    assert near(gb, gz.astype(np.float64).sum(), np.abs(gz).sum())
    assert gx.ravel().tolist() == (gz.ravel() * np.float32(plain.q(weight)) * inside).tolist()


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [((1, 1), (0, 0), (1, 1), 1), ((2, 1), (1, 2), (1, 2), 2)],
)
def test_convolution_backward_is_the_adjoint(o: Ops, rng: Rng, stride, padding, dilation, groups):
    """GRD-10: for integers, where all sums are exact."""
    draw = lambda *shape: np.float32(rng.integers(-9, 10, shape))  # noqa: E731
    geometry = stride, padding, dilation, groups
    s, W = draw(2, 4, 7, 6, 2), draw(6, 4 // groups, 3, 2)
    gz = draw(*o.conv_forward(s, W, *geometry).shape)
    gx, gW = o.conv_backward(gz, s, W, *geometry)
    for _ in range(3):
        dx, dW = draw(*s.shape), draw(*W.shape)
        assert np.vdot(gz, o.conv_forward(dx, W, *geometry)) == np.vdot(gx, dx)
        assert np.vdot(gz, o.conv_forward(s, dW, *geometry)) == np.vdot(gW, dW)


def test_pooling_backward(o: Ops, rng: Rng):
    """GRD-11."""
    gz = np.float32(rng.integers(-9, 10, (2, 3, 2, 3, 2)))
    gx = o.pool_backward(gz, np.full((2, 3), 1.25, np.float32), (3, 7), (2, 3), (0, 0), (1, 1))
    assert gx.shape == (2, 3, 3, 7, 2)
    assert all(
        (gx[:, :, y, x] == 1.25 * gz[:, :, y // 2, x // 3]).all()
        for y, x in product(range(3), range(7))
    )


@pytest.mark.parametrize("T", [1, 3, 16])
def test_bridge_spreads_the_gradient(rng: Rng, T: int):
    """GRD-12."""
    g = normal(rng, 2, 3, 1)
    assert (
        modes.mean_rate_backward(g, T).tolist() == np.repeat(g / np.float32(T), T, axis=-1).tolist()
    )


def test_gradient_of_the_shift_goes_back(rng: Rng):
    """GRD-13."""
    g, x = normal(rng, 2, 3, 5), np.float32(rng.integers(0, 9, (2, 3, 5)))
    assert (
        modes.delay_backward(g).tolist()
        == np.concatenate([g[..., 1:], 0 * g[..., :1]], axis=-1).tolist()
    )
    whole = np.float32(rng.integers(0, 9, (2, 3, 5)))
    assert np.vdot(whole, modes.delay_forward(x)) == np.vdot(modes.delay_backward(whole), x)


def test_gradient_of_dropout_is_its_mask(rng: Rng):
    """GRD-14, NRM-9, NRM-10: one draw per sample and neuron."""
    drop, g = Dropout(0.3, np.random.default_rng(5)), normal(rng, 4, 5, 6)
    draws = uniform(np.random.default_rng(5), 0, 1, (4, 5))
    factor = np.where(draws >= 0.3, np.float32(1) / np.float32(1 - 0.3), np.float32(0))[..., None]
    assert drop.forward(g, True).tolist() == (g * factor).tolist()
    assert drop.backward(g).tolist() == (g * factor).tolist()
    assert drop.forward(g, False) is g
    assert drop.backward(g) is g


def test_no_gradient_reaches_the_call_before(rng: Rng):
    """GRD-16: the gradient is that of the steps of the call, whatever state it started from."""
    neuron, ones = Neuron(1.25, 0.3, 0.1, persistent_state=True), np.ones((1, 1, 3), np.float32)
    z = normal(rng, 1, 1, 6)
    neuron.forward(z[..., :3])
    neuron.forward(z[..., 3:])
    _, voltages, _, _ = plain.neuron(z[0, 0].tolist(), 1229, 410, 80)
    factor = np.array([plain.surrogate(v / 4096, 1.25, 125.0, 0.1) for v in voltages[3:]])
    expected = double_back(double_back(factor, 1 - 410 / 4096), 1 - 1229 / 4096)
    assert near(neuron.backward(ones)[0, 0], expected, expected, 8)


def test_gradients_add_up(rng: Rng):
    """GRD-17."""
    parameter, grads = Parameter(np.zeros(3, np.float32)), normal(rng, 4, 3)
    for g in grads:
        parameter.add_grad(g)
    assert parameter.grad is not None
    assert parameter.grad.tolist() == (((grads[0] + grads[1]) + grads[2]) + grads[3]).tolist()
    parameter.zero_grad()
    assert parameter.grad is None


def by_channel(x):
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(np.float64)


@pytest.mark.parametrize("shape", [(4, 3, 16), (6, 3, 1), (2, 3, 4, 5, 8)])
def test_mean_only_norm(rng: Rng, shape: tuple[int, ...]):
    """NRM-1, NRM-2, NRM-3, NRM-4, NRM-11."""
    norm, running = MeanOnlyBatchNorm(), np.zeros(3)
    norm.build(3)
    across = (1, -1, *[1] * (len(shape) - 2))
    for _ in range(3):
        x, g = normal(rng, *shape) + np.float32(0.5), normal(rng, *shape)
        mean = by_channel(x).mean(axis=1)
        rounded = np.float32([plain.q(m) for m in mean]).reshape(across)
        assert norm.forward(x, True).tolist() == (x - rounded).tolist()
        assert near(
            norm.backward(g),
            g - by_channel(g).mean(axis=1).reshape(across),
            np.abs(g) + np.abs(g).max(),
        )
        running = 0.9 * running + 0.1 * mean
    kept = norm.parameters()["running_mean"].data
    assert near(kept, running, np.abs(running) + 1)
    assert (
        norm.forward(x, False).tolist()
        == (x - np.float32([plain.q(float(m)) for m in kept]).reshape(across)).tolist()
    )
    assert norm.backward(g).tolist() == g.tolist()
    assert norm.bias.tolist() == [-64 * plain.q(float(m)) for m in kept]


def test_clipped_mean_passes_no_gradient(rng: Rng):
    """NRM-4."""
    norm, g = MeanOnlyBatchNorm(), normal(rng, 2, 1, 4)
    norm.build(1)
    norm.forward(np.full((2, 1, 4), 7, np.float32), True)
    assert norm.backward(g).tolist() == g.tolist()


@pytest.mark.parametrize("spread", [0.01, 1.0, 3.0, 100.0])
def test_scaling_norm(rng: Rng, spread: float):
    """NRM-2, NRM-5, NRM-6, NRM-7."""
    norm, shape = WgtScaleBatchNorm(), (4, 3, 5)
    norm.build(3)
    x, g = np.float32(spread) * normal(rng, *shape), normal(rng, *shape)
    var = float(x.astype(np.float64).var())
    e = min(max(math.ceil(math.log2(math.sqrt(var + 1e-5))), -3), 3)
    rounded = np.float32([plain.q(m) for m in by_channel(x).mean(axis=1)]).reshape(1, 3, 1)
    assert norm.forward(x, True).tolist() == ((x - rounded) / np.float32(2.0**e)).tolist()
    through = np.abs(by_channel(x).mean(axis=1)) < 3.9
    mean = np.where(through, by_channel(g).mean(axis=1), 0).reshape(1, 3, 1)
    assert near(norm.backward(g), (g - mean) / 2.0**e, (np.abs(g) + np.abs(g).max()) / 2.0**e)
    assert float(norm.running_var.data[0]) == pytest.approx(0.1 * var * 20 / 21, rel=1e-6)


@pytest.mark.parametrize("mode", [Mode.SNN, Mode.SAMPLE, Mode.ANN])
def test_norm_acts_on_the_current_or_on_the_weighted_input(rng: Rng, mode: Mode):
    """NRM-8."""
    block = cuba.Dense(
        {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03, "norm": MeanOnlyBatchNorm},
        9,
        4,
        weight_scale=3,
        rng=rng,
    )
    block.f.fit()
    x = np.float32(rng.integers(0, 2, (3, 9, 12 if mode.spiking else 1)))
    y, z = block.forward(x, mode), block.synapse.forward(x)
    mean = np.float32(
        [plain.q(m) for m in by_channel(to_real(to_state(z)) if mode.spiking else z).mean(axis=1)]
    ).reshape(1, 4, 1)
    if not mode.spiking:
        assert y.tolist() == block.f.forward(z - mean).tolist()
        return
    currents = to_state(to_real(to_state(z)) - mean)
    assert y.tolist() == [
        [(np.array(plain.leaky(row, 123, 0, 5120)[0]) > 5120).tolist() for row in sample]
        for sample in currents.tolist()
    ]
    assert block.f.z.tolist() == (
        (z.mean(axis=-1) - mean[..., 0]).ravel().tolist() if mode is Mode.SAMPLE else []
    )


def test_norm_needs_a_current_that_passes():
    """NRM-8."""
    with pytest.raises(RangeError):
        Neuron(1.25, 0.5, 0.03, norm=MeanOnlyBatchNorm)


def test_norm_before_its_channels_are_known_is_rejected():
    """NRM-1."""
    with pytest.raises(OrderError):
        MeanOnlyBatchNorm().forward(np.ones((1, 1, 1), np.float32), True)
