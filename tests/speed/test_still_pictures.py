"""The way around for still pictures gives what the way through every pixel gives, and is taken only
where it does.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from refboot import block, kernels, ops, threads
from refboot.block import still
from refboot.network import Network
from refboot.neuron import Dropout
from refboot.routine import LayerMode, Mode

kernels_alone = SimpleNamespace(**{name: getattr(kernels, name) for name in kernels.__all__})
NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
N, PIXELS, HIDDEN, T = 9, 500, 48, 16


def build(seed, weight=1.0, bias=0.0, shift=False, neuron=NEURON, hook=True):
    rng = np.random.default_rng(seed)
    more = {} if hook else {"pre_hook_fx": None}
    blocks = [
        block.cuba.Input(neuron, weight, bias, delay_shift=shift, rng=rng),
        block.cuba.Dense(
            NEURON,
            PIXELS,
            HIDDEN,
            weight_norm=True,
            weight_scale=2,
            delay_shift=shift,
            rng=rng,
            **more,
        ),
        block.cuba.Affine(NEURON, HIDDEN, 5, weight_norm=True, rng=rng),
    ]
    return Network(blocks, (PIXELS,), T)


def pictures(seed, dark=0.8):
    """Pictures of which a share is background."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (N, PIXELS)).astype(np.float32)
    x[rng.random((N, PIXELS)) < dark] = -1
    return x


def ran(network, x, modes, backward):
    """Outputs and gradients of running `network` on x in the modes in turn, and the samples it
    kept.
    """
    found = []
    for mode in modes:
        y = network(x, mode)
        network.zero_grad()
        gx = getattr(network, backward)(
            np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
        )
        found += [y, *([] if gx is None else [gx]), *(p.grad for p in network.parameters())]
    return found + [kept for b in network.blocks[:-1] for kept in (b.f.z, b.f.a)]


def both(modes, backward="backward_parameters", x=None, **options):
    """What `ran` gives on the way around and on the way through every pixel; asserts that the
    former was taken.
    """
    x, results = pictures(0) if x is None else x, []
    for choice in ("numba", kernels_alone):
        with ops.use(choice):
            network = build(0, **options)
            results.append(ran(network, x, modes, backward))
    return results


SNN, ANN, SAMPLE, FIT = (LayerMode(0, mode) for mode in (Mode.SNN, Mode.ANN, Mode.SAMPLE, Mode.FIT))
OPTIONS = [{}, {"weight": 0.5, "bias": 1.0}, {"shift": True}, {"bias": -0.75}, {"hook": False}]


@pytest.fixture(autouse=True)
def way_is_open(monkeypatch):
    monkeypatch.setattr(still, "FEW_PIXELS", 0)


def same(got, want, tolerance):
    for have, wanted in zip(got, want, strict=True):
        scale = max(float(np.abs(wanted).max(initial=0)), 1e-30)
        np.testing.assert_allclose(have, wanted, rtol=0, atol=tolerance * scale)


def test_way_around_is_taken():
    with ops.use("numba"):
        network = build(0)
        network(pictures(0), SNN)
        assert network._held is not None
    with ops.use(kernels_alone):
        network(pictures(0), SNN)
        assert network._held is None


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dark", [0.8, 0.0])
def test_spikes_are_equal_in_every_bit(options, dark):
    got, want = both([SNN, SAMPLE], x=pictures(2, dark), **options)
    exact = options.get("hook", True)
    same(got[:1], want[:1], 0 if exact else 1e-5)
    same(got[-4:], want[-4:], 0 if exact else 1e-5)


@pytest.mark.parametrize("options", OPTIONS[:3], ids=str)
@pytest.mark.parametrize("backward", ["backward_parameters", "backward"])
def test_gradients_are_equal_to_rounding(options, backward):
    """Not for the last options: a layer that hardly spikes puts its inputs on a knot of its curve,
    where rounding picks the piece.
    """
    modes = [SNN, SAMPLE, FIT, ANN, LayerMode(1, Mode.ANN), LayerMode(2, Mode.ANN)]
    same(*both(modes, backward, **options), 2e-5)


def test_unfolding_gives_the_gradient_for_every_pixel():
    with ops.use("numba"):
        network, x = build(0, bias=1.0), pictures(0)
        y = network(x, SNN)
        assert network._held is not None
        gx = network.backward(np.ones_like(y))
        assert gx.shape == (N, PIXELS, T)
        assert np.any(gx)


def test_moving_pictures_and_unusual_inputs_go_through_every_pixel():
    moving = np.repeat(pictures(0)[..., None], T, axis=-1)
    moving[..., 3:] *= -1
    with ops.use("numba"):
        network = build(0)
        network(moving, SNN)
        assert network._held is None
        for unusual in (
            {"persistent_state": True},
            {"graded_spike": True},
            {"dropout": Dropout(0.5, np.random.default_rng(0))},
        ):
            other = build(0, neuron=NEURON | unusual)
            other(pictures(0), SNN)
            assert other._held is None


def test_counted_rate_is_that_of_the_pixels():
    rates = []
    for choice in ("numba", kernels_alone):
        with ops.use(choice):
            network = build(0, bias=0.5)
            network.blocks[0].count_log = True
            network(pictures(0), SNN)
            rates.append(network.blocks[0].count)
    assert rates[0] == rates[1] > 0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_number_of_threads_changes_no_bit(count):
    def trained():
        with ops.use("numba"):
            return ran(build(0), pictures(0), [SNN, SAMPLE, FIT, ANN], "backward_parameters")

    with threads.use(1):
        want = trained()
    with threads.use(count):
        same(trained(), want, 0)
