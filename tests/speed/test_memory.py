"""Buffers that are given out again: never while somebody holds an array in them."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot.kernels import memory

SIZES = [memory.LARGE, memory.LARGE + 4, 3 * memory.LARGE]


@pytest.fixture
def own(monkeypatch):
    made = memory.Memory()
    monkeypatch.setattr(memory, "_memory", made)
    return made


def address(array):
    return array.__array_interface__["data"][0]


def test_a_large_buffer_is_used_again_once_it_is_free(own):
    first = memory.empty((memory.LARGE,))
    place = address(first)
    assert address(memory.empty((memory.LARGE,))) != place
    del first
    assert place in {
        address(memory.empty((2, memory.LARGE // 2))),
        address(memory.empty((memory.LARGE,))),
    }


@pytest.mark.parametrize("size", SIZES)
def test_arrays_begin_in_a_line_of_the_cache(own, size):
    assert [
        address(array) % memory.LINE for array in [memory.empty((size,), np.int8) for _ in range(3)]
    ] == [0] * 3


def test_a_view_of_a_view_keeps_its_buffer(own):
    first = memory.empty((4, memory.LARGE))
    first[...] = 7
    view = first.reshape(2, 2, -1).transpose(2, 0, 1)[5::3, 1]
    del first
    others = [memory.empty((4, memory.LARGE)) for _ in range(3)]
    for other in others:
        other[...] = 8
    assert (view == 7).all()


def test_small_arrays_are_left_to_numpy(own):
    assert memory.empty((3, 4), np.int16).dtype == np.int16
    assert memory.empty((0, 1 << 40)).size == 0
    assert not own.kept


def test_what_is_free_is_let_go_beyond_the_limit(own, monkeypatch):
    monkeypatch.setattr(memory, "MOST", 5 * memory.LARGE)
    held = memory.empty((memory.LARGE,), np.int8)
    held[...] = 1
    for size in range(1, 20):
        memory.empty((memory.LARGE + size,), np.int8)[...] = 2
        assert own.size <= memory.MOST
    assert (held == 1).all()


@given(st.lists(st.tuples(st.sampled_from(SIZES), st.integers(0, 9)), max_size=40))
def test_arrays_in_use_never_share_memory(steps):
    held = []
    for number, (size, drop) in enumerate(steps):
        array = memory.empty((size,), np.int8)
        array[...] = number
        held.append((number, array[1::2]))
        if drop < len(held):
            del held[drop]
        assert all((kept == own).all() for own, kept in held)


def test_threads_get_buffers_of_their_own(own):
    wrong = []

    def work(number):
        for _ in range(300):
            array = memory.empty((memory.LARGE,), np.int8)
            array[...] = number
            if not (array == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sum(map(len, own.kept.values())) <= 8  # one held and one to come, by each


@pytest.mark.parametrize("size", [memory.LARGE, 3 * memory.LARGE, 1_000_003])
def test_sizes_that_differ_a_little_share_a_buffer_that_is_not_much_larger(own, size):
    for wanted in range(size, size + size // 8, size // 100):
        assert memory.empty((wanted,), np.int8).shape == (wanted,)
    assert len(own.kept) <= 4
    assert own.size <= 4 * 1.3 * size
