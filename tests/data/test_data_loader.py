"""DataLoader: every image once, reproducible epochs, independent iterators."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot.data import (
    Compose,
    DataLoader,
    Dataset,
    Normalize,
    RandomAffine,
    ToTensor,
    load_digits,
)
from refboot.errors import RangeError, ShapeError, TypeMismatchError

counts, sizes, seeds = st.integers(1, 40), st.integers(1, 45), st.integers(0, 2**32)
AUGMENT = Compose([RandomAffine(20, (0.2, 0.2), (0.8, 1.2), 10), ToTensor(), Normalize(0.5, 0.5)])


def numbered(count, dtype=np.uint8):
    """Images that are all equal to their label inside, so that a pair can be recognised."""
    values = np.arange(count)
    return Dataset(
        np.broadcast_to(values[:, None, None, None], (count, 1, 4, 6)).astype(dtype),
        values,
        "numbered",
        count,
        255,
    )


def bits(batches):
    return [(images.tobytes(), labels.tobytes()) for images, labels in batches]


@given(counts, sizes, st.booleans(), seeds)
def test_an_epoch_is_every_image_once_with_its_label(count, size, shuffle, seed):
    loader = DataLoader(numbered(count), size, shuffle, rng=np.random.default_rng(seed))
    batches = list(loader)
    assert len(batches) == len(loader)
    for images, labels in batches:
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        assert images.shape == (len(labels), 1, 4, 6)
        np.testing.assert_array_equal(
            images,
            np.broadcast_to((labels.astype(np.float32) / 255)[:, None, None, None], images.shape),
        )
    seen = np.concatenate([labels for _, labels in batches])
    np.testing.assert_array_equal(np.sort(seen) if shuffle else seen, np.arange(count))
    assert {len(labels) for _, labels in batches[:-1]} <= {size}
    assert len(batches[-1][1]) == count - size * (len(batches) - 1)


@given(seeds, st.integers(0, 7))
def test_an_epoch_follows_from_the_generator_state_at_its_start(seed, read):
    rng = np.random.default_rng(seed)
    loader = DataLoader(numbered(20), 3, True, AUGMENT, rng)
    iterator = iter(loader)
    for _ in range(read):
        next(iterator)
    state = rng.bit_generator.state
    second = bits(loader)
    rng.bit_generator.state = state
    assert bits(loader) == second
    fresh = np.random.default_rng(seed)
    again = DataLoader(numbered(20), 3, True, AUGMENT, fresh)
    first = bits(again)
    assert fresh.bit_generator.state == state
    assert bits(again) == second
    assert first != second


@given(seeds, st.integers(0, 7))
def test_an_epoch_can_start_at_any_batch(seed, start):
    whole = bits(DataLoader(numbered(20), 3, True, AUGMENT, np.random.default_rng(seed)))
    rest = DataLoader(numbered(20), 3, True, AUGMENT, np.random.default_rng(seed)).epoch(start)
    assert bits(rest) == whole[start:]


@given(seeds)
def test_iterators_do_not_disturb_each_other(seed):
    apart = DataLoader(numbered(20), 3, True, AUGMENT, np.random.default_rng(seed))
    first, second = bits(apart), bits(apart)
    loader = DataLoader(numbered(20), 3, True, AUGMENT, np.random.default_rng(seed))
    one, two = iter(loader), iter(loader)
    pairs = bits(batch for pair in zip(two, one, strict=True) for batch in pair)
    assert pairs[1::2] == first
    assert pairs[0::2] == second


@given(seeds)
def test_every_batch_of_every_epoch_is_augmented_anew(seed):
    image = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    same = Dataset(
        np.broadcast_to(image, (12, 1, 28, 28)).copy(), np.zeros(12, np.int64), "same", 1
    )
    loader = DataLoader(same, 4, transform=AUGMENT, rng=np.random.default_rng(seed))
    assert (
        len({image.tobytes() for _ in range(2) for images, _ in loader for image in images}) == 24
    )


def test_without_a_generator_every_epoch_is_the_same():
    loader = DataLoader(numbered(20), 3)
    assert bits(loader) == bits(loader)
    assert (loader.dataset.name, loader.batch_size) == ("numbered", 3)


def test_images_are_divided_by_their_own_scale():
    data = load_digits(train=False)
    wanted = data.images.astype(np.float32) / np.float32(16)
    for transform in (None, ToTensor(), Compose([Compose([ToTensor()])]), ToTensor(16)):
        np.testing.assert_array_equal(
            np.concatenate([images for images, _ in DataLoader(data, 50, transform=transform)]),
            wanted,
        )
    forced = next(iter(DataLoader(data, 50, transform=ToTensor(32))))[0]
    np.testing.assert_array_equal(forced, wanted[:50] / 2)


def test_float_images_pass_and_the_dataset_stays_as_it_is():
    data = numbered(5, np.float32)
    images, _ = next(iter(DataLoader(data, 5)))
    np.testing.assert_array_equal(images, data.images)
    images += 1
    np.testing.assert_array_equal(data.images, numbered(5, np.float32).images)


def test_a_function_may_be_a_transform():
    data = numbered(4)
    seen = []

    def half(batch, rng):
        seen.append(rng)
        return batch / 2

    images, labels = next(iter(DataLoader(data, 4, transform=half)))
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images[:, 0, 0, 0], labels / 2)
    next(iter(DataLoader(data, 4, transform=half, rng=np.random.default_rng(0))))
    assert seen[0] is None
    assert isinstance(seen[1], np.random.Generator)


@pytest.mark.parametrize(
    ("error", "message", "transform"),
    [
        (TypeMismatchError, "ToTensor", RandomAffine(5)),
        (TypeMismatchError, "ToTensor", lambda batch, rng: batch.tolist()),
        (ShapeError, "transformed images", lambda batch, rng: batch[:1] / 2),
        (ShapeError, "transformed images", lambda batch, rng: batch[:, 0] / 2),
        (RangeError, "transformed images", lambda batch, rng: batch * np.nan),
    ],
    ids=["bytes", "list", "fewer", "no channels", "nan"],
)
def test_what_a_transform_returns_is_checked(error, message, transform):
    loader = DataLoader(numbered(4), 4, transform=transform, rng=np.random.default_rng(0))
    with pytest.raises(error, match=message):
        next(iter(loader))


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeMismatchError, "rng.*Generator", {"shuffle": True}),
        (TypeMismatchError, "rng.*Generator", {"transform": RandomAffine(5)}),
        (
            TypeMismatchError,
            "rng.*Generator",
            {"transform": Compose([Compose([RandomAffine(5)]), ToTensor()])},
        ),
        (TypeMismatchError, "rng.*Generator", {"rng": 0}),
        (TypeMismatchError, "dataset", {"dataset": [1, 2]}),
        (TypeMismatchError, "transform", {"transform": 3}),
        (TypeMismatchError, "batch_size", {"batch_size": 2.0}),
        (RangeError, "batch_size", {"batch_size": 0}),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_at_once(error, message, arguments):
    with pytest.raises(error, match=message):
        DataLoader(**{"dataset": numbered(4), **arguments})


@pytest.mark.parametrize(
    ("error", "start"), [(RangeError, -1), (RangeError, 3), (TypeMismatchError, 1.0)]
)
def test_a_start_must_be_a_batch_of_the_epoch(error, start):
    loader = DataLoader(numbered(4), 2)
    with pytest.raises(error, match="start"):
        loader.epoch(start)
