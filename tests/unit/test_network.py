"""A network: errors that name the block, gradients that add up, its digest, its shapes, copies, and
evaluation from several threads at once.
"""

import copy
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from refboot import Network
from refboot.block import Layer, cuba
from refboot.errors import FormatError, OrderError, RangeError, ShapeError, TypeMismatchError
from refboot.optim import Adam
from refboot.routine import LayerMode, Mode

NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
SNN, ANN, SAMPLE, FIT = (LayerMode(0, mode) for mode in (Mode.SNN, Mode.ANN, Mode.SAMPLE, Mode.FIT))


def build(sizes=(6, 5, 3), seed=0, count_log=False, between=()):
    rng = np.random.default_rng(seed)
    i, h, o = sizes
    options = {"weight_norm": True, "weight_scale": 3, "count_log": count_log, "rng": rng}
    blocks = [
        cuba.Input(NEURON, 1, 0, count_log=count_log, rng=rng),
        *between,
        cuba.Dense(NEURON, i, h, **options),
        cuba.Affine(NEURON, h, o, **options),
    ]
    return Network(blocks, (i,), 8)


def images(seed=1, n=7, i=6):
    return np.random.default_rng(seed).uniform(-1, 1, (n, i)).astype(np.float32)


def fitted(network, x):
    network(x, SAMPLE)
    network(x, FIT)
    network.zero_grad()
    return network


def grads(network):
    return {n: p.grad.copy() for n, p in network.named_parameters().items() if p.grad is not None}


# Errors name the block.


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_weight_that_is_no_number_or_too_large_is_refused_by_the_name_of_its_block(value):
    network = build()
    network.blocks[0].synapse.weight.data[0] = 1
    network.blocks[1].synapse.hook = cuba.synapse.identity
    network.blocks[1].synapse.weight.hook = cuba.synapse.identity
    network.blocks[1].synapse.weight.v.data[2, 3] = value
    network.blocks[1].synapse.weight.g = None
    with pytest.raises(RangeError, match=r"block 1 \(Dense\): the weighted input"):
        network(np.ones((2, 6), np.float32), SNN)


def test_an_input_weight_that_is_no_number_is_refused_by_the_name_of_the_input_block():
    network = build()
    network.blocks[0].synapse.weight.data[0] = np.nan
    with pytest.raises(RangeError, match=r"block 0 \(Input\)"):
        network(images(), SNN)


@pytest.mark.parametrize("mode", [SNN, ANN, LayerMode(1, Mode.ANN)])
def test_a_layer_put_in_for_another_number_of_inputs_is_refused_by_its_name(mode):
    network = fitted(build(), images())
    network.blocks[1] = cuba.Dense(NEURON, 9, 5, rng=np.random.default_rng(0))
    network.blocks[1].f.fit()
    with pytest.raises(ShapeError, match=r"block 1 \(Dense\): x is of shape"):
        network(images(), mode)


def test_a_layer_that_was_never_fitted_is_named():
    with pytest.raises(OrderError, match=r"block 0 \(Input\): ANN mode"):
        build()(images(), ANN)


def test_what_is_no_layer_is_refused():
    with pytest.raises(TypeMismatchError, match="block 1"):
        Network([cuba.Flatten(), "a block"])


def test_a_pass_that_failed_leaves_the_next_one_as_it_was():
    network, x = fitted(build(), images()), images()
    before = network(x, ANN)
    with pytest.raises(ShapeError):
        network(images(i=5), ANN)
    np.testing.assert_array_equal(network(x, ANN), before)
    assert network.backward(np.ones_like(before)).shape == (7, 6, 1)


# Layers and gradients.


class Double(Layer):
    """A layer from outside the package."""

    def build(self, shape):
        return shape

    def run(self, x, mode):
        return 2 * x

    def backward(self, grad):
        return 2 * grad


@pytest.mark.parametrize("mode", [SNN, SAMPLE, ANN, LayerMode(2, Mode.ANN)])
def test_a_layer_of_ones_own_may_stand_between(mode):
    network = build(between=[Double()])
    network(images(), SAMPLE)
    for block in network.blocks:
        if not isinstance(block, Double):
            block.fit()
    y = network(images(), mode)
    gx = network.backward(np.ones_like(y))
    assert gx.any()
    assert set(grads(network)) == {
        "blocks.0.weight",
        "blocks.0.bias",
        *(f"blocks.{i}.synapse.weight_{part}" for i in (2, 3) for part in "gv"),
    }


@pytest.mark.parametrize("mode", [SNN, ANN, LayerMode(1, Mode.ANN)])
def test_gradients_add_up_until_they_are_forgotten(mode):
    network, x = fitted(build(), images()), images(2)
    y = network(x, mode)
    network.backward(np.ones_like(y))
    once = grads(network)
    network(x, mode)
    network.backward(np.ones_like(y))
    for name, grad in grads(network).items():
        np.testing.assert_array_equal(grad, once[name] + once[name])
    network.zero_grad()
    assert grads(network) == {}


@pytest.mark.parametrize("mode", [SNN, ANN])
def test_each_block_goes_backward_by_itself(mode):
    one, other = (fitted(build(), images()) for _ in range(2))
    x = images(2)
    y = one(x, mode)
    other(x, mode)
    grad = np.random.default_rng(0).normal(size=y.shape).astype(np.float32)
    want = one.backward(grad)
    for block in reversed(other.blocks):
        grad = block.backward(grad)
    np.testing.assert_array_equal(grad, want)
    for name, array in grads(one).items():
        np.testing.assert_array_equal(array, grads(other)[name])


@pytest.mark.parametrize("mode", [SNN, ANN])
def test_a_copy_goes_backward_by_itself(mode):
    network, x = fitted(build(), images()), images(2)
    y = network(x, mode)
    twin = copy.deepcopy(network)
    network(images(3), mode)
    network.backward(np.ones_like(y))
    twin.backward(np.ones_like(y))
    again = fitted(build(), images())
    again(x, mode)
    again.backward(np.ones_like(y))
    for name, grad in grads(again).items():
        np.testing.assert_array_equal(grads(twin)[name], grad)


@pytest.mark.parametrize("mode", [SNN, ANN])
def test_a_gradient_of_another_shape_is_refused(mode):
    network = fitted(build(), images())
    y = network(images(), mode)
    with pytest.raises(ShapeError, match="grad"):
        network.backward(np.ones((*y.shape[:-1], y.shape[-1] + 1), np.float32))


def test_norms_of_gradients_are_sums_of_squares_in_order():
    network = build()
    for p in network.parameters():
        p.grad = np.random.default_rng(p.data.size).normal(size=p.data.shape).astype(np.float32)
    wanted = {}
    for i, block in enumerate(network.blocks):
        whole = np.float32(0)
        for p in block.parameters().values():
            if p.grad is not None:
                over_rows = np.float32(0)
                for row in p.grad.reshape(len(p.grad), -1):
                    over_inputs = np.float32(0)
                    for number in row:
                        over_inputs += number * number
                    over_rows += over_inputs
                whole += over_rows
        wanted[f"blocks.{i}"] = float(np.sqrt(np.float64(whole)))
    assert network.grad_norms() == wanted
    assert list(wanted) == ["blocks.0", "blocks.1", "blocks.2"]


def test_a_norm_beyond_float32_is_infinite():
    network = build()
    network.parameters()[-1].grad = np.full((3, 5), 1e30, np.float32)
    assert network.grad_norms() == {"blocks.2": np.inf}


def test_a_row_of_zeros_with_weight_norm_stays_zero_and_gets_no_gradient():
    network, x = fitted(build(), images()), images(2)
    weight = network.blocks[1].synapse.weight
    weight.v.data[2] = 0
    assert not weight.quantised()[2].any()
    for mode in (SNN, ANN):
        y = network(x, mode)
        assert np.isfinite(network.backward(np.ones_like(y))).all()
    assert not weight.v.grad[2].any()
    assert weight.g.grad[2] == 0
    Adam(network.parameters()).step()
    assert not weight.v.data[2].any()


def test_firing_rates_are_the_share_of_active_neurons():
    network, x = build(count_log=True), images()
    assert network.firing_rates() == {}
    y = network(x, SNN)
    spikes = network.blocks[0](np.repeat(x[..., None], 8, axis=-1), Mode.SNN)
    rates = network.firing_rates()
    assert rates["blocks.0"] == spikes.mean(dtype=np.float64)
    assert rates["blocks.2"] == (y > 0).mean()
    assert list(rates) == ["blocks.0", "blocks.1", "blocks.2"]


# Shapes.


def test_pictures_in_the_order_of_the_input_shape_are_taken_and_others_refused():
    network = Network([cuba.Flatten(), *build((24, 5, 3)).blocks], (2, 3, 4), 8)
    flat = images(i=24)
    still = flat.reshape(7, 2, 3, 4)
    moving = np.repeat(still[..., None], 8, axis=-1)
    for x in (still, moving):
        np.testing.assert_array_equal(network(x, SNN), network(flat, SNN))
    wrong = {
        "channels last": still.transpose(0, 2, 3, 1),
        "height and width swapped": still.transpose(0, 1, 3, 2),
        "time first": moving.transpose(0, 4, 1, 2, 3),
        "flat over time": moving.reshape(7, 24, 8),
        "one axis short": still.reshape(7, 2, 12),
        "one picture": still[0],
    }
    for what, x in wrong.items():
        with pytest.raises(ShapeError, match=r"x is of shape .*\(N, 2, 3, 4\) in this order"):
            pytest.fail(f"{what}: {network(x, SNN).shape}")


# The digest.


def test_the_digest_is_that_of_names_shapes_and_values_in_order():
    network = fitted(build(), images())
    found = hashlib.sha256()
    for name in sorted(network.state()):
        array = network.state()[name]
        kind = "<f8" if ".curve." in name else "<f4"
        shape = "x".join(str(size) for size in array.shape)
        found.update(name.encode() + b"\0" + shape.encode() + b"\0" + array.astype(kind).tobytes())
    assert network.digest() == found.hexdigest()[:16]


def test_the_digest_tells_every_change_and_nothing_else():
    network = fitted(build(), images())
    before = network.digest()
    network(images(5), SNN)
    assert network.digest() == before
    twin = build(seed=9)
    twin.load_state(network.state())
    assert twin.digest() == before
    seen = {before}
    for parameter in network.named_parameters().values():
        parameter.data.ravel()[0] += 1
        seen.add(network.digest())
    network.blocks[0].f.curve.slopes[0] += 1
    seen.add(network.digest())
    assert len(seen) == 2 + len(network.named_parameters())


def test_a_state_that_does_not_fit_changes_nothing():
    network = fitted(build(), images())
    before = network.digest()
    good = {name: array + 1 for name, array in network.state().items()}
    for bad in ({"blocks.1.curve.knots": np.zeros((2, 3))}, {"blocks.7.x": np.zeros(1)}):
        with pytest.raises(FormatError):
            network.load_state(good | bad)
        assert network.digest() == before


# Memory and threads.


def test_a_read_out_keeps_no_room_for_points():
    network = fitted(build(), images())
    assert [block.f._ring is None for block in network.blocks] == [False, False, True]


@pytest.mark.parametrize("mode", [SNN, ANN, LayerMode(1, Mode.ANN)])
def test_one_network_evaluated_by_many_threads_answers_each_rightly(mode):
    network = fitted(build((40, 30, 10)), images(i=40))
    network.eval()
    batches = [images(seed, 3 + seed % 5, 40) for seed in range(40)]
    wanted = [network(x, mode) for x in batches]
    start = threading.Barrier(4)

    def evaluate(_):
        start.wait(60)
        return [network(x, mode) for x in batches]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(evaluate, range(4)):
            for got, want in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(got, want)
