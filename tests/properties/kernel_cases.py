"""What each kernel is compared on, as strategies by the function's name, and the bounds of those that are not equal in every bit."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import (
    any_reals,
    curves,
    decays_c,
    filled,
    inputs_around,
    own_layouts,
    positive,
    reals,
    reals_of,
    rising_curves,
    shapes_nct,
    single,
    sizes,
    spikes_nct,
    states_of,
    steps,
    tame,
    thresholds,
    weights_oi,
    wide_reals,
)

from refboot import reference

U = 2.0**-24  # half a unit in the last place of 1, float32
TINY = float(np.finfo(np.float32).tiny)


def ulps(count, size):
    """`count` units in the last place of numbers of this size."""
    return count * np.maximum(2 * U * np.abs(size.astype(np.float64)), TINY)


@st.composite
def quantize_8bit(draw):
    return (draw(reals_of(draw(shapes_nct()), any_reals)),)


@st.composite
def quantize_8bit_backward(draw):
    shape = draw(shapes_nct())
    return draw(reals_of(shape)), draw(reals_of(shape, any_reals))


@st.composite
def leaky_forward(draw):
    shape = draw(shapes_nct())
    drive, state, decay = draw(states_of(shape, 2**47)), draw(states_of(shape[:-1])), draw(decays_c(shape[1]))
    return drive, decay, state, draw(st.one_of(st.none(), thresholds)), draw(st.booleans())


@st.composite
def leaky_backward(draw):
    shape = draw(shapes_nct())
    return draw(reals_of(shape, wide_reals)), draw(decays_c(shape[1]))


@st.composite
def leaky_decay_backward(draw):
    shape = draw(shapes_nct())
    return draw(reals_of(shape)), draw(states_of(shape, 2**30)), draw(st.booleans())


@st.composite
def spike_forward(draw):
    threshold = draw(thresholds)
    near = st.integers(threshold - 2, threshold + 2)
    return draw(filled(draw(shapes_nct()), st.one_of(near, st.integers(-(2**49), 2**49)), np.int64)), threshold


@st.composite
def spike_backward(draw):
    shape = draw(shapes_nct())
    threshold = draw(thresholds) / 4096
    return draw(reals_of(shape)), draw(reals_of(shape, wide_reals)), threshold, 100 * threshold * draw(positive), draw(positive)


@st.composite
def cuba_forward(draw):
    shape = draw(shapes_nct())
    z, i_decay, v_decay = draw(reals_of(shape, wide_reals)), draw(decays_c(shape[1])), draw(decays_c(shape[1]))
    return z, i_decay, v_decay, draw(thresholds), draw(states_of(shape[:-1], 2**44)), draw(states_of(shape[:-1], 2**44))


@st.composite
def cuba_backward(draw):
    shape = draw(shapes_nct())
    threshold = draw(thresholds) / 4096
    decays = draw(decays_c(shape[1])), draw(decays_c(shape[1]))
    return draw(reals_of(shape)), draw(reals_of(shape, wide_reals)), *decays, threshold, 100 * threshold * draw(positive), draw(positive)


@st.composite
def dense_forward(draw):
    n, i, o, t = draw(sizes), draw(st.integers(1, 9)), draw(sizes), draw(steps)
    return draw(spikes_nct((n, i, t))), draw(weights_oi(o, i))


@st.composite
def dense_backward(draw):
    n, i, o, t = draw(sizes), draw(st.integers(1, 9)), draw(sizes), draw(steps)
    return draw(reals_of((n, o, t))), draw(reals_of((n, i, t))), draw(weights_oi(o, i))


@st.composite
def norm_rows(draw):
    """v (O, I) or (O, I, H, W), no row of it zero."""
    shape = (draw(sizes), draw(st.integers(1, 9)), *draw(st.sampled_from([(), (2, 3)])))
    return draw(filled(shape, st.one_of(positive, positive.map(lambda x: -x))))


@st.composite
def weight_norm_forward(draw):
    v = draw(norm_rows())
    return v, draw(reals_of(len(v)))


@st.composite
def weight_norm_backward(draw):
    v, g = draw(weight_norm_forward())
    return draw(reals_of(v.shape)), v, g


@st.composite
def input_forward(draw):
    return draw(reals_of(draw(shapes_nct()), wide_reals)), draw(reals_of(1)), draw(reals_of(1))


@st.composite
def input_backward(draw):
    shape = draw(shapes_nct())
    return draw(reals_of(shape)), draw(reals_of(shape)), draw(reals_of(1))


@st.composite
def points_n(draw):
    """z and a (n,) in float32 or float64, n from 0; a is k/16, or anything."""
    n, dtype = draw(st.integers(0, 30)), draw(st.sampled_from([np.float32, np.float64]))
    rates = st.one_of(st.integers(0, 16).map(lambda k: k / 16), single(0, 1), single(-1, 4))
    return draw(hnp.arrays(dtype, n, elements=tame)), draw(hnp.arrays(dtype, n, elements=rates))


@st.composite
def saturation(draw):
    _, a = draw(points_n())
    high = draw(st.one_of(st.just(0.9), st.floats(0, 1)))
    edge = np.array([high * a.max(initial=0.0)], a.dtype)  # the point at which the comparison must not round
    return np.concatenate([a, edge, edge]), high


@st.composite
def band_medians(draw):
    z, a = draw(points_n())
    low, high = draw(st.tuples(st.floats(0, 0.5), st.floats(0.6, 1)))
    return z, a, np.linspace(low, high, draw(st.one_of(st.integers(1, 12), st.integers(120, 260))) + 1)


@st.composite
def pwl_forward(draw):
    curve = draw(st.one_of(curves(), rising_curves()))
    return draw(inputs_around(curve, draw(shapes_nct()))), curve.knots, curve.slopes


@st.composite
def pwl_backward(draw):
    curve = draw(st.one_of(curves(), rising_curves()))
    shape = draw(shapes_nct())
    return draw(reals_of(shape)), draw(inputs_around(curve, shape)), curve.knots, curve.slopes, curve.scale, 1e-5


@st.composite
def cross_entropy_forward(draw):
    shape = draw(sizes), draw(st.integers(1, 12))
    logits = draw(reals_of(shape, st.one_of(reals, single(-1e30, 1e30))))
    return logits, draw(filled(shape[0], st.integers(0, shape[1] - 1), np.int64))


@st.composite
def cross_entropy_backward(draw):
    logits, labels = draw(cross_entropy_forward())
    return reference.cross_entropy_forward(logits, labels)[1], labels


@st.composite
def optimiser_arrays(draw, *kinds):
    """p, its gradient and its moments, of one shape, each in a layout of its own."""
    shape = draw(st.one_of(st.tuples(sizes), st.tuples(sizes, sizes)))
    return [draw(own_layouts)(draw(hnp.arrays(np.float32, shape, elements=kind))) for kind in kinds]


@st.composite
def sgd_step(draw):
    return *draw(optimiser_arrays(tame, wide_reals, tame)), draw(positive), draw(st.floats(0, 0.99))


@st.composite
def adam_step(draw):
    arrays = draw(optimiser_arrays(tame, wide_reals, tame, single(0, 8)))
    betas = draw(st.tuples(st.floats(0, 0.9999), st.floats(0, 0.9999)))
    return *arrays, draw(st.integers(1, 10**6)), draw(positive), *betas, draw(st.floats(1e-9, 1e-2))


def total(x, y, axes):
    """The sum of the magnitudes of products, which bounds every order of summation."""
    return np.tensordot(np.abs(x.astype(np.float64)), np.abs(y.astype(np.float64)), axes)


def decay_bound(gx, y, shared):
    products = np.abs(gx[..., 1:] * (y[..., :-1] / 4096.0))
    return [ulps(4, products.sum(axis=None if shared else (0, *range(2, products.ndim))) / 4096)]


def underflow(grad, slope):
    """What is lost where one exponential is the last above zero, and the other zero."""
    return TINY * slope * float(np.abs(grad).max())


def surrogate_bound(grad, voltage, threshold, tau, scale):
    return [ulps(4, reference.spike_backward(grad, voltage, threshold, tau, scale)) + underflow(grad, scale / (2 * tau))]


def graded_bound(grad, voltage, threshold, tau, scale):
    return [ulps(4, reference.graded_backward(grad, voltage, threshold, tau, scale)) + underflow(grad, scale)]


def cuba_bound(grad, voltage, i_decay, v_decay, threshold, tau, scale):
    """4 ulps of the gradient that |grad| would give, in which nothing cancels."""
    size = reference.cuba_backward(np.abs(grad), voltage, i_decay, v_decay, threshold, tau, scale)
    return [ulps(4, size) + underflow(grad, scale / (2 * tau)) * grad.shape[-1] ** 2]


def dense_bounds(grad, x, weight):
    (n, o, t), i = grad.shape, weight.shape[1]
    gx = total(weight, grad, ((0,), (1,))).transpose(1, 0, 2)
    return ulps(o, gx), ulps(n * t, total(grad, x, ((0, 2), (0, 2))).reshape(o, i))


def norm_bounds(v, g):
    return [ulps(4, reference.weight_norm_forward(v, g))]


def norm_backward_bounds(grad, v, g):
    per_row = (-1, *[1] * (v.ndim - 1))
    norm = reference.synapse.row_norm(v)
    along = total(grad.reshape(len(v), -1), v.reshape(len(v), -1), ((1,), (1,))).diagonal() / norm
    parts = np.abs(grad) + np.abs(v) * (along / norm).reshape(per_row)
    return ulps(4, np.abs(g / norm).reshape(per_row) * parts), ulps(4, along)


def input_bounds(grad, x, weight):
    return ulps(0, grad), ulps(4, np.abs(grad * x).sum(keepdims=True).reshape(1)), ulps(4, np.abs(grad).sum(keepdims=True).reshape(1))


def entropy_bounds(logits, labels):
    loss, softmax = reference.cross_entropy_forward(logits, labels)
    return ulps(4, np.maximum(1, np.float64(loss))), ulps(4, softmax)


def saturation_bound(a, high):
    return [1e-12 * np.maximum(1, reference.saturation(a, high))]


EXACT = {
    "adam_step": adam_step(),
    "band_medians": band_medians(),
    "cross_entropy_backward": cross_entropy_backward(),
    "cuba_forward": cuba_forward(),
    "dense_forward": dense_forward(),
    "graded_forward": spike_forward(),
    "input_forward": input_forward(),
    "leaky_backward": leaky_backward(),
    "leaky_forward": leaky_forward(),
    "pwl_backward": pwl_backward(),
    "pwl_forward": pwl_forward(),
    "quantize_8bit": quantize_8bit(),
    "quantize_8bit_backward": quantize_8bit_backward(),
    "sgd_step": sgd_step(),
    "spike_forward": spike_forward(),
}
BOUNDED = {
    "cross_entropy_forward": (cross_entropy_forward(), entropy_bounds),
    "cuba_backward": (cuba_backward(), cuba_bound),
    "dense_backward": (dense_backward(), dense_bounds),
    "graded_backward": (spike_backward(), graded_bound),
    "input_backward": (input_backward(), input_bounds),
    "leaky_decay_backward": (leaky_decay_backward(), decay_bound),
    "saturation": (saturation(), saturation_bound),
    "spike_backward": (spike_backward(), surrogate_bound),
    "weight_norm_backward": (weight_norm_backward(), norm_backward_bounds),
    "weight_norm_forward": (weight_norm_forward(), norm_bounds),
}
