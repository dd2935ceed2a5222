"""Fits: which points stay is drawn as NumPy draws permutations, medians are NumPy's, and all layers at once fit as one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot import Network, block, network, ops, reference, threads
from refboot.ann_sampler import AnnSampler
from refboot.block import fitting
from refboot.kernels import fit, forgetting
from refboot.neuron import Dropout
from refboot.routine import LayerMode, Mode

NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
SNN, SAMPLE, FIT, ANN = (LayerMode(0, mode) for mode in (Mode.SNN, Mode.SAMPLE, Mode.FIT, Mode.ANN))
BITS = (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64)


def stay(rng, n):
    kept = np.ones(n, bool)
    kept[rng.permutation(n)[: n // 2]] = False
    return kept


@given(st.integers(0, 5000), st.integers(0, 2**32), st.sampled_from(BITS), st.integers(0, 3))
def test_what_stays_is_what_the_permutation_leaves_and_the_generator_is_left_alike(n, seed, bits, before):
    theirs, ours = np.random.Generator(bits(seed)), np.random.Generator(bits(seed))
    for rng in (theirs, ours):
        rng.random(before, dtype=np.float32)  # half of a word may be left over
    np.testing.assert_array_equal(forgetting.stays(ours, n), stay(theirs, n))
    np.testing.assert_array_equal(ours.integers(1 << 32, size=3, dtype=np.uint32), theirs.integers(1 << 32, size=3, dtype=np.uint32))


@pytest.mark.parametrize("n", [65_535, 65_536, 65_537, 300_001])
def test_of_many_too(n):
    assert forgetting._draws_alike()
    np.testing.assert_array_equal(forgetting.stays(np.random.default_rng(3), n), stay(np.random.default_rng(3), n))


class Reversed:
    def permutation(self, n):
        return np.arange(n)[::-1]


def drawn(n, rng):
    """What a sampler of n points draws."""
    sampler = AnnSampler()
    sampler.restore(np.zeros((2, n), np.float32))
    return sampler.draw(rng)


def test_another_generator_or_another_numpy_is_asked_for_its_permutation(monkeypatch):
    np.testing.assert_array_equal(drawn(5, Reversed()), [True, True, True, False, False])
    monkeypatch.setattr(forgetting, "_draws_alike", lambda: False)
    monkeypatch.setattr(forgetting, "_drawn", lambda *_: pytest.fail("drawn here"))
    np.testing.assert_array_equal(drawn(99, np.random.default_rng(3)), stay(np.random.default_rng(3), 99))


def test_a_numpy_that_draws_otherwise_is_noticed(monkeypatch):
    monkeypatch.setattr(forgetting, "_draw", lambda function, state, drawn: drawn.fill(0))
    assert not forgetting._draws_alike.__wrapped__()


@given(st.integers(1, 9000), st.integers(0, 99), st.sampled_from([0, 1e-3, 0.5, 8]), st.sampled_from([np.float32, np.float64]))
def test_the_median_is_that_of_numpy(n, seed, step, kind):
    x = np.random.default_rng(seed).normal(0.1, 1, n)
    x = (np.round(x / step) * step if step else x).astype(kind)
    assert fit.median(x) == np.median(x.astype(np.float64))


def test_the_median_of_many_that_are_all_one_or_of_two_far_apart():
    for low, high in ((0.5, 0.5), (-3e38, 3e38), (0.0, 1e-45), (-1e-45, 0.0)):
        x = np.float32([low, high]).repeat(fit.MANY)
        assert fit.median(x) == (np.float64(np.float32(low)) + np.float32(high)) / 2


@pytest.mark.parametrize("levels", [[0.9, 0.1, 0.95], [0.9, 0.1], [0.5, 0.1, 0.9], [0.2, 0.2, 0.6], [0.5]])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.bool_])
def test_bands_that_fall_are_empty_and_whole_numbers_are_taken(levels, kind):
    a, levels = (np.random.default_rng(0).random(20_000) * 2).astype(kind), np.array(levels)
    z = np.arange(20_000).astype(np.float32)
    np.testing.assert_array_equal(fit.band_medians(z, a, levels), reference.band_medians(z, a, levels))


def build(count=3, rng=None, **options):
    rng = np.random.default_rng(0)
    dense = [block.cuba.Dense(NEURON, 30, 30, weight_norm=True, weight_scale=2, rng=rng) for _ in range(count)]
    read_out = block.cuba.Affine(NEURON, 30, 4, weight_norm=True, rng=rng)
    return Network([block.cuba.Input(NEURON, 1.0, 0.0, rng=rng), *dense, read_out], (30,), 8), rng


def pictures():
    return np.random.default_rng(1).normal(size=(400, 30)).astype(np.float32)


def fits(change=lambda net: None, mode=FIT, together=True, monkeypatch=None):
    """Curves, points and generator of a network after it has sampled and been fitted twice, and the rates it gives then."""
    net, rng = build()
    change(net)
    if not together:
        monkeypatch.setattr(network, "fit_together", lambda blocks, mode: mode)
    for _ in range(2):
        net(pictures(), SAMPLE)
        rates = net(pictures(), mode)
        grad = net.backward(np.ones_like(rates))
    samplers = [b.f for b in net.blocks if b.f.curve is not None]
    return [a for f in samplers for a in (f.centers, f.slopes, f.z, f.a)] + [rates, grad], rng.bit_generator.state


def small(net):
    for b in net.blocks:
        b.f.capacity, b.f._points = 7001, np.empty((2, 7001), np.float32)


def none(net):
    pass


@pytest.mark.parametrize("mode", [FIT, LayerMode(2, Mode.FIT)], ids=["all", "hybrid"])
@pytest.mark.parametrize("change", [none, small], ids=["", "beyond the capacity"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_all_layers_at_once_fit_as_one_after_the_other(monkeypatch, change, mode, count):
    with threads.use(count):
        found, left = fits(change, mode)
        wanted, wanted_left = fits(change, mode, False, monkeypatch)
    assert len(found) == len(wanted) > 2
    assert left == wanted_left
    for ours, theirs in zip(found[:-2], wanted[:-2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(found[-2:], wanted[-2:], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def dropout(net):
    net.blocks[2].neuron.drop = Dropout(0.5, np.random.default_rng(0))


def own_fit(net):
    net.blocks[1].fit = lambda: None


def own_clear(net):
    net.blocks[1].f.soft_clear = lambda: None


def own_generator(net):
    net.blocks[1].f.rng = Reversed()


def one_sampler(net):
    net.blocks[2].f = net.blocks[1].f


class OwnDense(block.cuba.Dense):
    """Of somebody's own."""


def own_block(net):
    net.blocks[1].__class__ = OwnDense


class Foreign:
    """No more than a network asks of a block."""

    training = True

    def build(self, shape):
        return shape

    def parameters(self):
        return {}

    def buffers(self):
        return {}

    def forward(self, x, mode=None):
        return x

    def backward(self, grad):
        return grad


def foreign(net):
    net.blocks[1] = Foreign()


OTHERS = [own_fit, own_clear, own_generator, one_sampler]


@pytest.mark.parametrize("change", [dropout, foreign, own_block, *OTHERS], ids=lambda change: change.__name__)
def test_what_draws_otherwise_or_is_somebody_elses_is_fitted_in_its_turn(change):
    net, _ = build()
    change(net)
    assert fitting.fit_together(net.blocks, FIT) is FIT


@pytest.mark.parametrize("change", [dropout, foreign, own_block], ids=lambda change: change.__name__)
def test_so_are_all_behind_one_that_spikes_and_may_draw(change):
    net, _ = build()
    change(net)
    mode = LayerMode(3, Mode.FIT)
    assert fitting.fit_together(net.blocks, mode) is mode
    net(pictures(), SAMPLE)
    assert net(pictures(), FIT).shape == (400, 4, 1)


def test_only_what_is_to_be_fitted_is():
    net, _ = build()
    for mode in (SNN, SAMPLE, ANN):
        assert fitting.fit_together(net.blocks, mode) is mode
    with ops.use("reference"):
        assert fitting.fit_together(net.blocks, FIT) is FIT
    after = fitting.fit_together(net.blocks, LayerMode(1, Mode.FIT))
    assert [after.of(i) for i in range(3)] == [Mode.SNN, Mode.ANN, Mode.ANN]
    assert [b.f.curve is None for b in net.blocks] == [True, False, False, False, True]


def test_an_error_of_a_fit_is_raised():
    net, _ = build()
    net.blocks[2].f.num_centers = None
    with pytest.raises(TypeError):
        net(pictures(), FIT)
