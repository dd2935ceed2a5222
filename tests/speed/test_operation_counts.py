"""What the event-driven kernels do is in proportion to spikes, not to time: counted in rows of
weights added, never timed.
"""

import numpy as np
import pytest

from refboot import reference
from refboot.kernels import adding, coded, cuba, events, magnitude, synapse, through

plain = {
    name: getattr(kernel, "py_func", kernel)
    for name, kernel in {**vars(events), **vars(coded), **vars(through)}.items()
}


def found(x, numbers):
    """Stands for `active`."""
    there = np.flatnonzero(x)
    numbers[: len(there)] = there
    return len(there)


class Counter:
    """Stands for `add_rows` and counts the rows that are added."""

    def __init__(self):
        self.rows = 0

    def __call__(self, rows, found, low, high, total):
        self.rows += int(high - low)
        for j in range(low, high):
            total += rows[found[j]]


@pytest.fixture
def counter(monkeypatch):
    made = Counter()
    for module in (adding, events, coded):
        monkeypatch.setattr(module, "add_rows", made)
    for module in (events, coded):
        monkeypatch.setattr(module, "active", found)
    for module in (coded, through):
        monkeypatch.setattr(module, "others", lambda x, value, numbers: found(x != value, numbers))
        monkeypatch.setattr(module, "_sums", plain["_sums"])
        monkeypatch.setattr(module, "firing", plain["firing"])
    for name, kind in (("numbers", np.int64), ("shorts", np.int16)):
        monkeypatch.setattr(coded, f"new_{name}", lambda shape, kind=kind: np.empty(shape, kind))
    for name in ("order_by_code", "sum_weights", "sum_codes", "_forward"):
        monkeypatch.setattr(coded, name, plain[name])
    for name in ("_through", "add_at_each", "_fire", "fire", "any_of"):
        monkeypatch.setattr(through, name, plain[name])
    return made


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.14, 0.3])
def test_a_spike_adds_one_row(counter, rate):
    rng = np.random.default_rng(0)
    x = (rng.random((40, 64)) < rate).astype(np.float32)
    weight = (rng.integers(-9, 9, (64, 32)) / 32).astype(np.float32)
    z = np.empty((40, 32), np.float32)
    plain["sum_events"](x, events.rows_of(weight).each, z)
    np.testing.assert_array_equal(z, x @ weight)
    assert counter.rows == x.sum()


def still(rng, n, i, o, t):
    """A picture, trains of its codes and a weight."""
    x = rng.uniform(-1, 1, (n, i)).astype(np.float32)
    x[rng.random((n, i)) < 0.8] = -1
    picture = coded.encode(x)
    table = (
        np.outer(picture.values > 0.1, np.ones(t)) * (rng.random((len(picture.values), t)) < 0.5)
    ).astype(np.float32)
    return picture, table, events.rows_of((rng.integers(-9, 9, (i, o)) / 32).astype(np.float32))


def test_a_picture_adds_a_row_per_pixel_that_spikes_and_not_per_spike(counter):
    n, i, o, t = 4, 400, 32, 16
    picture, table, rows = still(np.random.default_rng(0), n, i, o, t)
    z = coded.coded_forward(picture, table, rows)
    lit, spikes = int((table[picture.codes].any(axis=-1)).sum()), int(table[picture.codes].sum())
    assert counter.rows <= lit + n * table.sum()
    np.testing.assert_array_equal(
        z, np.matmul((rows.each / np.float32(32)).T.astype(np.float32), table[picture.codes])
    )
    assert spikes > lit


def test_a_picture_that_runs_through_all_layers_adds_a_row_per_pixel_code_and_spike(counter):
    rng, (n, i, o, t) = np.random.default_rng(0), (3, 400, 40, 16)
    picture, table, rows = still(rng, n, i, o, t)
    others = [
        events.rows_of((rng.integers(-9, 9, shape) / 32).astype(np.float32))
        for shape in ((o, o), (o, 7))
    ]
    neurons = [(np.array([4096]), np.array([123]), 1.25 * 4096)] * 2
    z = through.spikes_through(
        picture, table, [rows, *others], [(*own[:2], int(own[2])) for own in neurons]
    )
    x, spikes = (rows.each / np.float32(32)).T @ table[picture.codes], 0
    for own, neuron in zip(others, neurons, strict=True):
        rest = np.zeros(x.shape[:2], np.int64)
        s = reference.cuba_forward(x.astype(np.float32), *neuron[:2], int(neuron[2]), rest, rest)[0]
        x, spikes = np.matmul((own.each / np.float32(32)).T, s), spikes + int(s.sum())
    np.testing.assert_array_equal(z, x)
    assert spikes > 0
    assert counter.rows <= int((table[picture.codes].any(axis=-1)).sum()) + n * table.sum() + spikes


@pytest.mark.parametrize(("ones", "way"), [(0, True), (2500, True), (2501, False), (9000, False)])
def test_rate_chooses_between_events_and_products(ones, way):
    x = np.zeros(10000, np.float32)
    x[:ones] = 1
    assert events.spiking(x, 0.25) is way


@pytest.mark.parametrize(
    ("rate", "ways"), [(0.05, ["sum_events", "gather_gradient"]), (0.5, ["sum_events"]), (0.9, [])]
)
def test_the_way_taken_is_that_of_the_rate(monkeypatch, rate, ways):
    taken = []
    for name in ("sum_events", "gather_gradient"):
        whole = getattr(synapse, name)
        monkeypatch.setattr(
            synapse, name, lambda *args, name=name, whole=whole: (taken.append(name), whole(*args))
        )
    x = (np.random.default_rng(0).random((3, 200, 20)) < rate).astype(np.float32)
    weight = np.asfortranarray(np.ones((130, 200), np.float32) / 32)
    z = synapse.dense_forward(x, weight)
    gradients = synapse.dense_backward(z, x, weight)
    assert list(dict.fromkeys(taken)) == ways
    for own, same in zip(
        gradients, synapse.dense_backward(z.astype(np.float64), x.astype(bool), weight), strict=True
    ):
        np.testing.assert_array_equal(own, same)


def test_anything_but_zeros_and_ones_goes_to_the_product():
    for odd in (0.5, -1, np.nan, 2):
        assert not events.spiking(np.float32([0, 1, odd, 0, 0, 0, 0, 0]), 1)


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
    for size, fits in (
        (0.999 * limit, True),
        (1.001 * limit, False),
        (np.nan, False),
        (np.inf, False),
    ):
        assert cuba.fits(size, steps, *decays, 5120, rest, rest) is fits


def test_the_bound_of_32_bits_is_not_passed_by_a_constant_drive():
    decays, steps = (np.array([4096]), np.array([123])), 400
    z = np.full((1, 1, steps), 15000, np.float32)
    rest = np.zeros((1, 1), np.int64)
    assert cuba.fits(15000, steps, *decays, 2**31 - 2, rest, rest)
    _, voltage, _, _ = cuba.cuba_forward(z, *decays, 2**31 - 2, rest, rest)
    assert 0 < voltage.max() * 4096 < 2**31


@pytest.mark.parametrize(
    ("values", "most"),
    [([0.0, -3.5, 2.0], 3.5), ([-0.0], 0.0), ([1.0, -np.inf], np.inf), ([1e-45], 1e-45)],
)
def test_largest_is_the_largest_magnitude(values, most):
    assert magnitude.largest(np.float32(values)) == np.float32(most)


def test_largest_finds_nan():
    assert np.isnan(magnitude.largest(np.float32([[np.inf, 1], [np.nan, 2]])))
