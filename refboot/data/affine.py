"""Affine maps of image batches with nearest-neighbour resampling, the same bits on every machine.

Coordinates are in pixels, x to the right and y down. Pixel (i, j) covers [j, j + 1) x [i, i + 1).
The output pixel (y, x) is the input pixel that contains M (x + 0.5, y + 0.5). M is computed in
float64 by single operations in the order written here and then rounded to 16 fractional bits.
The rest is integer arithmetic. Pillow's nearest transform gives the same pixels; only for maps
without rotation and shear, where Pillow uses floats, it may differ at the border of two pixels.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot.arrays import Doubles, Ints

Images = NDArray[Any]

FRACTION = 16
FARTHEST = 2.0**30  # pixels: larger than any image, and sums of it fit int64
RADIANS = 1.7044230976507124e-05  # in 1/1024 degree: pi / 184320


def sine_cosine(degrees: Doubles) -> tuple[Doubles, Doubles]:
    """Sine and cosine of angles rounded half up to 1/1024 degree, float64. Spec: TRN-16.

    The angle is reduced to [-45, 45] degrees. Taylor's polynomials to x^15 and x^16 are evaluated
    from the innermost term outwards, each operation rounded by itself.
    """
    grid = np.floor(degrees * 1024 + 0.5).astype(np.int64)
    quarter = (grid + 46080) // 92160
    x = (grid - quarter * 92160) * RADIANS
    square = x * x
    sine = cosine = np.ones_like(x)
    for i in range(7, 0, -1):
        sine = 1 - square * sine / (2 * i * (2 * i + 1))
    for i in range(8, 0, -1):
        cosine = 1 - square * cosine / (2 * i * (2 * i - 1))
    sine = x * sine
    odd = quarter & 1 == 1
    return (
        np.where(odd, cosine, sine) * np.where(quarter & 2, -1.0, 1.0),
        np.where(odd, sine, cosine) * np.where((quarter + 1) & 2, -1.0, 1.0),
    )


def fixed_maps(drawn: Doubles, size: tuple[int, ...]) -> Ints:
    """The maps from output to input coordinates for images of `size` (H, W); int64 (N, 2, 3).

    For each of x and y: the step along x, the step along y and the place of pixel (0, 0), in whole
    1/65536 pixels rounded half up. `drawn` (N, 6) float64 has for each image the angle, right and
    down as fractions of the size, the zoom, and the x-shear and y-shear. The forward map, about
    the centre (W/2, H/2), moves x by -tan(x-shear) y, then y by -tan(y-shear) x, rotates clockwise
    and enlarges; then it moves right and down by whole pixels. Angles in degrees. Spec: TRN-16.
    """
    angle, right, down, zoom, *shears = drawn.T
    sine, cosine = sine_cosine(angle)
    tan_x, tan_y = (s / c for s, c in map(sine_cosine, shears))
    c, d = tan_y * cosine - sine, tan_y * sine + cosine
    rows = ((cosine + tan_x * c) / zoom, (sine + tan_x * d) / zoom), (c / zoom, d / zoom)
    centre = size[1] / 2, size[0] / 2
    x, y = centre[0] + np.rint(right * size[1]), centre[1] + np.rint(down * size[0])
    exact = [
        (a, b, middle - (a * x + b * y) + a * 0.5 + b * 0.5)
        for (a, b), middle in zip(rows, centre, strict=True)
    ]
    near = np.clip(np.array(exact).transpose(2, 0, 1), -FARTHEST, FARTHEST)
    return np.floor(near * 2.0**FRACTION + 0.5).astype(np.int64)


def resample_plain(images: Images, fixed: Ints, fill: Any) -> Images:
    """The definition: `images` (N, C, H, W) through `fixed_maps`; `fill` outside the image."""
    count, _, height, width = images.shape
    row, column = np.arange(height)[:, None], np.arange(width)
    step_x, step_y, start = (fixed[:, :, i, None, None] for i in range(3))
    place = (start + step_y * row + step_x * column) >> FRACTION
    x, y = place[:, 0], place[:, 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    image = np.arange(count)[:, None, None]
    found = images[image, :, np.where(inside, y, 0), np.where(inside, x, 0)]
    found[~inside] = fill
    return np.ascontiguousarray(found.transpose(0, 3, 1, 2))


def _resample(images: Images, fixed: Ints, fill: Any) -> Images:
    out = np.empty_like(images)
    count, channels, height, width = images.shape
    for n in range(count):
        for row in range(height):
            x_fixed = fixed[n, 0, 2] + fixed[n, 0, 1] * row
            y_fixed = fixed[n, 1, 2] + fixed[n, 1, 1] * row
            for column in range(width):
                x, y = x_fixed >> FRACTION, y_fixed >> FRACTION
                inside = 0 <= x < width and 0 <= y < height
                for c in range(channels):
                    out[n, c, row, column] = images[n, c, y, x] if inside else fill
                x_fixed += fixed[n, 0, 0]
                y_fixed += fixed[n, 1, 0]
    return out


resample = resample_plain
if os.environ.get("REFBOOT_OPS") != "reference":
    try:
        from refboot.kernels.jit import jit

        resample = jit(_resample)
    except ImportError:
        pass
