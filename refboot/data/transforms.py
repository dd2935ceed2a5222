"""Transforms of image batches: `transform(batch, rng)` takes (N, C, H, W) and returns (N, C, H,
W).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Floats, check_shape, generator, items, number
from refboot.data.affine import Doubles, Images, inverse_matrices, resample, to_fixed
from refboot.errors import RangeError, ShapeError, TypeMismatchError

Transform = Callable[[Images, "np.random.Generator | None"], Images]

SMALLEST_ZOOM, LARGEST_ZOOM = 1e-6, 1e6


class Compose:
    """Transforms one after the other. Raises TypeMismatchError for what cannot be called."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        if not isinstance(transforms, Sequence) or not all(
            callable(transform) for transform in transforms
        ):
            raise TypeMismatchError(
                "transforms", repr(transforms), "a sequence of callables transform(batch, rng)"
            )
        self.transforms = tuple(transforms)

    def __call__(self, batch: Images, rng: np.random.Generator | None = None) -> Images:
        """`batch` through each transform in turn; every one of them draws from the same `rng`."""
        for transform in self.transforms:
            batch = transform(batch, rng)
        return batch


class ToTensor:
    """uint8 pixels to float32 in [0, 1]: each divided by `scale` in float32, rounded once.

    Without `scale`, a DataLoader puts its dataset's scale in; alone it is 255. float32 batches stay
    as they are.
    """

    def __init__(self, scale: float | None = None) -> None:
        self.scale = None if scale is None else number("scale", scale, 0, above=True)

    def __call__(self, batch: Images, rng: np.random.Generator | None = None) -> Floats:
        """`batch` (N, C, H, W), uint8 or float32, as float32; nothing is drawn. Raises
        TypeMismatchError, ShapeError.
        """
        _check_batch(batch, (np.uint8, np.float32))
        if batch.dtype == np.float32:
            return batch
        return batch.astype(np.float32) / np.float32(255.0 if self.scale is None else self.scale)


class Normalize:
    """(x - mean) / std in float32; `mean` and `std` > 0 are numbers, or sequences with one number a
    channel.
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = _per_channel("mean", mean)
        self.std = _per_channel("std", std, 0, above=True)

    def __call__(self, batch: Images, rng: np.random.Generator | None = None) -> Floats:
        """`batch` (N, C, H, W) float32, normalised; nothing is drawn. Raises TypeMismatchError,
        ShapeError.
        """
        _check_batch(batch, (np.float32,))
        for name, value in (("mean", self.mean), ("std", self.std)):
            if value.size not in (1, batch.shape[1]):
                raise ShapeError(
                    name,
                    f"of {value.size} numbers",
                    f"one, or one for each of the {batch.shape[1]} channels",
                )
        out: Floats = batch - self.mean
        out /= self.std
        return out


class RandomAffine:
    """A random affine map of each image about its centre, nearest neighbour, as
    torchvision.transforms.RandomAffine.

    For each image are drawn, uniformly and in this order, those that are asked for:
    angle: clockwise degrees in [-degrees, degrees], or in the pair `degrees`; always drawn;
    translation: right, then down, in +-translate[0] * W and +-translate[1] * H pixels, rounded
    half-even to whole ones; scale: the enlargement, in the pair `scale`;
    shear: x-shear in degrees in [-shear, shear] or in the first pair of `shear`, y-shear in its
    second pair if it has 4. Each image takes as many numbers of `rng` whatever the batch it is in.
    Pixels from outside the image are `fill`. Raises TypeMismatchError, ShapeError or RangeError for
    negative degrees or shear, fractions outside [0, 1], scales outside [1e-6, 1e6], shear outside
    (-90, 90), and pairs that descend.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        fill: float = 0,
    ) -> None:
        self.degrees = _around_zero("degrees", degrees, (2,), np.inf)
        self.translate = None if translate is None else _numbers("translate", translate, (2,), 0, 1)
        self.scale = (
            None
            if scale is None
            else _ascending("scale", _numbers("scale", scale, (2,), SMALLEST_ZOOM, LARGEST_ZOOM))
        )
        self.shear = (
            None if shear is None else _around_zero("shear", shear, (2, 4), np.nextafter(90.0, 0.0))
        )
        self.fill = number("fill", fill)

    def __call__(self, batch: Images, rng: np.random.Generator | None = None) -> Images:
        """Each image of `batch` (N, C, H, W), uint8 or float, by its own map; same shape and dtype.

        Raises TypeMismatchError for another dtype or when `rng` is no Generator, ShapeError, and
        RangeError for a fill that uint8 does not have.
        """
        _check_batch(batch, (np.uint8, np.float32, np.float64))
        fill = _cast_fill(self.fill, batch.dtype)
        matrices = self.draw(len(batch), (batch.shape[2], batch.shape[3]), generator("rng", rng))
        out: Images = resample(np.ascontiguousarray(batch), to_fixed(matrices), fill)
        return out

    def draw(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> Doubles:
        """Maps for `count` images of `size` (H, W): output to input coordinates in pixels, (count,
        2, 3) float64.
        """
        ranges = self._ranges(size)
        low, high = np.array(list(ranges.values())).T
        values = dict(
            zip(ranges, (low + (high - low) * rng.random((count, len(ranges)))).T, strict=True)
        )
        zeros = np.zeros(count)
        shift = np.rint([values.get("right", zeros), values.get("down", zeros)]).T
        shear = np.array([values.get("shear_x", zeros), values.get("shear_y", zeros)]).T
        return inverse_matrices(values["angle"], shift, values.get("scale", zeros + 1), shear, size)

    def _ranges(self, size: tuple[int, int]) -> dict[str, tuple[float, float]]:
        """What is drawn for an image of `size` (H, W), in the order of drawing, with the bounds."""
        ranges = {"angle": (self.degrees[0], self.degrees[1])}
        if self.translate is not None:
            right, down = self.translate[0] * size[1], self.translate[1] * size[0]
            ranges |= {"right": (-right, right), "down": (-down, down)}
        if self.scale is not None:
            ranges["scale"] = (self.scale[0], self.scale[1])
        if self.shear is not None:
            ranges["shear_x"] = (self.shear[0], self.shear[1])
        if self.shear is not None and len(self.shear) == 4:
            ranges["shear_y"] = (self.shear[2], self.shear[3])
        return ranges


def is_random(transform: Transform | None) -> bool:
    """Whether `transform` is or contains a RandomAffine, which needs a Generator."""
    if isinstance(transform, Compose):
        return any(is_random(part) for part in transform.transforms)
    return isinstance(transform, RandomAffine)


def at_scale(transform: Transform, scale: float) -> Transform:
    """`transform` with each ToTensor that has no scale replaced by one that has this."""
    if isinstance(transform, Compose):
        return Compose([at_scale(part, scale) for part in transform.transforms])
    return (
        ToTensor(scale)
        if isinstance(transform, ToTensor) and transform.scale is None
        else transform
    )


def _check_batch(batch: object, dtypes: Sequence[type]) -> None:
    if not isinstance(batch, np.ndarray) or batch.dtype not in dtypes:
        got = (
            f"of dtype {batch.dtype}"
            if isinstance(batch, np.ndarray)
            else f"a {type(batch).__name__}"
        )
        wanted = " or ".join(dtype.__name__ for dtype in dtypes)
        raise TypeMismatchError(
            "batch",
            got,
            f"an array of {wanted}" + ("" if np.uint8 in dtypes else " (ToTensor makes it)"),
        )
    check_shape("batch", batch, ("N", "C", "H", "W"))


def _cast_fill(fill: float, dtype: np.dtype[Any]) -> Any:
    if dtype == np.uint8 and not (0 <= fill <= 255 and fill == int(fill)):
        raise RangeError("fill", fill, "a whole number in [0, 255] for uint8 images")
    return dtype.type(fill)


def _numbers(
    name: str, value: object, counts: Sequence[int], low: float, high: float
) -> tuple[float, ...]:
    """`value` as a tuple of as many numbers in [low, high] as one of `counts` says."""
    found = items(name, value)
    if len(found) not in counts:
        raise ShapeError(name, f"of {len(found)} numbers", " or ".join(map(str, counts)))
    return tuple(number(f"{name}[{i}]", item, low, high) for i, item in enumerate(found))


def _ascending(name: str, values: tuple[float, ...]) -> tuple[float, ...]:
    for low, high in zip(values[::2], values[1::2], strict=True):
        if low > high:
            raise RangeError(name, values, "pairs (lowest, highest)")
    return values


def _around_zero(
    name: str, value: object, counts: Sequence[int], limit: float
) -> tuple[float, ...]:
    """A number r >= 0 as (-r, r), or ascending pairs; all within +-limit."""
    if isinstance(value, (tuple, list, np.ndarray)):
        return _ascending(name, _numbers(name, value, counts, -limit, limit))
    radius = number(name, value, 0, limit)
    return (-radius, radius)


def _per_channel(
    name: str, value: object, low: float = -np.inf, *, above: bool = False
) -> NDArray[np.float32]:
    many = items(name, value) if isinstance(value, (tuple, list, np.ndarray)) else [value]
    if not many:
        raise ShapeError(name, "empty", "one number, or one a channel")
    limit = float(np.finfo(np.float32).max)
    checked = [number(name, item, low if above else -limit, limit, above=above) for item in many]
    return np.array(checked, np.float32)[:, None, None]
