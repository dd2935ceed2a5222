"""What the event-driven kernels do is in proportion to spikes, not to time: counted in rows of weights added, never timed."""

import numpy as np
import pytest

from refboot.kernels import coded, cuba, events, magnitude

AT_ONCE = events.AT_ONCE
plain = {name: getattr(kernel, "py_func", kernel) for name, kernel in {**vars(events), **vars(coded)}.items()}


class Counter:
    """Stands for `add_rows` and counts the rows that are added."""

    def __init__(self):
        self.rows = 0

    def __call__(self, rows, found, j, total):
        self.rows += AT_ONCE
        for k in range(AT_ONCE):
            total += rows[found[j + k]]


@pytest.fixture
def counter(monkeypatch):
    made = Counter()
    for module in (events, coded):
        monkeypatch.setattr(module, "add_rows", made)
        monkeypatch.setattr(module, "active", plain["active"], raising=False)
    monkeypatch.setattr(coded, "order_by_code", plain["order_by_code"])
    monkeypatch.setattr(coded, "sum_codes", plain["sum_codes"])
    monkeypatch.setattr(coded, "_sums", plain["_sums"])
    monkeypatch.setattr(coded, "_forward", plain["_forward"])
    return made


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.14, 0.3])
def test_a_spike_adds_one_row_and_a_step_fills_up_to_eight(counter, rate):
    rng = np.random.default_rng(0)
    x = (rng.random((40, 64)) < rate).astype(np.float32)
    weight = (rng.integers(-9, 9, (64, 32)) / 32).astype(np.float32)
    z = np.empty((40, 32), np.float32)
    plain["sum_events"](x, events.rows_of(weight).each, z)
    np.testing.assert_array_equal(z, x @ weight)
    assert x.sum() <= counter.rows <= x.sum() + 40 * (AT_ONCE - 1)


def test_a_picture_adds_a_row_per_pixel_that_spikes_and_not_per_spike(counter):
    rng = np.random.default_rng(0)
    n, i, o, t = 4, 400, 32, 16
    x = rng.uniform(-1, 1, (n, i)).astype(np.float32)
    x[rng.random((n, i)) < 0.8] = -1
    picture = coded.encode(x)
    table = (np.outer(picture.values > 0.1, np.ones(t)) * (rng.random((len(picture.values), t)) < 0.5)).astype(np.float32)
    rows = events.rows_of((rng.integers(-9, 9, (i, o)) / 32).astype(np.float32))
    z = coded.coded_forward(picture, table, rows)
    lit, kinds = int((table[picture.codes].any(axis=-1)).sum()), int(table.any(axis=1).sum())
    spikes = int(table[picture.codes].sum())
    assert counter.rows <= lit + n * kinds * (AT_ONCE - 1) + int(n * (table.sum() + t * (AT_ONCE - 1)))
    np.testing.assert_array_equal(z, np.matmul((rows.each[:-1] / np.float32(32)).T.astype(np.float32), table[picture.codes]))
    assert spikes > lit


@pytest.mark.parametrize(("rate", "way"), [(0.14, True), (0.34, True), (0.36, False), (0.9, False)])
def test_rate_chooses_between_events_and_products(rate, way):
    x = np.zeros(10000, np.float32)
    x[: int(rate * 10000)] = 1
    assert events.spiking(x) is way


def test_anything_but_zeros_and_ones_goes_to_the_product():
    for odd in (0.5, -1, np.nan, 2):
        assert not events.spiking(np.float32([0, 1, odd, 0, 0, 0, 0, 0]))


def test_weights_off_the_grid_or_too_many_for_16_bits_go_to_the_product():
    assert events.rows_of(np.full((4, 32), 1 / 32, np.float32)) is not None
    assert events.rows_of(np.full((4, 32), 1 / 33, np.float32)) is None
    assert events.rows_of(np.full((4, 32), 4.0, np.float32)) is None
    assert events.rows_of(np.full((255, 32), -4.0, np.float32)) is not None
    assert events.rows_of(np.full((256, 32), -4.0, np.float32)) is None


@pytest.mark.parametrize("decay", [0, 1, 123, 4096])
def test_32_bits_are_used_only_where_the_state_provably_fits(decay):
    rest, decays = np.zeros((1, 1), np.int64), (np.array([4096]), np.array([decay]))
    steps = 1000
    limit = (2**31 - 1) / 4096 / cuba.gathered(decays[1], steps)
    for size, fits in ((0.999 * limit, True), (1.001 * limit, False), (np.nan, False), (np.inf, False)):
        assert cuba.fits(size, steps, *decays, 5120, rest, rest) is fits


def test_the_bound_of_32_bits_is_not_passed_by_a_constant_drive():
    decays, steps = (np.array([4096]), np.array([123])), 400
    z = np.full((1, 1, steps), 15000, np.float32)
    rest = np.zeros((1, 1), np.int64)
    assert cuba.fits(15000, steps, *decays, 2**31 - 2, rest, rest)
    _, voltage, _, _ = cuba.cuba_forward(z, *decays, 2**31 - 2, rest, rest)
    assert 0 < voltage.max() * 4096 < 2**31


@pytest.mark.parametrize(("values", "most"), [([0.0, -3.5, 2.0], 3.5), ([-0.0], 0.0), ([1.0, -np.inf], np.inf), ([1e-45], 1e-45)])
def test_largest_is_the_largest_magnitude(values, most):
    assert magnitude.largest(np.float32(values)) == np.float32(most)


def test_largest_finds_nan():
    assert np.isnan(magnitude.largest(np.float32([[np.inf, 1], [np.nan, 2]])))
