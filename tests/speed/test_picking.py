"""What is picked out of an array: these, in their order, and nothing is written far behind them."""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot.kernels import picking, ranks
from refboot.kernels.jit import COMPILED
from refboot.kernels.vectors import LANES

pytestmark = pytest.mark.skipif(
    not COMPILED, reason="needs compiled kernels (NUMBA_DISABLE_JIT is set)"
)
MARK, GUARD = np.uint8(7), 99

pick = numba.njit(lambda x, marks, found: picking.pick(x, marks, MARK, found))
pick_from = numba.njit(lambda x, marks, found: picking.pick_from(x, marks, MARK, found))
how_many = numba.njit(lambda x: picking.how_many(x, MARK))
within = numba.njit(
    lambda z, a, found_z, found_a: picking.pick_within(
        z, a, np.float32(0.25), np.float32(0.75), found_z, found_a
    )
)
ranked = numba.njit(lambda x, rank: ranks.number_of(ranks.ranked(ranks.keys_of(x), rank)))
sizes, seeds = st.integers(0, 700), st.integers(0, 999)


def numbers(n, seed, kind=np.float32):
    return np.random.default_rng(seed).integers(0, 90, n).astype(kind)


def marks_of(n, seed):
    rng = np.random.default_rng(seed)
    return rng.choice(np.arange(5, 10, dtype=np.uint8), n, p=rng.dirichlet(np.ones(5)))


def assert_picked(found, count, wanted):
    assert count == len(wanted)
    np.testing.assert_array_equal(found[:count], wanted)
    assert (found[count + LANES :] == GUARD).all()


@given(sizes, seeds)
def test_as_many_as_there_are(n, seed):
    marks = marks_of(n, seed)
    assert how_many(marks) == np.count_nonzero(marks == MARK)


@given(sizes, seeds)
def test_those_with_a_mark_and_those_with_a_higher_one(n, seed):
    x, marks = numbers(n, seed), marks_of(n, seed)
    for function, own in ((pick, marks == MARK), (pick_from, marks >= MARK)):
        found = np.full(n + LANES, GUARD, np.float32)
        assert_picked(found, function(x, marks, found), x[own])
    found = np.full(n + LANES, GUARD, np.uint8)
    assert_picked(found, pick_from(marks, marks, found), marks[marks >= MARK])


@given(sizes, seeds)
def test_points_with_rates_within_bounds(n, seed):
    z, a = numbers(n, seed), numbers(n, seed + 1) / np.float32(64)
    found_z, found_a = np.full((2, n + LANES), GUARD, np.float32)
    count, own = within(z, a, found_z, found_a), (a > 0.25) & (a <= 0.75)
    assert_picked(found_z, count, z[own])
    assert_picked(found_a, count, a[own])


@given(sizes, seeds)
def test_what_stays_moves_within_its_own_array(n, seed):
    x, marks = numbers(n, seed), marks_of(n, seed)
    whole = np.append(x, np.full(LANES, GUARD, np.float32))
    assert pick(whole[:n], marks, whole) == np.count_nonzero(marks == MARK)
    np.testing.assert_array_equal(whole[: np.count_nonzero(marks == MARK)], x[marks == MARK])
    assert (whole[n:] == GUARD).all()


SPECIAL = [-np.inf, -3e38, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, 3e38, np.inf]


@given(
    st.lists(
        st.one_of(st.sampled_from(SPECIAL), st.floats(-2, 2, width=32)), min_size=1, max_size=60
    )
)
def test_numbers_have_their_ranks(some):
    x = np.array(some, np.float32)
    assert [ranked(x, rank) for rank in range(len(x))] == np.sort(x).tolist()
