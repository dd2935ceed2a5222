"""The packed digits are the published ones, and Dataset refuses what is none."""

import gzip
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from refboot.data import Dataset, dataset, load_digits
from refboot.errors import FormatError, RangeError, ShapeError, TypeMismatchError


def test_the_packed_digits_are_those_of_the_text(shared):
    path = shared / "digits" / "digits.csv.gz"
    if not path.is_file():
        pytest.skip("the text of the digits is not in the shared folder")
    with gzip.open(path, "rt") as text:
        rows = np.loadtxt(text, delimiter=",", dtype=np.int64)
    parts = load_digits(), load_digits(train=False)
    np.testing.assert_array_equal(
        np.concatenate([part.images for part in parts]).reshape(-1, 64), rows[:, :64]
    )
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts]), rows[:, 64])


@pytest.mark.parametrize(("train", "count"), [(True, 1437), (False, 360)])
def test_the_parts(train, count):
    data = load_digits(train)
    assert (data.images.shape, data.images.dtype) == ((count, 1, 8, 8), np.uint8)
    assert (data.labels.shape, data.labels.dtype) == ((count,), np.int64)
    assert data.images.max() == data.scale == 16
    assert data.classes == 10
    assert set(data.labels.tolist()) == set(range(10))


def test_the_attribution_ships_with_the_file():
    text = dataset.DIGITS.with_name("DIGITS.md").read_text(encoding="utf-8")
    assert all(words in text for words in ("E. Alpaydin", "C. Kaynak", "1998", "CC BY 4.0"))


@pytest.mark.parametrize("damage", ["missing", "cut", "foreign", "no labels", "objects", "short"])
def test_a_damaged_file_is_named(tmp_path, monkeypatch, damage):
    path = tmp_path / "digits.npz"
    whole = dataset.DIGITS.read_bytes()
    if damage in ("cut", "foreign"):
        path.write_bytes(whole[:1000] if damage == "cut" else b"foreign")
    elif damage == "no labels":
        np.savez(path, images=np.zeros((1797, 8, 8), np.uint8))
    elif damage == "objects":
        np.savez(path, images=np.array([{}], dtype=object), labels=np.zeros(1))
    elif damage == "short":
        np.savez(path, images=np.zeros((9, 8, 8), np.uint8), labels=np.zeros(9, np.uint8))
    monkeypatch.setattr(dataset, "DIGITS", path)
    with pytest.raises(FormatError) as caught:
        load_digits()
    assert str(path) in str(caught.value)


IMAGES, LABELS = np.full((3, 1, 2, 2), 7, np.uint8), np.arange(3)


@pytest.mark.parametrize(
    ("error", "images", "labels", "classes", "scale"),
    [
        (TypeMismatchError, IMAGES.tolist(), LABELS, 3, 255),
        (TypeMismatchError, IMAGES.astype(np.int64), LABELS, 3, 255),
        (TypeMismatchError, IMAGES.astype(object), LABELS, 3, 255),
        (ShapeError, IMAGES[:, 0], LABELS, 3, 255),
        (ShapeError, IMAGES[:0], LABELS[:0], 3, 255),
        (ShapeError, IMAGES, LABELS[:2], 3, 255),
        (RangeError, IMAGES, LABELS, 2, 255),
        (RangeError, IMAGES, LABELS - 1, 3, 255),
        (TypeMismatchError, IMAGES, LABELS / 2, 3, 255),
        (RangeError, IMAGES, LABELS, 0, 255),
        (TypeMismatchError, IMAGES, LABELS, 3.0, 255),
        (RangeError, IMAGES, LABELS, 3, 0),
        (RangeError, IMAGES, LABELS, 3, 6),
        (RangeError, IMAGES, LABELS, 3, np.nan),
        (RangeError, np.full((3, 1, 2, 2), np.nan, np.float32), LABELS, 3, 1),
    ],
)
def test_a_dataset_refuses(error, images, labels, classes, scale):
    with pytest.raises(error):
        Dataset(images, labels, "test", classes, scale)


def test_a_dataset_is_frozen_and_its_labels_become_int64():
    data = Dataset(IMAGES, LABELS.astype(np.uint8), "test", 3, 7)
    assert data.labels.dtype == np.int64
    assert len(data) == 3
    with pytest.raises(FrozenInstanceError):
        data.name = "other"
