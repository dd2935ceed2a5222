"""Cuts a dataset into batches. The generator's state fixes their order and their augmentation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refboot.arrays import Floats, Ints, flag, floats, generator, instance, whole
from refboot.data.dataset import Dataset
from refboot.data.transforms import Compose, RandomAffine, ToTensor, Transform
from refboot.errors import TypeMismatchError
from refboot.reference import draws

Batch = tuple[Floats, Ints]


class DataLoader:
    """Batches of `dataset`: images float32 (B, C, H, W) and labels int64 (B,).

    B is `batch_size`; the last batch may be smaller. `transform(batch, rng)` gets the dataset's
    own pixels and must return floats; the default is ToTensor. Each epoch first draws from `rng`:
    with `shuffle` a permutation, then a seed (one word). Batch k augments from its own generator
    PCG64((seed, k)). So the state of `rng` at the start fixes an epoch, `rng` ends in the same
    state however far the epoch is read, and iterators do not disturb each other. Without `rng` the
    order is the dataset's. Raises TypeMismatchError or RangeError for bad arguments, and
    TypeMismatchError if `shuffle` or a RandomAffine lacks `rng`. Spec: TRN-8, TRN-16.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 32,
        shuffle: bool = False,
        transform: Transform | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.dataset = instance("dataset", dataset, Dataset, "a refboot.data.Dataset")
        self.batch_size = whole("batch_size", batch_size)
        self.shuffle = flag("shuffle", shuffle)
        parts = [
            ToTensor(dataset.scale) if isinstance(part, ToTensor) and part.scale is None else part
            for part in Compose([ToTensor() if transform is None else transform]).transforms
        ]
        self.transform = Compose(parts)
        random = any(isinstance(part, RandomAffine) for part in parts)
        if self.shuffle or random or rng is not None:
            generator("rng, which shuffle and random transforms need,", rng)
        self.rng = rng

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return (len(self.dataset) + self.batch_size - 1) // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        """A new epoch; the call itself draws."""
        return self.epoch()

    def epoch(self, start: int = 0) -> Iterator[Batch]:
        """A new epoch from batch `start` on: the batches that a whole epoch has there."""
        start = whole("start", start, 0, len(self))
        order, seed = np.arange(len(self.dataset)), None
        if self.rng is not None:
            order = draws.permutation(self.rng, len(order)) if self.shuffle else order
            seed = int(draws.words(self.rng, 1)[0])
        return self._batches(order, seed, start)

    def _batches(self, order: Ints, seed: int | None, start: int) -> Iterator[Batch]:
        for k in range(start, len(self)):
            chosen = order[k * self.batch_size : (k + 1) * self.batch_size]
            rng = None if seed is None else np.random.Generator(np.random.PCG64((seed, k)))
            images = self.transform(self.dataset.images[chosen], rng)
            if not isinstance(images, np.ndarray) or images.dtype.kind != "f":
                got = f"of type {getattr(images, 'dtype', type(images))}"
                raise TypeMismatchError("transformed images", got, "floats (ToTensor makes them)")
            axes = (len(chosen), "C", "H", "W")
            yield floats("transformed images", images, axes), self.dataset.labels[chosen]
