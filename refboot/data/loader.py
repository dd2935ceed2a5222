"""Cuts a dataset into batches, in an order and with augmentations that the generator's state
fixes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refboot.arrays import Floats, Ints, flag, floats, generator, whole
from refboot.data.dataset import Dataset
from refboot.data.transforms import ToTensor, Transform, at_scale, is_random
from refboot.errors import TypeMismatchError

Batch = tuple[Floats, Ints]


class DataLoader:
    """Batches (images float32 (B, C, H, W), labels int64 (B,)) of `dataset`; B is `batch_size`,
    less in the last one.

    `transform(batch, rng)` gets the dataset's own pixels and must end in floats; without one,
    ToTensor is used. Each epoch draws up front from `rng`: with `shuffle` a permutation, then a
    seed; batch k augments from a generator seeded by (seed, k). So an epoch follows from the state
    of `rng` at its start, `rng` is left in the same state however far the epoch is read, and
    iterators never disturb each other. Without `rng` the order is the dataset's. Raises
    TypeMismatchError or RangeError for bad arguments, TypeMismatchError when `rng` is missing for
    `shuffle` or a RandomAffine.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 32,
        shuffle: bool = False,
        transform: Transform | None = None,
        rng: np.random.Generator | None = None,
        *,
        drop_last: bool = False,
    ) -> None:
        if not isinstance(dataset, Dataset):
            raise TypeMismatchError(
                "dataset", f"a {type(dataset).__name__}", "a refboot.data.Dataset"
            )
        if transform is not None and not callable(transform):
            raise TypeMismatchError(
                "transform", repr(transform), "a callable transform(batch, rng)"
            )
        shuffle, drop_last = flag("shuffle", shuffle), flag("drop_last", drop_last)
        if shuffle or is_random(transform) or rng is not None:
            generator("rng, which shuffle and random transforms need,", rng)
        self.dataset = dataset
        self.batch_size = whole("batch_size", batch_size)
        self.shuffle = shuffle
        self.rng = rng
        self.drop_last = drop_last
        self.transform = at_scale(ToTensor() if transform is None else transform, dataset.scale)

    def __len__(self) -> int:
        """The number of batches an epoch has."""
        count = len(self.dataset)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """A fresh epoch, drawn at once."""
        return self.epoch()

    def epoch(self, start: int = 0) -> Iterator[Batch]:
        """A fresh epoch, drawn at once, from batch `start` on: the batches are those that a whole
        epoch would have there.
        """
        start = whole("start", start, 0, len(self))
        count = len(self.dataset)
        if self.rng is None:
            return self._batches(np.arange(count), None, start)
        order = self.rng.permutation(count) if self.shuffle else np.arange(count)
        return self._batches(order, int(self.rng.integers(2**63)), start)

    def _batches(self, order: Ints, seed: int | None, start: int) -> Iterator[Batch]:
        for index in range(start, len(self)):
            chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
            rng = None if seed is None else np.random.default_rng((seed, index))
            yield self._transformed(chosen, rng), self.dataset.labels[chosen]

    def _transformed(self, chosen: Ints, rng: np.random.Generator | None) -> Floats:
        images = self.transform(self.dataset.images[chosen], rng)
        if not isinstance(images, np.ndarray) or images.dtype.kind != "f":
            got = (
                f"of dtype {images.dtype}"
                if isinstance(images, np.ndarray)
                else f"a {type(images).__name__}"
            )
            raise TypeMismatchError("transformed images", got, "floats: ToTensor() makes them")
        return floats("transformed images", images, (len(chosen), "C", "H", "W"))
