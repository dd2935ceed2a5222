"""What the kernels of convolution, pooling, norms, resets and rate losses are compared on, as
strategies by the function's name.
"""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from strategies import (
    decays_c,
    filled,
    reals,
    reals_of,
    shapes_nct,
    single,
    sizes,
    states_of,
    steps,
    thresholds,
    weights,
)

from refboot.reference.conv import output_size

U = 2.0**-23  # one unit in the last place of 1, float32
TINY = float(np.finfo(np.float32).tiny)
rates = st.one_of(
    st.integers(0, 16).map(lambda k: k / 16), single(0, 1), st.sampled_from([1 / 1024, 2**-11])
)


@st.composite
def windows(draw):
    """Kernel, stride, padding, dilation and a picture's size, each (height, width), that fit
    together; and a number of steps.
    """
    kernel, stride, dilation = (
        draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(3)
    )
    padding, size = (
        draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        draw(st.tuples(st.integers(1, 7), st.integers(1, 7))),
    )
    assume(
        all(
            output_size(size[k], kernel[k], stride[k], padding[k], dilation[k]) > 0
            for k in range(2)
        )
    )
    return kernel, stride, padding, dilation, size, draw(steps)


@st.composite
def conv_sides(draw, inputs, weight):
    """x (N, C, H, W, T), weight (O, C/G, K, L), the window's numbers and groups; and the shape of
    z.
    """
    kernel, stride, padding, dilation, size, t = draw(windows())
    n, groups, c, o = (
        draw(sizes),
        draw(st.integers(1, 2)),
        draw(st.integers(1, 2)),
        draw(st.integers(1, 2)),
    )
    x, w = (
        draw(filled((n, groups * c, *size, t), inputs)),
        draw(filled((groups * o, c, *kernel), weight)),
    )
    out = [output_size(size[k], kernel[k], stride[k], padding[k], dilation[k]) for k in range(2)]
    return (x, w, stride, padding, dilation, groups), (n, groups * o, *out, t)


@st.composite
def conv_forward(draw):
    return draw(conv_sides(st.sampled_from([0.0, 1.0]), weights))[0]


@st.composite
def conv_backward(draw):
    args, shape = draw(conv_sides(reals, weights))
    return draw(reals_of(shape)), *args


@st.composite
def pool_sides(draw):
    """x, weight (K, L) and the window's numbers; and the shape of z."""
    kernel, stride, padding, dilation, size, t = draw(windows())
    x, weight = draw(reals_of((draw(sizes), draw(sizes), *size, t))), draw(filled(kernel, weights))
    whole = [-(-size[k] // kernel[k]) * kernel[k] for k in range(2)]
    out = [output_size(whole[k], kernel[k], stride[k], padding[k], dilation[k]) for k in range(2)]
    return (x, weight, stride, padding, dilation), (*x.shape[:2], *out, t)


@st.composite
def pool_backward(draw):
    (x, weight, *window), shape = draw(pool_sides())
    return draw(reals_of(shape)), weight, x.shape[2:4], *window


@st.composite
def populations(draw):
    groups, members = draw(sizes), draw(sizes)
    space = draw(st.sampled_from([(), (2, 3)]))
    return draw(reals_of((draw(sizes), groups * members, *space, draw(steps)))), groups


@st.composite
def average_backward(draw):
    x, groups = draw(populations())
    return draw(reals_of((len(x), groups, x.shape[-1]))), x.shape


powers = st.integers(-3, 3).map(lambda k: np.array([2.0**k], np.float32))


@st.composite
def norm_forward(draw):
    x = draw(reals_of(draw(shapes_nct())))
    return x, draw(reals_of(x.shape[1])), draw(powers)


@st.composite
def norm_backward(draw):
    grad = draw(reals_of(draw(shapes_nct())))
    return grad, draw(powers), draw(filled(grad.shape[1], st.sampled_from([0.0, 1.0])))


@st.composite
def saturated_forward(draw):
    shape = draw(shapes_nct())
    drive, state, decay = (
        draw(states_of(shape, 2**24)),
        draw(states_of(shape[:-1], 2**23)),
        draw(decays_c(shape[1])),
    )
    return drive, decay, state, draw(st.one_of(st.none(), thresholds)), draw(st.booleans())


@st.composite
def wrapped_forward(draw):
    return draw(saturated_forward())[:3]


@st.composite
def adaptive_forward(draw):
    shape = draw(shapes_nct())
    decays = draw(decays_c(shape[1])), draw(decays_c(shape[1]))
    states = [draw(filled(shape[:-1], st.integers(0, 2**24), np.int64)) for _ in range(2)]
    return (
        draw(states_of(shape, 2**27)),
        *decays,
        draw(thresholds),
        draw(st.one_of(st.just(0), thresholds)),
        *states,
    )


@st.composite
def rated(draw):
    shape = draw(sizes), draw(st.integers(1, 12))
    return draw(filled(shape, rates)), draw(
        filled(shape[0], st.integers(0, shape[1] - 1), np.int64)
    )


@st.composite
def rate_error_forward(draw):
    return *draw(rated()), draw(st.floats(0, 1)), draw(st.floats(0, 1))


@st.composite
def share_backward(draw):
    r, _ = draw(rated())
    return draw(reals_of(r.shape)), r


CASES = {
    "adaptive_forward": adaptive_forward(),
    "average_backward": average_backward(),
    "average_forward": populations(),
    "conv_forward": conv_forward(),
    "norm_forward": norm_forward(),
    "pool_backward": pool_backward(),
    "pool_forward": pool_sides().map(lambda sides: sides[0]),
    "rate_error_backward": rated().map(lambda pair: pair[:1]),
    "rate_error_forward": rate_error_forward(),
    "saturated_forward": saturated_forward(),
    "share_forward": rated().map(lambda pair: pair[:1]),
    "share_loss_backward": rated(),
    "wrapped_forward": wrapped_forward(),
    "conv_backward": conv_backward(),
    "norm_backward": norm_backward(),
    "norm_statistics": norm_forward().map(lambda args: args[:1]),
    "share_backward": share_backward(),
    "share_loss_forward": rated(),
}
