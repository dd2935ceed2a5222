"""Products within kernels, and tasks that threads share within kernels: what NumPy gives, and
nothing else is touched.
"""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot import kernels, reference, threads
from refboot.kernels import adding, coded_rates, gather, optim, tile, together, turn
from refboot.kernels.magnitude import squares
from refboot.kernels.places import numbers
from refboot.optim import SGD
from refboot.parameter import Parameter
from refboot.waiting import call, give_way, take

SIZES = st.tuples(*[st.integers(1, 80)] * 3)
UNTOUCHED = np.float32(7)


def drawn(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def close(got, want, terms):
    np.testing.assert_allclose(got, want, rtol=0, atol=terms * 4e-6)


@given(sizes=SIZES, low=st.integers(0, 79), seed=st.integers(0, 99))
def test_product_and_its_transpose_and_dots_are_those_of_numpy_within_their_columns(
    sizes, low, seed
):
    n, i, o = sizes
    x, w, g = drawn(seed, (n, i), (i, o), (n, o))
    z, gw, gx = (np.full(shape, UNTOUCHED) for shape in ((n, o), (i, o), (n, i)))
    start = min(low, o - 1)
    tile.product(x, 0, i, 1, n, w, i, start, o, z)
    tile.product(x, 0, 1, i, i, g, n, start, o, gw)
    close(z[:, start:], (x @ w)[:, start:], i)
    close(gw[:, start:], (x.T @ g)[:, start:], n)
    assert (z[:, :start] == UNTOUCHED).all()
    if i > 1:
        tile.product(x, 1, 1, i, i - 1, g, n, start, o, gw)
        close(gw[:-1, start:], (x.T @ g)[1:, start:], n)
    assert (gw[:, :start] == UNTOUCHED).all()
    start = min(low, i - 1)
    dots(g, w, start, i, gx)
    close(gx[:, start:], (g @ w.T)[:, start:], o)
    assert (gx[:, :start] == UNTOUCHED).all()


@given(width=st.integers(1, 300), count=st.integers(0, 9), seed=st.integers(0, 99))
def test_gathered_rows_give_their_sum_and_their_products_with_the_row(width, count, seed):
    x, by, row = drawn(seed, (5, width), (count,), (width,))
    rng = np.random.default_rng(seed)
    found, kinds = rng.integers(0, 5, count), rng.integers(0, 4, count)
    out, sums, want = (
        np.full(width, UNTOUCHED),
        np.ones((4, coded_rates.LANES)),
        np.ones(4) * coded_rates.LANES,
    )
    gather.gather_rows(x, found, by, kinds, count, row, out, sums)
    np.add.at(want, kinds, (x[found] * row).sum(axis=1))
    close(out, by @ x[found], count + 1)
    close(sums.sum(axis=1), want, width * count + 1)


def test_a_pixel_gathers_a_row_for_each_sample_that_differs_from_background_and_one_for_that(
    monkeypatch,
):
    counts, codes = [], np.array([[0, 1, 1], [0, 0, 2], [0, 1, 0]], np.uint8)
    monkeypatch.setattr(coded_rates, "gather_rows", lambda *args: counts.append(args[4]))
    rates, gz, weight = (
        np.zeros(3, np.float32),
        np.zeros((4, 5), np.float32),
        np.zeros((3, 5), np.float32),
    )
    getattr(coded_rates.learn, "py_func", coded_rates.learn)(
        codes, 0, rates, gz, weight, 0, 3, weight, np.zeros((4, 1))
    )
    assert counts == [1, 3, 3]


@numba.njit
def tiles(a, b, depth, high, out):
    tile.tiles(a, 0, a.shape[1], 1, len(a), b, depth, 0, high, out)


@given(sizes=SIZES, seed=st.integers(0, 99))
def test_a_product_with_bytes_is_exact_and_reads_no_more_than_is_there(sizes, seed):
    n, i, o = sizes
    rng = np.random.default_rng(seed)
    x, w = (
        rng.integers(-99, 99, (n, i)).astype(np.float32),
        rng.integers(-128, 128, (i, o + tile.WIDTH)).astype(np.int8),
    )
    z = np.full((n, o), UNTOUCHED)
    tiles(x, w, i, o, z)
    np.testing.assert_array_equal(z, x @ w[:, :o].astype(np.float32))


@numba.njit
def turned(rows, low, high, out):
    turn.turn(rows, low, high, out)


@given(sizes=SIZES, low=st.integers(0, 79), seed=st.integers(0, 99))
def test_a_weight_of_bytes_is_turned_and_nothing_else_is_touched(sizes, low, seed):
    i, o, more = sizes
    rows = np.random.default_rng(seed).integers(-128, 128, (i, o + more)).astype(np.int8)
    out, start = np.full((o, i + more), 3, np.int8), min(low, i - 1)
    turned(rows, start, i, out)
    np.testing.assert_array_equal(out[:, start:i], rows.T[:o, start:])
    assert (out[:, :start] == 3).all()
    assert (out[:, i:] == 3).all()


@numba.njit
def dots(a, b, low, high, out):
    tile.dots(a, b, low, high, out)


@numba.njit
def add_rows(rows, found, low, high, total):
    adding.add_rows(rows, found, low, high, total)


@numba.njit
def others(x, value, found):
    return adding.others(x, value, found)


@given(
    width=st.integers(1, 700),
    count=st.integers(0, 20),
    seed=st.integers(0, 99),
    kinds=st.sampled_from(["ff", "bh", "hh"]),
)
def test_rows_are_added_by_number_and_in_order_of_floats_or_integers(width, count, seed, kinds):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-128, 128, (9, width)).astype(kinds[0])
    rows = rows * np.float32(0.7) if kinds == "ff" else rows
    found, total = rng.integers(0, 9, count + 4), rng.integers(-9, 9, width).astype(kinds[1])
    want = total.copy()
    for j in found[2 : count + 2]:
        want += rows[j]
    add_rows(rows, found.astype(rng.choice([np.int64, np.int32])), 2, count + 2, total)
    np.testing.assert_array_equal(total, want)


@given(
    size=st.integers(0, 300),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
    value=st.sampled_from([np.float32(0), np.uint8(3)]),
)
def test_numbers_of_what_is_not_a_value_are_found_in_order(size, share, seed, value):
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(size) < share, 5, value).astype(value.dtype)
    if size and value.dtype == np.float32:
        x[rng.integers(size)] = rng.choice([np.nan, -0.0, 1e-45])
    found = np.empty(size + 1, np.int64)
    count = others(x, value, found)
    np.testing.assert_array_equal(found[:count], np.flatnonzero(x != value))


STAGES = [
    together.Task(stage, layer, i, 0, 0, stage, stage - 1)
    for stage in range(5)
    for layer in range(2)
    for i in range(10)
]


@together.Work
def note(work, layer, part, low, high):
    """Behind the count of those begun, when each task began, and by how many works it was done."""
    count, begun = numbers(work, (1,)), numbers(work + 8, (200,))
    begun[20 * low + 10 * layer + part] = take(count, 0)
    begun[100 + 20 * low + 10 * layer + part] += 1


@together.Work
def fail(work, layer, part, low, high):
    """The first, while the others go on, and wait for it behind the first stage."""
    if layer == 0 and part == 0 and low == 0:
        for _ in range(100_000):
            give_way()
        raise MemoryError


def going_on(kinds=((note,),)):
    """The tasks of STAGES, all of one kind."""
    return together.Going(
        kinds,
        together.plan_of([task._replace(kind=0, low=task.stage) for task in STAGES]),
        np.zeros(201, np.int64),
    )


def noted(count, kinds=((note,),)):
    """When each of the tasks of STAGES began, and how often, with so many threads."""
    with threads.use(count), going_on(kinds) as going:
        pass
    return going.job[-200:-100].reshape(5, 20), going.job[-100:]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_task_is_given_once_and_none_before_what_it_waits_for(count):
    begun, times = noted(count)
    assert sorted(begun.reshape(-1)) == list(range(100))
    assert (begun.max(axis=1)[:-1] < begun.min(axis=1)[1:]).all()
    assert (times == 1).all()
    assert (noted(count, ((note, note),))[1] == 2).all()


def test_tasks_begun_by_others_are_waited_for_where_this_thread_gives_up():
    with pytest.raises(KeyError), threads.use(2), going_on() as going:
        raise KeyError
    before = going.job.copy()
    assert before[-100:].max() <= 1
    for count in (1, 2):
        assert (noted(count)[1] == 1).all()
    np.testing.assert_array_equal(going.job, before)


def test_within_it_others_are_not_asked_a_second_time():
    with threads.use(2), going_on():
        assert (noted(2)[1] == 1).all()


def test_numbers_of_stages_are_counts_that_there_is_room_for():
    plan = together.plan_of(
        [
            together.Task(0, 0, 0, 0, 1, 7, -1),
            together.Task(1, 0, 0, 0, 1, 900, 7),
            together.Task(2, 0, 0, 0, 1, 8, 5),
        ]
    )
    assert plan[:, together.STAGE].tolist() == [0, 1, 2]
    assert plan[:, together.AFTER].tolist() == [-1, 0, -1]
    assert plan[:, together.NEEDED].tolist() == [0, 1, 0]


def test_of_each_group_one_side_takes_the_first_tasks_and_the_other_the_last():
    plan = together.plan_of(STAGES[:20])  # two groups of ten
    cells, taken = np.zeros(4 * together.CELL * len(plan), np.int64), ([], [])
    for side in (0, 1, 1, 0, 0, 1, 0, 0, 0):
        taken[side].append(int(together.next_of(plan, cells, 0, side)))
    assert taken == ([0, 1, 2, 3, 4, -1], [9, 8, 7])
    assert [together.begun(plan, cells, side) for side in (0, 1)] == [False, False]
    assert [together.left_over(plan, cells, 10, 1) for _ in range(3)] == [6, 5, -1]
    assert [together.left_over(plan, cells, 20, 0) for _ in range(6)] == [10, 11, 12, 13, 14, -1]
    assert [together.begun(plan, cells, side) for side in (0, 1)] == [True, False]


@numba.njit
def one_side(entry, job, side):
    call(entry, job, side, side, side, side)


@pytest.mark.parametrize("side", [0, 1])
def test_one_side_does_in_the_end_what_the_other_never_begins(side):
    going, halves = going_on(), ([0, 1, 2, 3, 4], [9, 8, 7, 6, 5])
    one_side(together.go_through.address, going.job.ctypes.data, side)
    begun, times = going.job[-200:-100].reshape(5, 2, 10), going.job[-100:]
    assert (times == 1).all()
    assert begun[0].argsort(axis=1).tolist() == [halves[side] + halves[1 - side]] * 2


@pytest.mark.parametrize("count", [1, 2])
def test_a_task_that_fails_leaves_nobody_waiting(count):
    with pytest.raises(MemoryError, match="too little memory"):
        noted(count, ((fail,),))


@pytest.mark.parametrize("count", [1, 2])
def test_what_waits_for_a_task_that_fails_is_not_done(count):
    plan = together.plan_of(
        [task._replace(kind=min(task.stage, 1), low=task.stage) for task in STAGES]
    )
    going = together.Going(((fail,), (note,)), plan, np.zeros(201, np.int64))
    for _ in range(20):
        with pytest.raises(MemoryError), threads.use(count), going:
            pass
        assert not going.job[-200:].any()
        going = together.Going(((fail,), (note,)), plan, np.zeros(201, np.int64))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("shape", [(600, 400), (17, 5)])
@pytest.mark.parametrize("turned", [False, True])
def test_optimisers_in_parts_are_those_of_the_definition_in_every_bit(shape, turned, count):
    p, grad, m, v = (np.abs(x) for x in drawn(0, *[shape] * 4))
    every = [[x.copy(order="F") for x in (p, grad, m, v)] for _ in range(5)]
    for own in every[1:3]:
        own[1] = (
            np.asfortranarray(grad) if turned else np.ascontiguousarray(grad)
        )  # which lies otherwise than p, m and v
    wanted, one, two, same, beside = every
    beside = [x[:, 0].copy() for x in beside]  # an array of another size
    with threads.use(count):
        kernels.adam_step(*one, 3, 0.01, 0.9, 0.999, 1e-8)
        kernels.sgd_step(*one[:3], 0.01, 0.9)
        optim.adam_steps([two, same, beside], 3, 0.01, 0.9, 0.999, 1e-8)
        optim.sgd_steps([own[:3] for own in (two, same, beside)], 0.01, 0.9)
    reference.adam_step(*wanted, 3, 0.01, 0.9, 0.999, 1e-8)
    reference.sgd_step(*wanted[:3], 0.01, 0.9)
    for have in (one, two, same):
        for x, y in zip(have, wanted, strict=True):
            np.testing.assert_array_equal(x, y)
    for x, y in zip(beside, wanted, strict=True):
        np.testing.assert_array_equal(x, y[:, 0])


def test_sums_of_squares_are_those_of_float64_and_infinity_beyond_float32():
    arrays, found = drawn(0, (700, 300), (5,), (0,), (4, 3)), []
    for count in (1, 2):
        with threads.use(count):
            found.append(squares([*arrays, arrays[3].T[::2]]))
    assert (
        found[0]
        == found[1]
        == pytest.approx(
            [(x.astype(np.float64) ** 2).sum() for x in [*arrays, arrays[3].T[::2]]], rel=1e-6
        )
    )
    for size, large in ((3, 1e30), (1 << 18, 1e30), (1 << 18, 1e17)):
        assert squares([np.full(size, large, np.float32), np.ones(2, np.float32)]) == [np.inf, 2]
        assert np.isnan(squares([np.full(size, np.nan, np.float32)])[0])
    assert squares([]) == []


def test_a_parameter_that_is_there_twice_is_changed_twice_one_after_the_other():
    p, grad = drawn(0, *[(600, 400)] * 2)
    twice, once = (Parameter(p.copy()) for _ in range(2))
    sides = [SGD([twice, twice, Parameter(twice.data[:, :])], 0.1), SGD([once], 0.1)]
    for parameter in (*sides[0].parameters, once):
        parameter.grad = grad
    with threads.use(2):
        sides[0].step()
    for _ in range(3):
        sides[1].step()
    np.testing.assert_array_equal(twice.data, once.data)
