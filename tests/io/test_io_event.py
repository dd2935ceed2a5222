"""Events: to and from tensors, exactly, and binned."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refboot.errors import RangeError, ShapeError, TypeMismatchError
from refboot.io.event import Event, tensor_to_event

shapes = st.one_of(st.tuples(*[st.integers(1, 4)] * 3), st.tuples(*[st.integers(1, 3)] * 4))
values = st.sampled_from([0.0, 0.0, 1.0, 1.0, 6.0, -2.5, 0.25])
tensors = shapes.flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=values))
binary = shapes.flatmap(
    lambda shape: hnp.arrays(np.float32, shape, elements=st.sampled_from([0.0, 1.0]))
)


@given(tensors, st.sampled_from([1, 2, 0.5, 4]))
def test_a_tensor_comes_back_from_its_events(tensor: np.ndarray, sampling_time: float) -> None:
    event = tensor_to_event(tensor / np.float32(sampling_time), sampling_time)
    np.testing.assert_array_equal(
        sampling_time * event.to_tensor(sampling_time, tensor.shape), tensor
    )


@given(binary)
def test_ones_alone_are_binary(tensor: np.ndarray) -> None:
    event = tensor_to_event(tensor)
    assert not event.graded
    assert len(event) == tensor.sum()


def test_spikes_in_one_bin_count_once_or_each() -> None:
    event = Event([0, 0, 1], None, [0, 0, 0], [1, 2.4, 3])
    np.testing.assert_array_equal(
        event.fill_tensor(np.zeros((1, 1, 2, 3)), 2)[0, 0], [[0.5, 0.5, 0], [0, 0, 0.5]]
    )
    twice = Event([0, 0], None, [0, 0], [2, 2.4])
    np.testing.assert_array_equal(twice.fill_tensor(np.zeros((1, 1, 1, 2)), 2), [[[[0, 0.5]]]])
    np.testing.assert_array_equal(
        twice.fill_tensor(np.zeros((1, 1, 1, 2)), 2, binning_mode="SUM"), [[[[0, 1]]]]
    )
    graded = Event([0, 0], None, [0, 0], [2, 2.4], [3.0, 4.0])
    np.testing.assert_array_equal(graded.fill_tensor(np.zeros((1, 1, 1, 2)), 2), [[[[0, 3.5]]]])


def test_spikes_outside_are_left_out() -> None:
    event = Event([0, 5], [0, 0], [0, 0], [9, 0])
    assert event.fill_tensor(np.zeros((1, 1, 2, 9))).sum() == 0


def test_channels_keep_their_numbers() -> None:
    assert tensor_to_event(np.array([[[0.0]], [[1.0]]])).c.tolist() == [1]


BAD: list[tuple[type[Exception], tuple[Any, ...]]] = [
    (ShapeError, ([0, 1], None, [0], [0, 1])),
    (ShapeError, ([[0]], None, [0], [0])),
    (TypeMismatchError, (["a"], None, [0], [0])),
    (RangeError, ([-1], None, [0], [0])),
    (RangeError, ([0.5], None, [0], [0])),
    (RangeError, ([0], None, [0], [np.nan])),
    (RangeError, ([0], [1 << 40], [0], [0])),
]


@pytest.mark.parametrize(("error", "given"), BAD)
def test_what_are_no_events_is_refused(error: type[Exception], given: tuple[Any, ...]) -> None:
    with pytest.raises(error):
        Event(*given)


def test_a_tensor_of_other_axes_is_refused() -> None:
    with pytest.raises(ShapeError):
        tensor_to_event(np.zeros((2, 2)))
    with pytest.raises(RangeError):
        Event([0], None, [0], [0]).fill_tensor(np.zeros((1, 1, 1, 1)), binning_mode="AND")
    with pytest.raises(ShapeError):
        Event([0], None, [0], [0]).to_tensor(dim=(1, 1, 1, 1))
