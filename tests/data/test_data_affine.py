"""The affine resampling: kernel against definition, hand-made expectations, Pillow."""

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
from refboot.data.affine import inverse_matrices, resample, resample_plain, to_fixed

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
    shift = np.rint(draw(numbers((count, 2), -6, 6)))
    angle, zoom, shear = (
        draw(numbers(count, -360, 360)),
        draw(numbers(count, 0.3, 3)),
        draw(numbers((count, 2), -60, 60)),
    )
    return inverse_matrices(angle, shift, zoom, shear, size)


def one_map(size, angle=0.0, shift=(0, 0), zoom=1.0, shear=(0, 0)):
    return inverse_matrices(
        np.array([angle]),
        np.array([shift], float),
        np.array([zoom]),
        np.array([shear], float),
        size,
    )


def both(images, matrices, fill=0):
    """What the definition says, after checking that the chosen way agrees in every bit."""
    fixed, fill = to_fixed(matrices), images.dtype.type(fill)
    plain = resample_plain(images, fixed, fill)
    for other in (resample(images, fixed, fill), affine._resample(images, fixed, fill)):
        assert (other.dtype, other.shape) == (images.dtype, images.shape)
        np.testing.assert_array_equal(other, plain)
    return plain


@given(batches, st.data())
def test_definition_kernel_and_its_python_agree(images, data):
    matrices = maps_of(data.draw, len(images), images.shape[2:])
    both(images, matrices, data.draw(st.integers(0, 255)))


@given(batches, st.data())
def test_any_matrix_however_large_is_safe(images, data):
    matrices = data.draw(numbers((len(images), 2, 3), -1e40, 1e40))
    out = both(images, matrices, 77)
    assert np.isin(out, np.append(images, 77)).all()


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
    shift, (sx, sy) = data.draw(numbers(2, -9, 9)), data.draw(numbers(2, -60, 60))
    turn, tan_x, tan_y = np.radians(angle), np.tan(np.radians(sx)), np.tan(np.radians(sy))
    centre = np.array([[1, 0, size[1] / 2], [0, 1, size[0] / 2], [0, 0, 1]])
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])
    rotation = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    shears = np.array([[1, 0, 0], [-tan_y, 1, 0], [0, 0, 1]]) @ np.array(
        [[1, -tan_x, 0], [0, 1, 0], [0, 0, 1]]
    )
    forward = move @ centre @ np.diag([zoom, zoom, 1]) @ rotation @ shears @ np.linalg.inv(centre)
    back = np.vstack([one_map(size, angle, shift, zoom, (sx, sy))[0], [0, 0, 1]])
    np.testing.assert_allclose(forward @ back, np.eye(3), rtol=0, atol=1e-10)


@given(numbers((3, 2, 3), -1000, 1000))
def test_maps_are_rounded_to_the_nearest_65536th(matrices):
    start = matrices[:, :, :2].sum(axis=2) / 2 + matrices[:, :, 2]
    exact = np.concatenate([matrices[:, :, :2], start[:, :, None]], axis=2) * 65536
    assert (np.abs(to_fixed(matrices) - exact) <= 0.5 + 1e-6).all()


def pillow_nearest(image, matrix, fill):
    from PIL import Image

    height, width = image.shape
    picture = Image.fromarray(image).transform(
        (width, height),
        Image.Transform.AFFINE,
        tuple(matrix.ravel()),
        Image.Resampling.NEAREST,
        fillcolor=fill,
    )
    return np.asarray(picture)


@given(hnp.arrays(np.uint8, st.tuples(sides, sides)), st.integers(0, 255), st.data())
def test_pillow_gives_the_same_pixels(image, fill, data):
    pytest.importorskip("PIL")
    matrices = maps_of(data.draw, 1, image.shape)
    assume(matrices[0, 0, 1] != 0 or matrices[0, 1, 0] != 0)
    np.testing.assert_array_equal(
        both(image[None, None], matrices, fill)[0, 0], pillow_nearest(image, matrices[0], fill)
    )


@given(hnp.arrays(np.uint8, st.tuples(sides, sides)), st.data())
def test_pillow_gives_the_same_pixels_without_rotation_and_shear_but_near_pixel_borders(
    image, data
):
    pytest.importorskip("PIL")
    zoom, shift = data.draw(st.floats(0.3, 3)), np.rint(data.draw(numbers(2, -6, 6)))
    matrix = one_map(image.shape, shift=shift, zoom=zoom)[0]
    height, width = image.shape
    clear_x, clear_y = (
        np.abs(place - np.rint(place)) > 2.0**-17 * (length + 2)
        for length, place in (
            (width, matrix[0, 2] + matrix[0, 0] * (np.arange(width) + 0.5)),
            (height, matrix[1, 2] + matrix[1, 1] * (np.arange(height) + 0.5)),
        )
    )
    ours, theirs = both(image[None, None], matrix[None], 7)[0, 0], pillow_nearest(image, matrix, 7)
    np.testing.assert_array_equal(ours[clear_y][:, clear_x], theirs[clear_y][:, clear_x])


@pytest.mark.parametrize(
    ("before", "environment"),
    [("sys.modules['numba'] = None", {}), ("pass", {"REFBOOT_OPS": "reference"})],
    ids=["numba absent", "REFBOOT_OPS=reference"],
)
def test_the_definition_is_used(before, environment):
    program = f"import sys; {before}; from refboot.data import affine; sys.exit(affine.resample is not affine.resample_plain)"
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": SOURCES, **environment},
        check=True,
    )


def test_the_kernel_is_used_where_numba_is():
    pytest.importorskip("numba")
    program = "import sys; from refboot.data import affine; sys.exit(affine.resample is affine.resample_plain)"
    environment = {key: value for key, value in os.environ.items() if key != "REFBOOT_OPS"}
    subprocess.run(
        [sys.executable, "-c", program], env={**environment, "PYTHONPATH": SOURCES}, check=True
    )
