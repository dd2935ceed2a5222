"""Events: to and from tensors and files, exactly; binned; and nothing in a foreign file is
trusted.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refboot.errors import FormatError, RangeError, ShapeError, TypeMismatchError
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


@settings(max_examples=30)
@given(tensors)
def test_a_file_gives_back_what_was_saved(
    tmp_path_factory: pytest.TempPathFactory, tensor: np.ndarray
) -> None:
    path = tmp_path_factory.getbasetemp() / "events.npz"
    event = tensor_to_event(tensor)
    event.save(path)
    loaded = Event.load(path)
    assert (loaded.dim, loaded.graded) == (event.dim, event.graded)
    for name in "xyctp":
        left, right = getattr(loaded, name), getattr(event, name)
        assert (left is None) == (right is None)
        if left is not None:
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype


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


def test_a_random_shift_starts_somewhere_within_the_spikes() -> None:
    event = Event(np.zeros(10, int), None, np.zeros(10, int), np.arange(10))
    found = {
        event.fill_tensor(np.zeros((1, 1, 1, 4)), random_shift=np.random.default_rng(seed)).sum()
        for seed in range(20)
    }
    assert found == {4}
    short = event.fill_tensor(np.zeros((1, 1, 1, 12)), random_shift=np.random.default_rng(0))
    assert short.sum() == 10


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


def member(shape: str, content: bytes, descr: str = "<i8") -> bytes:
    """An array as numpy.save lays it out, with a header that may lie."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


GOOD = member("(1,)", bytes(8))
HOSTILE: dict[str, dict[str, bytes]] = {
    "a length that is not there": {"x": member("(1000000000000,)", bytes(8)), "c": GOOD, "t": GOOD},
    "a negative length": {"x": member("(-1,)", bytes(8)), "c": GOOD, "t": GOOD},
    "too short": {"x": member("(2,)", bytes(8)), "c": GOOD, "t": GOOD},
    "objects": {"x": member("(1,)", bytes(8), "|O"), "c": GOOD, "t": GOOD},
    "two axes": {"x": member("(1, 1)", bytes(8)), "c": GOOD, "t": GOOD},
    "no header": {"x": b"hello", "c": GOOD, "t": GOOD},
    "code for a header": {"x": member("__import__('os')", bytes(8)), "c": GOOD, "t": GOOD},
    "no times": {"x": GOOD, "c": GOOD},
    "something else": {"x": GOOD, "c": GOOD, "t": GOOD, "z": GOOD},
    "unlike lengths": {"x": GOOD, "c": GOOD, "t": member("(2,)", bytes(16))},
    "a bomb": {"x": member("(12500000,)", bytes(100_000_000)), "c": GOOD, "t": GOOD},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "events.npz"
    # bzip2 packs zeros far tighter than the deflate of numpy.savez_compressed can
    kind = zipfile.ZIP_BZIP2 if name == "a bomb" else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for key, content in HOSTILE[name].items():
            archive.writestr(f"{key}.npy", content)
    with pytest.raises(FormatError):
        Event.load(path)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    event = Event([0], None, [0], [0])
    event.save(tmp_path / "good.npz")
    content = (tmp_path / "good.npz").read_bytes()
    (tmp_path / "torn.npz").write_bytes(content[:-30])
    (tmp_path / "text.npz").write_text("no archive")
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    (tmp_path / "plain.npz").write_bytes(stream.getvalue())
    for name in ("torn", "text", "plain", "missing"):
        with pytest.raises(FormatError):
            Event.load(tmp_path / f"{name}.npz")
    assert {path.name for path in tmp_path.iterdir()} == {
        "good.npz",
        "torn.npz",
        "text.npz",
        "plain.npz",
    }
