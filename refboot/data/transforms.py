"""Transforms of image batches: `transform(batch, rng)` takes and returns (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refboot.arrays import Floats, generator, instance, items, number
from refboot.data.affine import Images, fixed_maps, resample
from refboot.data.dataset import check_images
from refboot.errors import RangeError, ShapeError
from refboot.reference import draws

Transform = Callable[[Images, "np.random.Generator | None"], Images]
LARGEST_SHEAR = 90 - 2.0**-10


class Compose:
    """Applies transforms one after the other. Raises TypeMismatchError unless all are callable."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms: tuple[Transform, ...] = ()
        for part in items("transforms", transforms):
            instance("transforms", part, Callable, "callables transform(batch, rng)")  # type: ignore[arg-type]
            self.transforms += part.transforms if isinstance(part, Compose) else (part,)

    def __call__(self, batch: Images, rng: np.random.Generator | None = None) -> Images:
        """`batch` through each transform in turn; all of them draw from the same `rng`."""
        for transform in self.transforms:
            batch = transform(batch, rng)
        return batch


class ToTensor:
    """Converts uint8 pixels to float32 in [0, 1]: each is divided by `scale` and rounded once.

    Without `scale`, a DataLoader uses its dataset's scale, and a direct call uses 255.
    """

    def __init__(self, scale: float | None = None) -> None:
        self.scale = None if scale is None else number("scale", scale, 0, above=True)

    def __call__(self, batch: Images, rng: np.random.Generator | None = None) -> Floats:
        """`batch` (N, C, H, W) of uint8 as float32; float32 stays as it is. Raises
        TypeMismatchError, ShapeError.
        """
        check_images("batch", batch, (np.uint8, np.float32))
        if batch.dtype == np.float32:
            return batch
        return batch.astype(np.float32) / np.float32(255 if self.scale is None else self.scale)


class Normalize:
    """(x - mean) / std in float32, each of the two operations rounded.

    `mean` and `std` > 0 are numbers, or sequences with one number per channel.
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        most = float(np.finfo(np.float32).max)
        means = _numbers("mean", mean, (), -most, most)
        stds = _numbers("std", std, (), 2.0**-126, most)
        self.mean, self.std = (np.array(v, np.float32)[:, None, None] for v in (means, stds))

    def __call__(self, batch: Images, rng: np.random.Generator | None = None) -> Floats:
        """`batch` (N, C, H, W) float32, normalised. Raises TypeMismatchError, ShapeError."""
        check_images("batch", batch, (np.float32,))
        channels = batch.shape[1]
        for name, value in (("mean", self.mean), ("std", self.std)):
            if value.size not in (1, channels):
                raise ShapeError(name, f"of {value.size} numbers", f"1 or {channels} (channels)")
        return (batch - self.mean) / self.std


class RandomAffine:
    """A random affine map of each image about its centre, nearest neighbour, as torchvision's.

    For each image six numbers are drawn uniformly, in this order: angle, clockwise degrees in
    [-degrees, degrees] or in the pair `degrees`; translation right and down, within translate[0]
    of the width and translate[1] of the height, rounded half to even to whole pixels; enlargement
    in the pair `scale`; x-shear, degrees in [-shear, shear] or in the first pair of `shear`;
    y-shear in its second pair. Pixels from outside the image are `fill`. Raises TypeMismatchError,
    ShapeError or RangeError for angles outside [-360, 360], translations outside [0, 1], scales
    outside [1e-6, 1e6], shears of 90 degrees or more, and ranges that descend. Spec: TRN-16.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] = (0, 0),
        scale: Sequence[float] = (1, 1),
        shear: float | Sequence[float] = 0,
        fill: float = 0,
    ) -> None:
        right, down = _numbers("translate", translate, (2,), 0, 1)
        angles = _ranges("degrees", degrees, (1, 2), -360, 360)
        zooms = _ranges("scale", scale, (2,), 1e-6, 1e6)
        shears = _ranges("shear", shear, (1, 2, 4), -LARGEST_SHEAR, LARGEST_SHEAR)
        shifts = (-right, right), (-down, down)
        self.bounds = np.array([angles, *shifts, zooms, shears[:2], shears[2:] or (0, 0)])
        self.fill = number("fill", fill)

    def __call__(self, batch: Images, rng: np.random.Generator | None = None) -> Images:
        """Each image of `batch` (N, C, H, W), uint8 or float, by its own map; same shape and dtype.

        Raises TypeMismatchError for another dtype or if `rng` is no Generator, ShapeError, and
        RangeError if uint8 images cannot hold `fill`.
        """
        check_images("batch", batch, (np.uint8, np.float32, np.float64))
        if batch.dtype == np.uint8 and not (0 <= self.fill <= 255 and self.fill % 1 == 0):
            raise RangeError("fill", self.fill, "a whole number in [0, 255] for uint8 images")
        low, high = self.bounds.T
        u = draws.uniform(generator("rng", rng), 0, 1, (len(batch), 6))
        maps = fixed_maps(low + (high - low) * u, batch.shape[2:])
        return resample(np.ascontiguousarray(batch), maps, batch.dtype.type(self.fill))


def _numbers(name: str, value: object, counts: Sequence[int], low: float, high: float) -> Any:
    """`value`, a number or a sequence of `counts` of them (any if empty), in [low, high]."""
    found = items(name, value) if isinstance(value, (tuple, list, np.ndarray)) else [value]
    if not found or (counts and len(found) not in counts):
        expected = " or ".join(map(str, counts)) or "one or more"
        raise ShapeError(name, f"of {len(found)} numbers", expected)
    return tuple(number(name, item, low, high) for item in found)


def _ranges(
    name: str, value: object, counts: Sequence[int], low: float, high: float
) -> tuple[float, ...]:
    """Ascending pairs within [low, high]; one number r stands for (-r, r)."""
    found = _numbers(name, value, counts, low, high)
    found = (-found[0], found[0]) if len(found) == 1 else found
    if any(a > b for a, b in zip(found[::2], found[1::2], strict=True)):
        raise RangeError(name, found, "pairs (lowest, highest)")
    return found
