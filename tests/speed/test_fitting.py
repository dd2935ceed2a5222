"""Fits: medians are those of the definition, and all layers at once fit as one by one."""

import threading
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot import Network, block, network, ops, reference, threads
from refboot.ann_sampler import AnnSampler
from refboot.block import fitting
from refboot.errors import ShapeError
from refboot.kernels import fit, fit_tasks, medians
from refboot.neuron import Dropout
from refboot.reference.fit import curve_through, levels_to
from refboot.routine import LayerMode, Mode

NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
MANY = fit_tasks.PIECE
SNN, SAMPLE, FIT, ANN = (LayerMode(0, mode) for mode in (Mode.SNN, Mode.SAMPLE, Mode.FIT, Mode.ANN))


def points(n, seed, z_step, a_step):
    """Many points along a curve, z and a on grids or not, and levels."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0.3, 0.6, n)
    a = np.clip(z * rng.uniform(0.5, 1) + rng.normal(0, 0.1, n), 0, 1)
    z, a = (np.round(x / step) * step if step else x for x, step in ((z, z_step), (a, a_step)))
    return (
        z.astype(np.float32),
        a.astype(np.float32),
        np.sort(rng.uniform(0, 1.1, rng.integers(2, 9))),
    )


@given(
    st.integers(MANY, 4 * MANY),
    st.integers(0, 99),
    st.sampled_from([0, 1 / 64, 1]),
    st.sampled_from([0, 1 / 16, 1]),
    st.sampled_from([0, 0.5, 0.95, 1]),
    st.sampled_from([0, 0.3]),
)
def test_medians_of_many_are_those_of_the_definition(n, seed, z_step, a_step, silent, shift):
    z, a, levels = points(n, seed, z_step, a_step)
    a[np.random.default_rng(seed).random(n) < silent] = 0
    levels -= shift  # may be below 0
    np.testing.assert_array_equal(
        fit.band_medians(z, a, levels), reference.band_medians(z, a, levels)
    )


def deceive(z, a, some_z, some_a):
    """Let those of the points that tell be others."""
    step = len(a) // fit_tasks.SOME | 1
    z[::step], a[::step] = some_z, some_a


@pytest.mark.parametrize("some_z", [9, -9, 0.3])
@pytest.mark.parametrize("some_a", [0, 0.125, 0.25, 0.8, 1])
@pytest.mark.parametrize("grid", [(0, 0), (1 / 64, 1 / 16)])
def test_so_they_are_where_they_were_guessed_wrong(grid, some_z, some_a):
    z, a, _ = points(100_000, 3, *grid)
    deceive(z, a, some_z, some_a)
    levels = np.linspace(0.1, 0.9, 6)
    np.testing.assert_array_equal(
        fit.band_medians(z, a, levels), reference.band_medians(z, a, levels)
    )


@pytest.mark.parametrize(
    "rates", [(0.5, 0.625, 0.75), (0.5, 0.6875), (0.625,), (0.5, 0.5, 0.75), (0.5, 0.75, 0.75)]
)
def test_rates_beside_those_that_were_guessed(rates):
    """In one band, as often each; those that tell know only of one."""
    z, a = np.zeros(90_000, np.float32), np.float32(np.resize(rates, 90_000))
    for told in (0.5, 0.75):
        deceive(z, a, 0, told)
        levels = np.array([0.4, 0.8])
        np.testing.assert_array_equal(
            fit.band_medians(z, a, levels), reference.band_medians(z, a, levels)
        )


def test_where_some_of_the_points_tell_little():
    """Those that tell are all alike, and most others are not; and a band that none of them is
    in.
    """
    z, a, levels = (
        np.float32([0.5]).repeat(50_000),
        np.float32([0.5]).repeat(50_000),
        np.linspace(0.1, 0.9, 6),
    )
    z[np.arange(50_000) % 13 > 0], a[7] = 0.6, 0.9
    np.testing.assert_array_equal(
        fit.band_medians(z, a, levels), reference.band_medians(z, a, levels)
    )


@pytest.mark.parametrize(
    "size", [fit_tasks.PIECE * 3, fit_tasks.PIECE * 3 - 1, fit_tasks.PIECE + 5]
)
def test_where_all_is_put_aside_no_piece_meets_the_next(size):
    z, a, levels = (
        np.arange(size, dtype=np.float32),
        np.full(size, 0.5, np.float32),
        np.array([0.4, 0.6]),
    )
    z[::2] = -z[::2]
    deceive(z, a, np.resize(np.float32([-1e9, 1e9]), len(z[:: size // fit_tasks.SOME | 1])), 0.5)
    for count in (1, 2):
        with threads.use(count):
            np.testing.assert_array_equal(
                fit.band_medians(z, a, levels), reference.band_medians(z, a, levels)
            )


@pytest.mark.parametrize("told", [0, 0.5, 0.79, 1.0, None])
@pytest.mark.parametrize("most", [0, 0.5, 0.8, 0.81, 1.0])
@pytest.mark.parametrize("share", [(0.1, 0.9), (0.0, 1.0), (0.5, 0.7)])
def test_saturation_and_levels_are_those_of_the_definition(share, most, told):
    """Whatever rates those that tell have."""
    z, a, _ = points(60_000, 4, 0, 1 / 128)
    a *= np.float32(most)
    if told is not None:
        deceive(z, a, 0, told)
    with medians.Medians([(z, a), (z[:0], a[:0])], [(7, *share), (2, *share)]) as counted:
        pass
    (top, levels, found), (none, least, nothing) = counted.found()
    np.testing.assert_allclose(top, reference.saturation(a, share[1]), rtol=1e-12)
    assert levels.tolist() == levels_to(top, 7, share).tolist()
    np.testing.assert_array_equal(found, reference.band_medians(z, a, levels))
    assert (none, least.tolist()) == (0.8, levels_to(0.8, 2, share).tolist())
    assert np.isnan(nothing).all()


FAR = [(0.5, 0.5), (-3e38, 3e38), (0.0, 1e-45), (-1e-45, 0.0), (-np.inf, 1.0), (1.0, np.inf)]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("low", "high"), FAR)
def test_two_values_far_apart(low, high, share):
    z, a, levels = (
        np.full(MANY, high, np.float32),
        np.full(MANY, 0.5, np.float32),
        np.array([0.4, 0.6]),
    )
    z[: round(share * MANY)] = low
    np.testing.assert_array_equal(
        fit.band_medians(z, a, levels), reference.band_medians(z, a, levels)
    )


class Mine(np.random.Generator):
    """Of somebody's own."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))


@pytest.mark.parametrize(
    "levels", [[0.9, 0.1, 0.95], [0.9, 0.1], [0.5, 0.1, 0.9], [0.2, 0.2, 0.6], [0.5]]
)
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.bool_])
def test_bands_that_fall_are_empty_and_whole_numbers_are_taken(levels, kind):
    a, levels = (np.random.default_rng(0).random(20_000) * 2).astype(kind), np.array(levels)
    z = np.arange(20_000).astype(np.float32)
    np.testing.assert_array_equal(
        fit.band_medians(z, a, levels), reference.band_medians(z, a, levels)
    )


def build(count=3, rng=None, **options):
    rng = np.random.default_rng(0)
    dense = [
        block.cuba.Dense(NEURON, 30, 30, weight_norm=True, weight_scale=2, rng=rng)
        for _ in range(count)
    ]
    read_out = block.cuba.Affine(NEURON, 30, 4, weight_norm=True, rng=rng)
    return Network([block.cuba.Input(NEURON, 1.0, 0.0, rng=rng), *dense, read_out], (30,), 8), rng


def pictures():
    return np.random.default_rng(1).normal(size=(400, 30)).astype(np.float32)


def fits(change=lambda net: None, mode=FIT, together=True, monkeypatch=None):
    """Curves, points and generator of a network after it has sampled and been fitted twice, and the
    rates it gives then.
    """
    net, rng = build()
    change(net)
    if not together:
        monkeypatch.setattr(network, "fit_together", lambda blocks, mode: nullcontext(mode))
    for _ in range(2):
        net(pictures(), SAMPLE)
        rates = net(pictures(), mode)
        grad = net.backward(np.ones_like(rates))
    samplers = [b.f for b in net.blocks if b.f.curve is not None]
    return [a for f in samplers for a in (f.centers, f.slopes, f.z, f.a)] + [
        rates,
        grad,
    ], rng.bit_generator.state


def small(net):
    for b in net.blocks:
        b.f.capacity, b.f.room = 7001, np.empty((2, 7001), np.float32)


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
    net.blocks[1].f.rng = Mine()


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


def mode_then(net, mode):
    """The mode in which the blocks run when those have been fitted that are fitted at once."""
    with fitting.fit_together(net.blocks, mode) as then:
        return then


OTHERS = [own_fit, own_clear, own_generator, one_sampler]


@pytest.mark.parametrize(
    "change", [dropout, foreign, own_block, *OTHERS], ids=lambda change: change.__name__
)
def test_what_draws_otherwise_or_is_somebody_elses_is_fitted_in_its_turn(change):
    net, _ = build()
    change(net)
    assert mode_then(net, FIT) is FIT


@pytest.mark.parametrize(
    "change", [dropout, foreign, own_block], ids=lambda change: change.__name__
)
def test_so_are_all_behind_one_that_spikes_and_may_draw(change):
    net, _ = build()
    change(net)
    mode = LayerMode(3, Mode.FIT)
    assert mode_then(net, mode) is mode
    net(pictures(), SAMPLE)
    assert net(pictures(), FIT).shape == (400, 4, 1)


def test_only_what_is_to_be_fitted_is():
    net, _ = build()
    for mode in (SNN, SAMPLE, ANN):
        assert mode_then(net, mode) is mode
    with ops.use("reference"):
        assert mode_then(net, FIT) is FIT
    after = mode_then(net, LayerMode(1, Mode.FIT))
    assert [after.of(i) for i in range(3)] == [Mode.SNN, Mode.ANN, Mode.ANN]
    assert [b.f.curve is None for b in net.blocks] == [True, False, False, False, True]


@pytest.mark.parametrize("failing", [1, 3], ids=["the first curve", "the last"])
def test_an_error_of_a_fit_is_raised_and_the_next_fit_goes_on(monkeypatch, failing):
    net, _ = build()
    net(pictures(), SAMPLE)
    calls = []

    def fails(*args):
        calls.append(args)
        if len(calls) == failing:
            raise ArithmeticError("none")
        return curve_through(*args)

    monkeypatch.setattr(fitting, "curve_through", fails)
    with threads.use(2), pytest.raises(ArithmeticError):
        net(pictures(), FIT)
    assert len(calls) == failing
    with threads.use(2):
        net(pictures(), FIT)
    assert len(calls) == failing + 4
    assert all(b.f.curve is not None for b in net.blocks[:-1])


@pytest.mark.parametrize("shift", [0, 0.5, 1])
def test_levels_from_zero_on(shift):
    """The first bands may hold nothing but what is silent, or not even that."""
    z, a, levels = points(40_000, 9, 1 / 64, 1 / 16)
    levels = np.append(0, levels + shift)
    np.testing.assert_array_equal(
        fit.band_medians(z, a, levels), reference.band_medians(z, a, levels)
    )


def loaded(net):
    other, _ = build()
    other.load_state(net.state())
    return other


def cleared(net):
    for b in net.blocks[:-1]:
        b.f.clear()
    return net


@pytest.mark.parametrize("change", [loaded, cleared])
def test_without_any_points_curves_stay(change):
    net, _ = build()
    for mode in (SAMPLE, FIT):
        net(pictures(), mode)
    rates, net = net(pictures(), ANN), change(net)
    np.testing.assert_array_equal(net(pictures(), FIT), rates)
    assert [b.f.count for b in net.blocks] == [0] * 5


@pytest.mark.parametrize("cut", [slice(None, None, 2), slice(None, None, -1)])
def test_flags_of_what_stays_may_lie_anywhere_and_be_any_bytes(cut):
    sampler = AnnSampler()
    rng = np.random.default_rng(0)
    z, a, flags = (
        *rng.random((2, 500), np.float32),
        rng.integers(0, 3, 1000).astype(np.uint8).view(np.bool_)[cut][:500],
    )
    sampler.append_means(a, z)
    sampler.keep(flags)
    np.testing.assert_array_equal(sampler.points, np.stack([z, a])[:, flags.astype(np.uint8) > 0])


def test_infinite_points_give_some_curve():
    net, _ = build()
    net(pictures(), SAMPLE)
    for b in net.blocks[:-1]:
        b.f.room[0, : b.f.count : 2] = np.inf
    with np.errstate(all="ignore"):
        assert net(pictures(), FIT).shape == (400, 4, 1)


@pytest.mark.parametrize("count", [1, 2])
def test_points_are_moved_though_the_pass_behind_the_fit_fails(monkeypatch, count):
    """They move while it runs."""

    def fails(*_):
        raise ArithmeticError("none")

    nets = [build()[0] for _ in range(2)]
    with threads.use(count):
        for net in nets:
            net(pictures(), SAMPLE)
        with monkeypatch.context() as patch:
            patch.setattr(Network, "_forward", fails)
            with pytest.raises(ArithmeticError):
                nets[0](pictures(), FIT)
        nets[1](pictures(), FIT)
    for ours, theirs in zip(nets[0].blocks[:-1], nets[1].blocks[:-1], strict=True):
        assert (ours.f.count, ours.f.fresh) == (6000, 0)
        np.testing.assert_array_equal(ours.f.points, theirs.f.points)
        np.testing.assert_array_equal(ours.f.centers, theirs.f.centers)


@pytest.mark.parametrize("bands", [1, 5, 6, 10, 255, 1024])
def test_any_number_of_bands(bands):
    z, a, _ = points(2 * MANY, 5, 0, 0)
    levels = np.linspace(0.05, 0.95, bands + 1)
    np.testing.assert_array_equal(
        fit.band_medians(z, a, levels), reference.band_medians(z, a, levels)
    )


def test_z_and_a_of_different_sizes_are_refused():
    z, a, levels = points(MANY, 5, 0, 0)
    for other in (z[1:], np.append(z, z)):
        with pytest.raises(ShapeError, match="z"):
            fit.band_medians(other, a, levels)


@pytest.mark.parametrize("kind", ["bands", "points"])
def test_points_that_somebody_changes_meanwhile_break_nothing(kind):
    """The result is whatever it is."""
    z, a, _ = points(1 << 18, 6, 0, 0)
    levels, over = np.linspace(0.05, 0.95, (5, 200)[kind == "bands"] + 1), threading.Event()
    others = [points(1 << 18, seed, 0, 0)[1] for seed in (7, 8)]

    def change():
        while not over.is_set():
            for other in others:
                a[...] = other

    changing = threading.Thread(target=change)
    changing.start()
    for _ in range(20):
        fit.band_medians(z, a, levels)
    over.set()
    changing.join()
    np.testing.assert_array_equal(
        fit.band_medians(z, a, levels), reference.band_medians(z, a, levels)
    )
