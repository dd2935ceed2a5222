"""What the event-driven kernels do grows with the spikes, and 32 bits are used only where the
states provably fit: counted and proved, never timed.
"""

import numpy as np
import pytest

from refboot.kernels import cuba, numbers

REST = np.zeros((1, 1), np.int64)


@pytest.mark.parametrize("density", [0.0, 0.05, 0.3])
def test_a_product_of_few_adds_a_row_for_each_number_that_is_not_zero(density):
    """A row of infinities that a zero meets leaves no trace: it was not added."""
    rng = np.random.default_rng(0)
    x = (rng.random((40, 64)) < density).astype(np.float32)
    x[:, ::7] = 0
    w = rng.integers(-9, 9, (64, 32)).astype(np.float32)
    w[::7] = np.inf
    out = np.zeros((40, 32), np.float32)
    numbers.add_product_of_few(x, w, out)
    w[::7] = 0
    np.testing.assert_array_equal(out, x @ w)


@pytest.mark.parametrize("decay", [0, 1, 123, 4096])
def test_32_bits_are_used_only_where_the_state_provably_fits(decay):
    steps, decays = 1000, (np.array([4096]), np.array([decay]))
    gain = min(steps, 4096 / decay) if decay else steps
    limit = (2**31 - 1) / 4096 / gain
    sizes = {0.999 * limit: True, 1.001 * limit: False, np.nan: False, np.inf: False}
    for size, fits in sizes.items():
        assert cuba.fits(size, steps, *decays, 5120, REST, REST) is fits


def test_the_bound_of_32_bits_is_not_passed_by_a_constant_drive():
    decays, steps = (np.array([4096]), np.array([123])), 400
    z = np.full((1, 1, steps), 15000, np.float32)
    assert cuba.fits(15000, steps, *decays, 2**31 - 2, REST, REST)
    _, voltage, _, _ = cuba.cuba_forward(z, *decays, 2**31 - 2, REST, REST)
    assert 0 < voltage.max() * 4096 < 2**31


@pytest.mark.parametrize(
    ("values", "most"),
    [([0.0, -3.5, 2.0], 3.5), ([-0.0], 0.0), ([1.0, -np.inf], np.inf), ([1e-45], 1e-45)],
)
def test_largest_is_the_largest_magnitude(values, most):
    assert cuba.largest(np.float32(values)) == np.float32(most)
