"""The kernel of the convolution works in blocks of bounded size, and gives the same whatever their
size.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot import reference, threads

kernel = pytest.importorskip("refboot.kernels.conv", reason="Numba is not installed")

WINDOW = (2, 1), (1, 2), (1, 2)
GROUPS = 2


@pytest.fixture(params=[1, 200, 1500])
def block_size(request, monkeypatch):
    monkeypatch.setattr(kernel, "BLOCK", request.param)
    return request.param


def spikes_and_weights(steps):
    rng = np.random.default_rng(steps)
    x = (rng.random((3, 4, 9, 8, steps)) < 0.4).astype(np.float32)
    return x, (rng.integers(-128, 128, (6, 2, 3, 2)) / 32).astype(np.float32)


@pytest.mark.parametrize("steps", [1, 5])
def test_sums_are_the_same_in_every_bit(block_size, steps):
    x, weight = spikes_and_weights(steps)
    np.testing.assert_array_equal(
        kernel.conv_forward(x, weight, *WINDOW, GROUPS),
        reference.conv_forward(x, weight, *WINDOW, GROUPS),
    )


@pytest.mark.parametrize("steps", [1, 5])
def test_gradients_of_whole_numbers_are_the_same_in_every_bit(block_size, steps):
    """Sums of small whole numbers are exact in any order."""
    x, weight = spikes_and_weights(steps)
    shape = reference.conv_forward(x, weight, *WINDOW, GROUPS).shape
    grad = np.random.default_rng(9).integers(-9, 10, shape).astype(np.float32)
    got, want = (
        module.conv_backward(grad, x, weight, *WINDOW, GROUPS) for module in (kernel, reference)
    )
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("steps", [1, 5])
def test_the_bits_are_those_of_one_thread_and_blas_has_one(block_size, steps, monkeypatch):
    (x, weight), found, counts = spikes_and_weights(steps), [], []
    library = threads._openblas()
    whole = kernel.columns_of
    monkeypatch.setattr(
        kernel,
        "columns_of",
        lambda *args: (counts.append(library and library[0]()), whole(*args))[1],
    )
    for count in (1, 2, 3):
        with threads.use(count):
            z = kernel.conv_forward(x, weight, *WINDOW, GROUPS)
            found.append([z, *kernel.conv_backward(np.sin(z), x, weight, *WINDOW, GROUPS)])
    for other in found[1:]:
        for ours, theirs in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert set(counts) <= {1, None}


@given(
    st.tuples(
        st.integers(1, 40),
        st.integers(1, 9),
        st.integers(1, 60),
        st.integers(1, 60),
        st.integers(1, 200),
    ),
    st.integers(1, 500),
)
def test_no_block_is_larger_than_the_bound_or_one_row_and_together_they_cover_all(shape, seen):
    z = np.broadcast_to(np.float32(0), shape)
    covered = np.zeros(shape[:1] + shape[2:3], int)
    for block in kernel.blocks(z, seen):
        rows, samples = (s.stop - s.start for s in (block.rows, block.samples))
        assert rows * samples == 1 or rows * samples * seen * shape[3] * shape[4] <= kernel.BLOCK
        covered[block.samples, block.rows] += 1
    assert (covered == 1).all()
