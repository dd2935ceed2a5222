"""Affine maps of image batches, nearest neighbour: the matrices, and the pixel loop as NumPy and as
a Numba kernel.

Coordinates are in pixels with x to the right and y down; pixel (i, j) covers [j, j + 1) x [i, i +
1). The output pixel (y, x) takes the input pixel in which M (x + 0.5, y + 0.5) lies. M is rounded
half up to 16 fractional bits first and all else is whole numbers, so both ways of computing give
the same bits, and Pillow's nearest transform gives them too. Only for maps without rotation and
shear does Pillow use floats: it may differ where a pixel's place is within 2^-17 (W + 2) pixels (H
for the rows) of the border between two pixels.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Ints
from refboot.compiled import compiled

Doubles = NDArray[np.float64]
Images = NDArray[Any]

FRACTION = 16
FARTHEST = 2.0**30  # pixels; beyond any image, and its sums fit int64


def inverse_matrices(
    angle: Doubles, shift: Doubles, zoom: Doubles, shear: Doubles, size: tuple[int, int]
) -> Doubles:
    """The maps from output to input coordinates, (N, 2, 3) float64, for images of `size` (H, W).

    Forward, an image is sheared, rotated clockwise by `angle` (N,) degrees and enlarged by `zoom`
    (N,), all about its centre (W/2, H/2), then moved by `shift` (N, 2) pixels (right, down).
    `shear` (N, 2) is in degrees: x-shear moves a point by -tan(shear) y, then y-shear by
    -tan(shear) x.
    """
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    tan_x, tan_y = np.tan(np.radians(shear)).T
    # The inverse of a rotation is its transpose; the inverse shears come in reverse order, with
    # opposite sign.
    a, b = cos, sin
    c, d = tan_y * cos - sin, tan_y * sin + cos
    linear = (
        np.array([[a + tan_x * c, b + tan_x * d], [c, d]]).transpose(2, 0, 1) / zoom[:, None, None]
    )
    centre = np.array([size[1] / 2, size[0] / 2])
    offset = centre - np.einsum("nij,nj->ni", linear, centre + shift)
    return np.concatenate([linear, offset[:, :, None]], axis=2)


def to_fixed(matrices: Doubles) -> Ints:
    """Maps (N, 2, 3) as whole 1/65536 pixels, (N, 2, 3) int64: the steps along x and y, and where
    pixel (0, 0) falls.
    """
    steps, offset = matrices[:, :, :2], matrices[:, :, 2]
    start = offset + steps[:, :, 0] * 0.5 + steps[:, :, 1] * 0.5
    rows = np.concatenate([steps, start[:, :, None]], axis=2)
    fixed: Ints = np.floor(np.clip(rows, -FARTHEST, FARTHEST) * (1 << FRACTION) + 0.5).astype(
        np.int64
    )
    return fixed


def resample_plain(images: Images, fixed: Ints, fill: Any) -> Images:
    """`images` (N, C, H, W) through the maps `fixed` of to_fixed: the definition. Outside the image
    there is `fill`.
    """
    count, _, height, width = images.shape
    row, column = np.arange(height)[:, None], np.arange(width)
    step_x, step_y, start = (fixed[:, :, i, None, None] for i in range(3))
    place = (start + step_y * row + step_x * column) >> FRACTION
    x, y = place[:, 0], place[:, 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    found = images[
        np.arange(count)[:, None, None], :, np.where(inside, y, 0), np.where(inside, x, 0)
    ]
    found[~inside] = fill
    return np.ascontiguousarray(found.transpose(0, 3, 1, 2))


def _resample(images: Images, fixed: Ints, fill: Any) -> Images:
    out = np.empty_like(images)
    count, channels, height, width = images.shape
    for n in range(count):
        step_x, step_y, x_row = fixed[n, 0]
        step_xy, step_yy, y_row = fixed[n, 1]
        for row in range(height):
            x_fixed, y_fixed = x_row, y_row
            for column in range(width):
                x, y = x_fixed >> FRACTION, y_fixed >> FRACTION
                inside = 0 <= x < width and 0 <= y < height
                for c in range(channels):
                    out[n, c, row, column] = images[n, c, y, x] if inside else fill
                x_fixed += step_x
                y_fixed += step_xy
            x_row += step_y
            y_row += step_yy
    return out


def _choose() -> Any:
    """The kernel where Numba can be imported, else the definition (also with
    REFBOOT_OPS=reference).
    """
    if os.environ.get("REFBOOT_OPS") == "reference":
        return resample_plain
    try:
        return compiled(_resample, error_model="numpy", fastmath=False)
    except ImportError:
        return resample_plain


resample = _choose()
