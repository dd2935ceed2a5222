"""The affine resampling: kernel against definition, hand-made expectations, Pillow."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import refboot
from refboot.data import affine
from refboot.data.affine import fixed_maps, resample, resample_plain, sine_cosine

SOURCES = str(Path(refboot.__file__).parents[1])
sides = st.integers(1, 12)
batches = st.tuples(st.integers(1, 4), st.integers(1, 3), sides, sides).flatmap(
    lambda shape: st.sampled_from([np.uint8, np.float32, np.float64]).flatmap(
        lambda dtype: hnp.arrays(dtype, shape, elements=st.integers(0, 255))
    )
)


def numbers(count, low, high):
    return hnp.arrays(np.float64, count, elements=st.floats(low, high))


def maps_of(draw, count, size):
    columns = [(-360, 360), (-0.5, 0.5), (-0.5, 0.5), (0.3, 3), (-60, 60), (-60, 60)]
    drawn = [draw(numbers(count, low, high)) for low, high in columns]
    return fixed_maps(np.array(drawn).T, size)


def one_map(size, angle=0.0, shift=(0, 0), zoom=1.0, shear=(0, 0)):
    right, down = shift[0] / size[1], shift[1] / size[0]
    return fixed_maps(np.array([[angle, right, down, zoom, *shear]]), size)


def both(images, fixed, fill=0):
    """What the definition says, after checking that the kernel agrees in every bit."""
    fill = images.dtype.type(fill)
    plain = resample_plain(images, fixed, fill)
    for other in (resample(images, fixed, fill), affine._resample(images, fixed, fill)):
        assert (other.dtype, other.shape) == (images.dtype, images.shape)
        np.testing.assert_array_equal(other, plain)
    return plain


def on_grid(degrees):
    """The angle in radians, rounded half up to 1/1024 degree first."""
    return math.radians(math.floor(degrees * 1024 + 0.5) / 1024)


@given(st.floats(-1e6, 1e6))
def test_sine_and_cosine_are_within_an_ulp_of_one(degrees):
    sine, cosine = sine_cosine(np.array([degrees]))
    k = math.floor(degrees * 1024 + 0.5) % 368640
    angle = math.radians(k / 1024)
    assert abs(sine[0] - math.sin(angle)) <= 1e-15
    assert abs(cosine[0] - math.cos(angle)) <= 1e-15


@pytest.mark.parametrize("turns", range(-9, 10))
def test_quarter_turns_have_exact_sines(turns):
    sine, cosine = sine_cosine(np.array([90.0 * turns]))
    exact = [(0, 1), (1, 0), (0, -1), (-1, 0)][turns % 4]
    assert (sine[0], cosine[0]) == exact


def test_sines_have_the_same_bits_everywhere():
    """TRN-16: the same bits as exact fractions rounded after each operation give."""
    degrees = np.array([0.0004, 5, 30, 44.9999, 45, 60, -17.3, 123.456, 200, 359.9])
    sine, cosine = sine_cosine(degrees)
    bits = [f"{a:x} {b:x}" for a, b in zip(sine.view(np.int64), cosine.view(np.int64), strict=True)]
    assert bits == [plain_sine_cosine(float(value)) for value in degrees]


def plain_sine_cosine(degrees):
    """TRN-16 once more, with Python's own floats, from its text; the bits of both."""
    k = math.floor(degrees * 1024 + 0.5)
    q = (k + 46080) // 92160
    x = float(k - 92160 * q) * 1.7044230976507124e-05
    y = x * x
    s = c = 1.0
    for i in (7, 6, 5, 4, 3, 2, 1):
        s = 1.0 - y * s / float(2 * i * (2 * i + 1))
    for i in (8, 7, 6, 5, 4, 3, 2, 1):
        c = 1.0 - y * c / float((2 * i - 1) * 2 * i)
    s = x * s
    pair = [(s, c), (c, -s), (-s, -c), (-c, s)][q % 4]
    return " ".join(f"{np.float64(v).view(np.int64):x}" for v in pair)


@given(batches, st.data())
def test_definition_kernel_and_its_python_agree(images, data):
    maps = maps_of(data.draw, len(images), images.shape[2:])
    both(images, maps, data.draw(st.integers(0, 255)))


@given(batches, st.data())
def test_any_map_however_large_is_safe(images, data):
    most = 2**46  # of fixed_maps, by its bound on places
    maps = data.draw(hnp.arrays(np.int64, (len(images), 2, 3), elements=st.integers(-most, most)))
    out = both(images, maps, 77)
    assert np.isin(out, np.append(images, 77)).all()


@given(numbers((3, 6), 1e-6, 1), st.integers(1, 4000), st.integers(1, 4000))
def test_maps_stay_within_their_bound(drawn, height, width):
    assert np.abs(fixed_maps(drawn, (height, width))).max() <= 2**46


@given(batches)
def test_the_identity_changes_nothing(images):
    matrices = np.repeat(one_map(images.shape[2:]), len(images), axis=0)
    np.testing.assert_array_equal(both(images, matrices, 5), images)


@pytest.mark.parametrize("side", [1, 2, 7, 8, 28])
@pytest.mark.parametrize("turns", [-3, -2, -1, 1, 2, 3, 4])
def test_quarter_turns_are_clockwise_and_exact(side, turns):
    images = np.random.default_rng(side).integers(0, 256, (1, 2, side, side), dtype=np.uint8)
    out = both(images, one_map((side, side), angle=90.0 * turns))
    np.testing.assert_array_equal(out, np.rot90(images, -turns, axes=(2, 3)))


@pytest.mark.parametrize(
    ("right", "down"), [(2, 0), (0, 3), (-1, 2), (-4, -3), (5, -1), (9, 0), (0, -8)]
)
def test_shifts_are_right_and_down(right, down):
    height, width = 7, 9
    images = np.random.default_rng(1).integers(0, 256, (1, 1, height, width), dtype=np.uint8)
    padded = np.pad(images, ((0, 0), (0, 0), (10, 10), (10, 10)), constant_values=99)
    wanted = padded[:, :, 10 - down : 10 - down + height, 10 - right : 10 - right + width]
    np.testing.assert_array_equal(
        both(images, one_map((height, width), shift=(right, down)), 99), wanted
    )


def test_a_zoom_of_two_doubles_the_middle():
    images = np.arange(64, dtype=np.uint8).reshape(1, 1, 8, 8)
    wanted = images[:, :, 2:6, 2:6].repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_array_equal(both(images, one_map((8, 8), zoom=2.0)), wanted)


def test_a_zoom_of_a_third_takes_every_third_pixel():
    images = np.random.default_rng(2).integers(1, 256, (1, 1, 9, 9), dtype=np.uint8)
    wanted = np.zeros_like(images)
    wanted[:, :, 3:6, 3:6] = images[:, :, 1::3, 1::3]
    np.testing.assert_array_equal(both(images, one_map((9, 9), zoom=1 / 3)), wanted)


@pytest.mark.parametrize("vertical", [False, True])
def test_a_shear_of_45_degrees_moves_each_line_by_its_distance_from_the_middle(vertical):
    images = np.random.default_rng(3).integers(1, 256, (1, 1, 7, 7), dtype=np.uint8)
    lines = images.transpose(0, 1, 3, 2) if vertical else images
    wanted = np.zeros_like(lines)
    for y in range(7):
        move = 3 - y
        wanted[:, :, y, max(move, 0) : 7 + min(move, 0)] = lines[
            :, :, y, max(-move, 0) : 7 - max(move, 0)
        ]
    wanted = wanted.transpose(0, 1, 3, 2) if vertical else wanted
    np.testing.assert_array_equal(
        both(images, one_map((7, 7), shear=(0, 45) if vertical else (45, 0))), wanted
    )


@given(st.data())
def test_the_map_is_the_inverse_of_shear_then_rotation_zoom_and_shift(data):
    size = data.draw(sides), data.draw(sides)
    angle, zoom = data.draw(st.floats(-180, 180)), data.draw(st.floats(0.3, 3))
    shift = data.draw(st.integers(-9, 9)), data.draw(st.integers(-9, 9))
    sx, sy = data.draw(numbers(2, -60, 60))
    turn, tan_x, tan_y = on_grid(angle), np.tan(on_grid(sx)), np.tan(on_grid(sy))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shears = np.array([[1, 0], [-tan_y, 1]]) @ np.array([[1, -tan_x], [0, 1]])
    inverse = np.linalg.inv(zoom * rotation @ shears)
    centre = np.array([size[1] / 2, size[0] / 2])
    start = centre + inverse @ (np.array([0.5, 0.5]) - centre - shift)
    exact = np.column_stack([inverse, start]) * 65536
    fixed = one_map(size, angle, shift, zoom, (sx, sy))[0]
    assert np.abs(fixed - exact).max() <= 0.5 + 1e-6


def pillow_nearest(image, fixed, fill):
    """Pillow's answer for a map of `fixed_maps`, which is a sum of powers of two and so exact."""
    from PIL import Image

    steps = fixed[:, :2] / 65536
    offset = fixed[:, 2] / 65536 - (steps[:, 0] + steps[:, 1]) / 2
    picture = Image.fromarray(image).transform(
        image.shape[::-1],
        Image.Transform.AFFINE,
        tuple(np.column_stack([steps, offset]).ravel()),
        Image.Resampling.NEAREST,
        fillcolor=fill,
    )
    return np.asarray(picture)


@given(hnp.arrays(np.uint8, st.tuples(sides, sides)), st.integers(0, 255), st.data())
def test_pillow_gives_the_same_pixels(image, fill, data):
    pytest.importorskip("PIL")
    maps = maps_of(data.draw, 1, image.shape)
    assume(maps[0, 0, 1] != 0 or maps[0, 1, 0] != 0)
    np.testing.assert_array_equal(
        both(image[None, None], maps, fill)[0, 0], pillow_nearest(image, maps[0], fill)
    )


@given(hnp.arrays(np.uint8, st.tuples(sides, sides)), st.data())
def test_pillow_gives_the_same_pixels_without_rotation_and_shear_but_near_pixel_borders(
    image, data
):
    pytest.importorskip("PIL")
    zoom = data.draw(st.floats(0.3, 3))
    shift = data.draw(st.integers(-6, 6)), data.draw(st.integers(-6, 6))
    maps = one_map(image.shape, shift=shift, zoom=zoom)
    height, width = image.shape
    clear_x, clear_y = (
        np.abs(place - np.rint(place)) > 2.0**-17 * (length + 2)
        for length, place in (
            (width, (maps[0, 0, 2] + maps[0, 0, 0] * np.arange(width)) / 65536),
            (height, (maps[0, 1, 2] + maps[0, 1, 1] * np.arange(height)) / 65536),
        )
    )
    ours, theirs = both(image[None, None], maps, 7)[0, 0], pillow_nearest(image, maps[0], 7)
    np.testing.assert_array_equal(ours[clear_y][:, clear_x], theirs[clear_y][:, clear_x])


@pytest.mark.parametrize(
    ("before", "environment"),
    [("sys.modules['numba'] = None", {}), ("pass", {"REFBOOT_OPS": "reference"})],
    ids=["numba absent", "REFBOOT_OPS=reference"],
)
def test_the_definition_is_used(before, environment):
    program = f"import sys; {before}; from refboot.data.affine import resample as chosen; "
    program += "sys.exit(chosen.__name__ != 'resample_plain')"
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": SOURCES, **environment},
        check=True,
    )


def test_the_kernel_is_used_where_numba_is():
    pytest.importorskip("numba")
    program = "import sys; from refboot.data.affine import resample as chosen; "
    program += "sys.exit(chosen.__name__ == 'resample_plain')"
    environment = {key: value for key, value in os.environ.items() if key != "REFBOOT_OPS"}
    subprocess.run(
        [sys.executable, "-c", program], env={**environment, "PYTHONPATH": SOURCES}, check=True
    )
