"""What each kernel is compared on, as strategies by the function's name."""

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
    drive, state, decay = (
        draw(states_of(shape, 2**47)),
        draw(states_of(shape[:-1])),
        draw(decays_c(shape[1])),
    )
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
    return draw(
        filled(draw(shapes_nct()), st.one_of(near, st.integers(-(2**49), 2**49)), np.int64)
    ), threshold


@st.composite
def spike_backward(draw):
    shape = draw(shapes_nct())
    threshold = draw(thresholds) / 4096
    return (
        draw(reals_of(shape)),
        draw(reals_of(shape, wide_reals)),
        threshold,
        100 * threshold * draw(positive),
        draw(positive),
    )


@st.composite
def cuba_forward(draw):
    """z of every size, also such as brings the state to the threshold and no further, or to the
    edge of 32 bits.
    """
    shape, threshold = draw(shapes_nct()), draw(thresholds)
    exact = st.sampled_from([threshold / 4096, threshold / 8192, (threshold + 1) / 4096, 0.0]).map(
        lambda x: float(np.float32(x))
    )
    edge = single(-(2.0**19), 2.0**19)
    z = draw(reals_of(shape, draw(st.sampled_from([reals, exact, edge, wide_reals]))))
    i_decay, v_decay = draw(decays_c(shape[1])), draw(decays_c(shape[1]))
    still = filled(shape[:-1], st.just(0), np.int64)
    u, v = (draw(st.one_of(still, states_of(shape[:-1], 2**44))) for _ in range(2))
    return z, i_decay, v_decay, threshold, u, v


@st.composite
def cuba_backward(draw):
    shape = draw(shapes_nct())
    threshold = draw(thresholds) / 4096
    decays = draw(decays_c(shape[1])), draw(decays_c(shape[1]))
    return (
        draw(reals_of(shape)),
        draw(reals_of(shape, wide_reals)),
        *decays,
        threshold,
        100 * threshold * draw(positive),
        draw(positive),
    )


outputs = st.one_of(sizes, st.integers(31, 34))  # from 32 on, sums are driven by events


@st.composite
def dense_forward(draw):
    n, i, o, t = draw(sizes), draw(st.integers(1, 9)), draw(outputs), draw(steps)
    return draw(spikes_nct((n, i, t))), draw(weights_oi(o, i))


@st.composite
def dense_backward(draw):
    x, weight = draw(dense_forward())
    return (
        draw(reals_of((len(x), len(weight), x.shape[-1]))),
        draw(st.one_of(st.just(x), reals_of(x.shape))),
        weight,
    )


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
    edge = np.array(
        [high * a.max(initial=0.0)], a.dtype
    )  # the point at which the comparison must not round
    return np.concatenate([a, edge, edge]), high


@st.composite
def band_medians(draw):
    z, a = draw(points_n())
    low, high = draw(st.tuples(st.floats(0, 0.5), st.floats(0.6, 1)))
    return (
        z,
        a,
        np.linspace(low, high, draw(st.one_of(st.integers(1, 12), st.integers(120, 260))) + 1),
    )


@st.composite
def pwl_forward(draw):
    curve = draw(st.one_of(curves(), rising_curves()))
    return draw(inputs_around(curve, draw(shapes_nct()))), curve.knots, curve.slopes


@st.composite
def pwl_backward(draw):
    curve = draw(st.one_of(curves(), rising_curves()))
    shape = draw(shapes_nct())
    return (
        draw(reals_of(shape)),
        draw(inputs_around(curve, shape)),
        curve.knots,
        curve.slopes,
        curve.scale,
        1e-5,
    )


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


@st.composite
def mean_rate_forward(draw):
    return (draw(reals_of(draw(shapes_nct()))),)


CASES = {
    "mean_rate_forward": mean_rate_forward(),
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
    "cross_entropy_forward": cross_entropy_forward(),
    "cuba_backward": cuba_backward(),
    "dense_backward": dense_backward(),
    "graded_backward": spike_backward(),
    "input_backward": input_backward(),
    "leaky_decay_backward": leaky_decay_backward(),
    "saturation": saturation(),
    "spike_backward": spike_backward(),
    "weight_norm_backward": weight_norm_backward(),
    "weight_norm_forward": weight_norm_forward(),
}
