"""Strategies named by the shape of what they draw: N samples, C channels, I inputs, O outputs, K
classes, T steps; time is last.

Real values are float32, state is int64 in units of 1/4096. Sizes are small: every rule here holds
per element or per sum.
"""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refboot.reference.fit import Curve, fit_curve

sizes = st.integers(1, 4)
steps = st.one_of(st.just(1), st.integers(1, 7))
seeds = st.integers(0, 2**32 - 1)


def single(low, high):
    """float32 numbers in [low, high], as Python floats."""
    return st.floats(float(np.float32(low)), float(np.float32(high)), width=32)


tame = single(-8, 8)
tiny = st.sampled_from(
    [
        float(np.float32(x))
        for x in (0.0, -0.0, 1e-45, -1e-45, 1.2e-38, -1.2e-38, 1e-4, -1e-4, 2.44140625e-4)
    ]
)
large = single(-(2.0**30), 2.0**30)
on_grid = st.integers(-1024, 1024).map(lambda k: k / 64)
reals = st.one_of(tame, tame, tiny, on_grid)
wide_reals = st.one_of(tame, tiny, on_grid, large)
any_reals = st.one_of(wide_reals, single(-3.4e38, 3.4e38))
positive = st.one_of(single(2**-10, 16), single(2**-10, 1))
weights = st.integers(-128, 127).map(lambda k: k / 32)
mantissas = st.one_of(st.sampled_from([0, 1, 4095, 4096]), st.integers(0, 4096))
thresholds = st.one_of(st.integers(1, 256), st.integers(64 * 64, 2**14), st.just(2**26)).map(
    lambda mantissa: 64 * mantissa
)


def as_c(x):
    return np.ascontiguousarray(x)


def as_fortran(x):
    return np.asfortranarray(x)


def as_every_second(x):
    """Between two values lies one that nobody may read."""
    gaps = np.full((*x.shape[:-1], 2 * x.shape[-1]), 77, x.dtype)
    gaps[..., ::2] = x
    return gaps[..., ::2]


def as_reversed(x):
    """Negative strides."""
    return np.ascontiguousarray(x[::-1])[::-1]


def as_held(x):
    """The first step held for all: stride 0 along time."""
    return np.broadcast_to(x[..., :1], x.shape)


def as_repeated(x):
    """The first sample for all: stride 0 along the batch."""
    return np.broadcast_to(x[:1], x.shape)


own_layouts = st.sampled_from([as_c, as_c, as_fortran, as_every_second, as_reversed])
layouts = st.one_of(own_layouts, st.sampled_from([as_held, as_repeated]))


def filled(shape, elements, dtype=np.float32):
    """An array of this shape, in any memory layout."""
    return st.builds(
        lambda layout, x: layout(x), layouts, hnp.arrays(dtype, shape, elements=elements)
    )


def reals_of(shape, elements=reals):
    return filled(shape, elements)


def states_of(shape, bound=2**49):
    """States of one size: small, such as 32 bits hold, or up to the bound."""
    of_size = st.sampled_from([20000, min(2**30, bound), bound])
    return of_size.flatmap(
        lambda size: filled(
            shape, st.one_of(st.integers(-20000, 20000), st.integers(-size, size)), np.int64
        )
    )


@st.composite
def shapes_nct(draw):
    """(N, C, T), now and then with space: (N, C, H, W, T)."""
    space = draw(st.one_of(st.just(()), st.tuples(st.integers(1, 2), st.integers(1, 3))))
    return (draw(sizes), draw(sizes), *space, draw(steps))


def decays_c(channels):
    """Integer decays, one for all or one per channel."""
    return st.sampled_from([1, channels]).flatmap(
        lambda n: hnp.arrays(np.int64, n, elements=mantissas)
    )


def spikes_nct(shape):
    return filled(shape, st.sampled_from([0.0, 1.0]))


def weights_oi(outputs, inputs):
    """Weights on their grid."""
    return filled((outputs, inputs), weights)


@st.composite
def curves(draw):
    """A fitted curve."""
    n = draw(st.integers(0, 20))
    z = draw(hnp.arrays(np.float64, n, elements=st.floats(-4, 4)))
    a = draw(hnp.arrays(np.float64, n, elements=st.integers(0, 16).map(lambda k: k / 16)))
    return fit_curve(z, a, num_centers=draw(st.integers(1, 8)))


@st.composite
def rising_curves(draw):
    """Any curve that rises, fitted or not: K knots with gaps of at least 2^-6, and the slopes of
    its pieces.
    """
    gaps = draw(hnp.arrays(np.float64, (draw(st.integers(1, 6)), 2), elements=st.floats(2**-6, 2)))
    start = draw(st.floats(-4, 4))
    knots = np.vstack([[0.0, 0.0], np.cumsum(gaps, axis=0)]) + np.array([start, 0.0])
    return Curve(knots, gaps[:, 1] / gaps[:, 0])


def inputs_around(curve, shape):
    """z near, on and far from the knots of a curve."""
    knots = [float(k) for k in curve.knots[:, 0].astype(np.float32)]
    return filled(shape, st.one_of(tame, st.sampled_from(knots), any_reals))
