"""Every backward is the adjoint of its linearised forward: <dy, J v> = <J^T dy, v> for random dy
and v.

J v comes from the forward where that is linear, else from the formula in float64. Differences are
measured against the sum of the magnitudes in both products; float32 sums of some ten terms stay
below 1e-5 of it.
"""

import float64_rules as exact
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import (
    decays_c,
    positive,
    rising_curves,
    seeds,
    shapes_nct,
    single,
    sizes,
    steps,
    tame,
    thresholds,
)

from refboot import ops
from refboot.block.cuba import Flatten
from refboot.loss import cross_entropy
from refboot.neuron import Dropout
from refboot.reference.modes import (
    delay_backward,
    delay_forward,
    mean_rate_backward,
    mean_rate_forward,
)
from refboot.routine import Mode

TOLERANCE = 1e-5
values = st.one_of(tame, single(-1, 1))


def normal(shape):
    """Random directions: of one size, so that no term hides the others."""
    return seeds.map(lambda seed: np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def assert_adjoint(*pairs):
    """Each pair is (x, y); the sum of the first's products equals that of all others'."""
    (dy, jv), *others = pairs
    scale = exact.size(dy, jv) + sum(exact.size(*pair) for pair in others)
    assert (
        abs(exact.inner(dy, jv) - sum(exact.inner(*pair) for pair in others))
        <= TOLERANCE * scale + 1e-30
    )


@given(st.data())
def test_dense_for_its_input_and_its_weight(data):
    n, i, o, t = data.draw(sizes), data.draw(sizes), data.draw(sizes), data.draw(steps)
    x, dx, w, dw, gz = (
        data.draw(normal(s)) for s in ((n, i, t), (n, i, t), (o, i), (o, i), (n, o, t))
    )
    gx, gw = ops.active().dense_backward(gz, x, w)
    assert_adjoint((gz, ops.active().dense_forward(dx, w)), (gx, dx))
    assert_adjoint((gz, ops.active().dense_forward(x, dw)), (gw, dw))


@given(st.data())
def test_input_affine_for_its_input_weight_and_bias(data):
    shape = data.draw(shapes_nct())
    x, dx, gz = (data.draw(normal(shape)) for _ in range(3))
    w, dw, db, zero = *(data.draw(normal(1)) for _ in range(3)), np.zeros(1, np.float32)
    gx, gw, gb = ops.active().input_backward(gz, x, w)
    assert_adjoint((gz, ops.active().input_forward(dx, w, zero)), (gx, dx))
    assert_adjoint((gz, ops.active().input_forward(x, dw, zero)), (gw, dw))
    assert_adjoint((gz, np.broadcast_to(db, shape)), (gb, db))


@given(st.data())
def test_weight_norm_for_v_and_g(data):
    shape = (
        data.draw(sizes),
        data.draw(st.integers(2, 6)),
        *data.draw(st.sampled_from([(), (2,)])),
    )
    v, dv, gw = (data.draw(normal(shape)) for _ in range(3))
    g, dg = (data.draw(normal(shape[0])) for _ in range(2))
    gv, gg = ops.active().weight_norm_backward(gw, v, g)
    rows, d_rows = (x.astype(np.float64).reshape(len(v), -1) for x in (v, dv))
    length = np.linalg.norm(rows, axis=1)[:, None]
    across = d_rows - rows * (rows * d_rows).sum(axis=1)[:, None] / length**2
    jv = (dg[:, None] * rows + g[:, None] * across) / length
    assert_adjoint((gw, jv.reshape(shape)), (gv, dv), (gg, dg))


@given(st.data())
def test_weight_norm_has_no_gradient_along_v(data):
    v, gw, g = data.draw(normal((3, 5))), data.draw(normal((3, 5))), data.draw(normal(3))
    gv, _ = ops.active().weight_norm_backward(gw, v, g)
    length = np.linalg.norm(v, axis=1)
    assert abs(exact.inner(gv, v)) <= TOLERANCE * exact.size(gw * (g / length)[:, None], v)


@given(st.data())
def test_leaky_integrator_for_its_input(data):
    shape = data.draw(shapes_nct())
    decay, gy, dx = (
        data.draw(decays_c(shape[1])),
        data.draw(normal(shape)),
        data.draw(normal(shape)),
    )
    jv = exact.leaky(dx, exact.keep_of(decay, len(shape) - 1))
    assert_adjoint((gy, jv), (ops.active().leaky_backward(gy, decay), dx))


@given(st.data())
def test_leaky_integrator_without_rounding_is_its_own_linear_map(data):
    shape, keep = data.draw(shapes_nct()), data.draw(st.sampled_from([0, 4096]))
    gy, drive = (
        data.draw(normal(shape)),
        data.draw(hnp.arrays(np.int64, shape, elements=st.integers(-4096, 4096))),
    )
    decay, start = np.array([4096 - keep]), np.zeros(shape[:-1], np.int64)
    y, _ = ops.active().leaky_forward(drive, decay, start)
    assert_adjoint((gy, y), (ops.active().leaky_backward(gy, decay), drive))


@given(st.data())
def test_leaky_integrator_for_its_decay(data):
    """Against the central difference of the real-valued recurrence; lava-dl's gradient is -4096
    times this one.
    """
    shape, shared = data.draw(shapes_nct()), data.draw(st.booleans())
    channels = 1 if shared else shape[1]
    decay = data.draw(hnp.arrays(np.float64, channels, elements=st.floats(10, 4000))).round()
    gy, x, direction = (
        data.draw(normal(shape)),
        100 * data.draw(normal(shape)),
        data.draw(normal(channels)),
    )
    y = np.rint(exact.leaky(x, exact.keep_of(decay, len(shape) - 1)) * 4096).astype(np.int64)
    gx = ops.active().leaky_backward(gy, decay.astype(np.int64))
    gd = ops.active().leaky_decay_backward(gx, y, shared)

    def functional(d):
        return exact.inner(gy, exact.leaky(x, exact.keep_of(d, len(shape) - 1)))

    scale = exact.size(gx, y) / 4096**2
    assert (
        abs(
            exact.slope_along(functional, decay, direction.astype(np.float64), 1.0)
            - exact.inner(gd, direction)
        )
        <= 1e-3 * scale + 1e-12
    )


@given(st.data())
def test_neuron_with_the_surrogate_in_place_of_the_spikes_slope(data):
    shape = data.draw(shapes_nct())
    threshold = data.draw(thresholds.filter(lambda t: t < 2**20)) / 4096
    tau, scale = 100 * threshold * data.draw(positive), data.draw(positive)
    i_decay, v_decay = data.draw(decays_c(shape[1])), data.draw(decays_c(shape[1]))
    gs, voltage, dz = data.draw(normal(shape)), data.draw(normal(shape)), data.draw(normal(shape))
    du = exact.leaky(dz, exact.keep_of(i_decay, len(shape) - 1))
    dv = exact.leaky(du, exact.keep_of(v_decay, len(shape) - 1))
    gz = ops.active().cuba_backward(gs, voltage, i_decay, v_decay, threshold, tau, scale)
    assert_adjoint((gs, exact.surrogate(voltage, threshold, tau, scale) * dv), (gz, dz))


@given(rising_curves(), st.data())
def test_rate_curve_within_a_piece_with_its_documented_scale_and_eps(curve, data):
    """J is scale times the slope, measured between two points of the piece, plus eps."""
    eps = data.draw(st.floats(1e-6, 1e-2))
    piece = data.draw(st.integers(0, len(curve.slopes) - 1))
    left, right = curve.knots[piece : piece + 2, 0]
    z = np.float32([[0.75, 0.25, 0.5]]) * np.float32(right - left) + np.float32(left)
    a = ops.active().pwl_forward(z, *curve).astype(np.float64)
    slope = (a[0, 0] - a[0, 1]) / (np.float64(z[0, 0]) - np.float64(z[0, 1]))
    scale = curve.knots[-1, 0] / curve.knots[-1, 1] if curve.knots[-1, 0] > 0 else 1
    got = ops.active().pwl_backward(np.ones_like(z), z, *curve, curve.scale, eps)
    np.testing.assert_allclose(got, np.full(z.shape, slope * scale + eps), rtol=1e-3)


@given(rising_curves(), st.floats(1e-6, 1e-2), st.floats(0.01, 100))
def test_rate_curve_is_flat_outside_its_pieces_and_lets_eps_through(curve, eps, distance):
    z = np.float32([[curve.knots[0, 0] - distance, curve.knots[-1, 0] + distance]])
    np.testing.assert_array_equal(ops.active().pwl_forward(z, *curve), np.float32([[0, curve.max]]))
    np.testing.assert_array_equal(
        ops.active().pwl_backward(np.ones_like(z), z, *curve, curve.scale, eps),
        np.full((1, 2), np.float32(eps)),
    )


@given(st.data())
def test_mean_over_time(data):
    shape = data.draw(shapes_nct())
    gy, dx = data.draw(normal((*shape[:-1], 1))), data.draw(normal(shape))
    assert_adjoint((gy, mean_rate_forward(dx)), (mean_rate_backward(gy, shape[-1]), dx))


@given(st.data())
def test_delay_shift(data):
    shape = data.draw(shapes_nct())
    gy, dx = data.draw(normal(shape)), data.draw(normal(shape))
    assert_adjoint((gy, delay_forward(dx)), (delay_backward(gy), dx))


@given(st.data())
def test_flatten(data):
    shape, flatten = data.draw(shapes_nct()), Flatten()
    y = flatten(dx := data.draw(normal(shape)), Mode.ANN)
    assert y.shape == (shape[0], int(np.prod(shape[1:-1])), shape[-1])
    gy = data.draw(normal(y.shape))
    assert_adjoint((gy, y), (flatten.backward(gy), dx))


@given(st.data())
def test_dropout_with_one_mask_per_neuron_for_all_steps(data):
    shape, seed, p = data.draw(shapes_nct()), data.draw(seeds), data.draw(st.floats(0, 0.9))
    drop, again = (Dropout(p, np.random.default_rng(seed)) for _ in range(2))
    gy, dx = data.draw(normal(shape)), data.draw(normal(shape))
    y = drop.forward(dx, True)
    assert_adjoint((gy, y), (drop.backward(gy), dx))
    mask = again.forward(np.ones(shape, np.float32), True)
    assert (mask == mask[..., :1]).all()
    np.testing.assert_allclose(mask[mask != 0], 1 / (1 - p), rtol=1e-6)


@given(st.data())
def test_dropout_outside_training_lets_all_through(data):
    x = data.draw(normal(data.draw(shapes_nct())))
    drop = Dropout(0.5, np.random.default_rng(1))
    drop.forward(x, True)
    assert drop.forward(x, False) is x
    assert drop.backward(x) is x


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_dropout_keeps_the_share_it_should_and_the_mean(p):
    y = Dropout(p, np.random.default_rng(1)).forward(np.ones((200, 500, 1), np.float32), True)
    deviation = np.sqrt(p * (1 - p) / y.size)
    assert abs((y > 0).mean() - (1 - p)) < 4 * deviation
    assert abs(y.mean() - 1) < 4 * deviation / (1 - p)


@given(st.data())
def test_cross_entropy_against_its_formula_and_central_differences(data):
    n, k = data.draw(sizes), data.draw(st.integers(2, 6))
    logits, direction = 3 * data.draw(normal((n, k))), data.draw(normal((n, k))).astype(np.float64)
    labels = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, k - 1)))
    loss, grad = cross_entropy(logits, labels)
    assert abs(loss - exact.cross_entropy(logits.astype(np.float64), labels)) <= 1e-5
    slope = exact.slope_along(
        lambda x: exact.cross_entropy(x, labels), logits.astype(np.float64), direction, 1e-4
    )
    assert abs(slope - exact.inner(grad, direction)) <= 1e-5


@given(st.data())
def test_surrogate_of_the_spike_is_its_formula(data):
    voltage, grad = (data.draw(hnp.arrays(np.float32, (3, 4), elements=values)) for _ in range(2))
    threshold, tau, scale = data.draw(positive), data.draw(positive) * 100, data.draw(positive)
    got = ops.active().spike_backward(grad, voltage, threshold, tau, scale)
    np.testing.assert_allclose(
        got,
        grad * exact.surrogate(voltage, np.float32(threshold), tau, scale),
        rtol=1e-5,
        atol=1e-30,
    )


@given(st.data())
def test_surrogate_of_the_graded_spike_is_its_formula(data):
    voltage, grad = (data.draw(hnp.arrays(np.float32, (3, 4), elements=values)) for _ in range(2))
    threshold, tau, scale = data.draw(positive), data.draw(positive) * 100, data.draw(positive)
    got = ops.active().graded_backward(grad, voltage, threshold, tau, scale)
    np.testing.assert_allclose(
        got,
        grad * exact.graded_surrogate(voltage, np.float32(threshold), tau, scale),
        rtol=1e-5,
        atol=1e-30,
    )


@given(st.floats(0.1, 10), st.floats(0.1, 10))
def test_surrogate_is_largest_at_the_threshold_symmetric_and_of_area_scale(threshold, tau):
    distance = np.linspace(-40 * tau, 40 * tau, 20001).astype(np.float32)
    voltage = (np.float32(threshold) + distance).astype(np.float32)
    voltage = voltage.reshape(1, 1, -1)
    slope = ops.active().spike_backward(np.ones_like(voltage), voltage, threshold, tau, 0.1)
    slope = slope.ravel().astype(np.float64)
    assert slope.argmax() == 10000
    np.testing.assert_allclose(slope, slope[::-1], rtol=1e-3)
    assert abs(slope.sum() * 80 * tau / 20000 - 0.1) < 1e-4


@given(st.data())
def test_quantisation_passes_the_gradient_where_the_rounded_weight_is_in_range(data):
    x, grad = (data.draw(hnp.arrays(np.float32, 8, elements=e)) for e in (single(-8, 8), values))
    rounded = np.rint(x.astype(np.float64) * 32)
    passed = (rounded >= -128) & (rounded <= 127)
    np.testing.assert_array_equal(
        ops.active().quantize_8bit_backward(grad, x), np.where(passed, grad, 0)
    )
