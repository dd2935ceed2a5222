"""Transforms: what they compute, what they draw, what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refboot.data import Compose, Normalize, RandomAffine, ToTensor
from refboot.data.affine import fixed_maps, resample_plain
from refboot.errors import RangeError, ShapeError, TypeMismatchError
from refboot.reference import draws

shapes = st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 10), st.integers(1, 10))
batches = hnp.arrays(np.uint8, shapes)
seeds = st.integers(0, 2**32)
TUTORIAL = RandomAffine(10, (0.05, 0.05), (0.95, 1.05), 5)
ALL = RandomAffine((-30, 50), (0.3, 0.2), (0.5, 2), (-10, 20, -5, 15), fill=9)


@given(batches, st.sampled_from([16.0, 255, None, 255.5]))
def test_to_tensor_divides_by_the_scale_in_float32(batch, scale):
    out = ToTensor(scale)(batch)
    assert out.dtype == np.float32
    # A quotient of a byte rounds to the same float32 from double precision.
    np.testing.assert_array_equal(
        out, (batch.astype(np.float64) / (scale or 255)).astype(np.float32)
    )


def test_to_tensor_covers_zero_to_one_and_leaves_floats():
    batch = np.array([0, 255], np.uint8).reshape(1, 1, 1, 2)
    np.testing.assert_array_equal(ToTensor()(batch).ravel(), [0, 1])
    ready = np.full((1, 1, 2, 2), 3, np.float32)
    np.testing.assert_array_equal(ToTensor()(ready), ready)


@given(hnp.arrays(np.float32, shapes, elements=st.floats(-4, 4, width=32)))
def test_normalize_subtracts_and_divides(batch):
    before = batch.copy()
    out = Normalize((0.5), (0.25))(batch)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, (batch - np.float32(0.5)) * np.float32(4))
    np.testing.assert_array_equal(batch, before)


def test_normalize_takes_one_number_a_channel():
    batch = np.ones((2, 3, 4, 5), np.float32)
    out = Normalize([0, 1, 3], (1, 2, 4))(batch)
    np.testing.assert_array_equal(
        out, np.broadcast_to(np.array([1, 0, -0.5])[:, None, None], batch.shape)
    )


@given(batches, seeds)
def test_compose_is_one_after_the_other(batch, seed):
    rng = np.random.default_rng(seed)
    step = Normalize(0.5, 0.5)(ToTensor()(ALL(TUTORIAL(batch, rng), rng)))
    together = Compose([TUTORIAL, ALL, ToTensor(), Normalize(0.5, 0.5)])(
        batch, np.random.default_rng(seed)
    )
    np.testing.assert_array_equal(together, step)
    np.testing.assert_array_equal(Compose([])(batch), batch)


@given(batches, seeds, st.sampled_from([np.uint8, np.float32, np.float64]))
def test_without_ranges_nothing_changes(batch, seed, dtype):
    for still in (RandomAffine(0), RandomAffine((0, 0), (0, 0), (1, 1), (0, 0, 0, 0), fill=3)):
        out = still(batch.astype(dtype), np.random.default_rng(seed))
        assert out.dtype == dtype
        np.testing.assert_array_equal(out, batch)


@given(batches, seeds)
def test_the_same_seed_gives_the_same_bits_whatever_the_dtype_and_the_cut(batch, seed):
    whole = ALL(batch, np.random.default_rng(seed))
    np.testing.assert_array_equal(ALL(batch, np.random.default_rng(seed)), whole)
    np.testing.assert_array_equal(ALL(batch.astype(np.float32), np.random.default_rng(seed)), whole)
    rng = np.random.default_rng(seed)
    single = [ALL(batch[i : i + 1], rng) for i in range(len(batch))]
    np.testing.assert_array_equal(np.concatenate(single), whole)


@given(batches, seeds)
def test_the_batch_is_not_changed_and_may_be_strided(batch, seed):
    before = batch.copy()
    turned = np.asfortranarray(batch)[:, :, ::-1]
    out = ALL(turned, np.random.default_rng(seed))
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(out, ALL(turned.copy(), np.random.default_rng(seed)))
    np.testing.assert_array_equal(batch, before)


@given(seeds)
def test_different_images_get_different_maps_and_channels_the_same(seed):
    image = np.random.default_rng(1).integers(0, 256, (28, 28), dtype=np.uint8)
    out = TUTORIAL(np.broadcast_to(image, (2, 3, 28, 28)), np.random.default_rng(seed))
    np.testing.assert_array_equal(out[:, 0], out[:, 1])
    np.testing.assert_array_equal(out[:, 0], out[:, 2])
    assert (out[0] != out[1]).any()


@given(batches, seeds)
def test_six_numbers_are_drawn_for_each_image_in_the_order_stated(batch, seed):
    """TRN-16."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in batch:
        low_high = [(-30, 50), (-0.3, 0.3), (-0.2, 0.2), (0.5, 2), (-10, 20), (-5, 15)]
        drawn.append([draws.uniform(rng, low, high, 1)[0] for low, high in low_high])
    wanted = resample_plain(batch, fixed_maps(np.array(drawn), batch.shape[2:]), 9)
    np.testing.assert_array_equal(ALL(batch, np.random.default_rng(seed)), wanted)


@pytest.mark.parametrize("transform", [RandomAffine(5), RandomAffine(5, (0.1, 0)), ALL, TUTORIAL])
def test_the_generator_moves_by_six_words_an_image(transform):
    rng, counted = np.random.default_rng(4), np.random.default_rng(4)
    transform(np.zeros((3, 1, 5, 5), np.uint8), rng)
    counted.bit_generator.random_raw(18)
    assert rng.bit_generator.state == counted.bit_generator.state


@given(seeds)
def test_a_fixed_quarter_turn(seed):
    batch = np.random.default_rng(2).integers(0, 256, (2, 1, 9, 9), dtype=np.uint8)
    out = RandomAffine((90, 90))(batch, np.random.default_rng(seed))
    np.testing.assert_array_equal(out, np.rot90(batch, -1, axes=(2, 3)))


@given(batches, seeds)
def test_shifts_alone_move_whole_pixels(batch, seed):
    height, width = batch.shape[2:]
    out = RandomAffine(0, (1, 1), fill=200)(batch, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    padded = np.pad(batch, ((0, 0), (0, 0), (height, height), (width, width)), constant_values=200)
    for i in range(len(batch)):
        _, right, down, *_ = draws.uniform(rng, -1, 1, 6)
        right, down = round(right * width), round(down * height)
        wanted = padded[i, :, height - down : 2 * height - down, width - right : 2 * width - right]
        np.testing.assert_array_equal(out[i], wanted)


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (RangeError, {"degrees": -1}),
        (RangeError, {"degrees": np.nan}),
        (RangeError, {"degrees": (0, np.inf)}),
        (RangeError, {"degrees": (10, -10)}),
        (ShapeError, {"degrees": (1, 2, 3)}),
        (TypeMismatchError, {"degrees": "10"}),
        (TypeMismatchError, {"degrees": None}),
        (TypeMismatchError, {"degrees": True}),
        (RangeError, {"degrees": 361}),
        (ShapeError, {"translate": 0.1}),
        (ShapeError, {"translate": (0.1,)}),
        (RangeError, {"translate": (0.1, 1.1)}),
        (RangeError, {"translate": (-0.1, 0.1)}),
        (TypeMismatchError, {"translate": ("a", "b")}),
        (ShapeError, {"scale": 1.0}),
        (ShapeError, {"scale": (1, 1, 1)}),
        (RangeError, {"scale": (0, 1)}),
        (RangeError, {"scale": (-1, 1)}),
        (RangeError, {"scale": (2, 1)}),
        (RangeError, {"scale": (1, np.inf)}),
        (RangeError, {"shear": -5}),
        (RangeError, {"shear": 90}),
        (RangeError, {"shear": (-90, 0)}),
        (RangeError, {"shear": (5, -5)}),
        (RangeError, {"shear": (0, 5, 5, 0)}),
        (ShapeError, {"shear": (1, 2, 3)}),
        (RangeError, {"fill": np.nan}),
        (TypeMismatchError, {"fill": "black"}),
    ],
    ids=str,
)
def test_random_affine_refuses(error, arguments):
    (name,) = arguments
    with pytest.raises(error, match=name):
        RandomAffine(**{"degrees": 0, **arguments})


@pytest.mark.parametrize("fill", [-1, 256, 0.5])
def test_a_fill_must_be_a_byte_for_bytes(fill):
    transform, rng = RandomAffine((45, 45), fill=fill), np.random.default_rng(0)
    with pytest.raises(RangeError, match="fill"):
        transform(np.zeros((1, 1, 4, 4), np.uint8), rng)
    assert fill in transform(np.zeros((1, 1, 4, 4), np.float32), rng)


@pytest.mark.parametrize(
    "transform", [TUTORIAL, ToTensor(), Normalize(0, 1)], ids=["affine", "to tensor", "normalize"]
)
@pytest.mark.parametrize(
    ("error", "batch"),
    [
        (TypeMismatchError, [[[[0.5]]]]),
        (TypeMismatchError, np.zeros((1, 1, 2, 2), np.int64)),
        (TypeMismatchError, np.zeros((1, 1, 2, 2), bool)),
        (ShapeError, np.zeros((2, 2), np.float32)),
        (ShapeError, np.zeros((0, 1, 2, 2), np.float32)),
    ],
    ids=["list", "int64", "bool", "two axes", "empty"],
)
def test_batches_are_checked(transform, error, batch):
    with pytest.raises(error, match="batch"):
        transform(batch, np.random.default_rng(0))


def test_normalize_wants_floats():
    with pytest.raises(TypeMismatchError, match="ToTensor"):
        Normalize(0.5, 0.5)(np.zeros((1, 1, 2, 2), np.uint8))


@pytest.mark.parametrize("rng", [None, 0, np.random.RandomState(0)], ids=["none", "seed", "legacy"])
def test_random_affine_wants_a_generator(rng):
    with pytest.raises(TypeMismatchError, match="Generator"):
        TUTORIAL(np.zeros((1, 1, 4, 4), np.uint8), rng)


@pytest.mark.parametrize(
    ("error", "make"),
    [
        (RangeError, lambda: Normalize(0, 0)),
        (RangeError, lambda: Normalize(0, -1)),
        (RangeError, lambda: Normalize(np.nan, 1)),
        (RangeError, lambda: Normalize(1e300, 1)),
        (TypeMismatchError, lambda: Normalize("a", 1)),
        (ShapeError, lambda: Normalize([], 1)),
        (ShapeError, lambda: Normalize([1, 2], 1)(np.zeros((1, 3, 2, 2), np.float32))),
        (ShapeError, lambda: Normalize(0, [1, 2])(np.zeros((1, 3, 2, 2), np.float32))),
        (RangeError, lambda: ToTensor(0)),
        (TypeMismatchError, lambda: ToTensor("255")),
        (TypeMismatchError, lambda: Compose(TUTORIAL)),
        (TypeMismatchError, lambda: Compose([TUTORIAL, 3])),
    ],
)
def test_other_transforms_refuse(error, make):
    with pytest.raises(error):
        make()
