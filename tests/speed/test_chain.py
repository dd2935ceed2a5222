"""The pass through all dense layers in one go gives what block after block gives, and is taken only
where it does.
"""

import itertools

import numpy as np
import pytest

from refboot import block, ops, threads
from refboot.block import chain, still
from refboot.errors import OrderError, ShapeError
from refboot.kernels import weight_tasks
from refboot.kernels.chain import Entry, Layer, Pieces, chain_backward, chain_forward
from refboot.kernels.passes import layout, shapes_of, view
from refboot.kernels.weight import normed_8bit
from refboot.network import Network
from refboot.neuron import Dropout
from refboot.optim import Adam
from refboot.routine import LayerMode, Mode

NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
SNN, ANN, SAMPLE, FIT = (LayerMode(0, mode) for mode in (Mode.SNN, Mode.ANN, Mode.SAMPLE, Mode.FIT))
PIXELS = 500


@pytest.fixture(autouse=True)
def way_is_open(monkeypatch):
    monkeypatch.setattr(still, "FEW_PIXELS", 0)


def build(
    widths, weight=1.0, bias=0.0, last=block.cuba.Affine, neuron=NEURON, first=NEURON, **options
):
    rng = np.random.default_rng(0)
    sizes = [PIXELS, *widths]
    dense = [
        (block.cuba.Dense if i + 2 < len(sizes) else last)(
            neuron, a, b, **{"weight_norm": True, "weight_scale": 2} | options, rng=rng
        )
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
    ]
    return Network([block.cuba.Input(first, weight, bias, rng=rng), *dense], (PIXELS,), 8)


def fitted(*args, **options):
    network = build(*args, **options)
    for mode in (SAMPLE, SAMPLE, FIT):
        network(pictures(), mode)
    for b in (
        network.blocks
    ):  # a curve bends at sums of its samples: there the last bit of a sum would decide
        if getattr(b, "f", None) is not None and b.f.curve is not None:
            b.f.curve = b.f.curve._replace(knots=b.f.curve.knots + np.array([0.0003, 0]))
    return network


def pictures(count=9, dark=0.7):
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (count, PIXELS)).astype(np.float32)
    x[rng.random(x.shape) < dark] = -1
    return x


def ran(network, x, backward="backward_parameters", mode=ANN):
    network.zero_grad()
    y = network(x, mode)
    gx = getattr(network, backward)(
        np.random.default_rng(2).normal(size=y.shape).astype(np.float32)
    )
    return [y, *(p.grad for p in network.parameters())] + ([] if gx is None else [gx])


def block_by_block(monkeypatch, network, *args):
    with monkeypatch.context() as patch:
        patch.setattr("refboot.network.chain", lambda *_: None)
        return ran(network, *args)


def same(got, want, tolerance=2e-5):
    for have, wanted in zip(got, want, strict=True):
        np.testing.assert_allclose(
            have, wanted, rtol=0, atol=tolerance * max(float(np.abs(wanted).max(initial=0)), 1e-30)
        )


NETWORKS = [
    ((48, 5), {}),
    ((2, 3, 1), {}),
    ((10,), {}),
    ((257, 130, 65, 3), {}),
    ((300, 40), {"last": block.cuba.Dense}),
    ((40, 5), {"weight": None, "bias": None}),
    ((40, 5), {"weight": 0.5, "bias": 1.0}),
    ((40, 5), {"weight": 5.0, "bias": -0.75}),
]


@pytest.mark.parametrize("count", [1, 9, 33, 70])
@pytest.mark.parametrize(("widths", "options"), NETWORKS)
def test_it_gives_what_block_after_block_gives(monkeypatch, widths, options, count):
    network, x = fitted(widths, **options), pictures(count)
    got = ran(network, x)
    assert network._chain is not None
    same(got, block_by_block(monkeypatch, network, x))
    assert network._chain is None


def test_the_bits_do_not_depend_on_the_number_of_threads():
    network, found = fitted((512, 512, 10)), []
    for count in (1, 2, 3):
        with threads.use(count):
            found.append(ran(network, pictures(33)))
    for got in found[1:]:
        for have, wanted in zip(got, found[0], strict=True):
            np.testing.assert_array_equal(have, wanted)


@pytest.mark.parametrize("widths", [(512, 300, 10), (261, 48, 5), (2, 3, 1)])
def test_weights_are_those_of_the_spiking_modes_in_every_bit(widths):
    network = fitted(widths)
    network(pictures(), ANN)
    ran = network._chain.ran
    for b, own in zip(
        network.blocks[1:], layout(shapes_of(ran.held[:3]), (9,) * 4)[0], strict=True
    ):
        weight, (inputs, outputs, width) = b.synapse.weight, own[:3]
        used, whole = normed_8bit(weight.v.data, weight.g.data)
        rows = view(ran.rooms[0], own[weight_tasks.BYTES], inputs * width, np.int8).reshape(
            inputs, width
        )
        np.testing.assert_array_equal(rows[:, :outputs].T / np.float32(32), used)
        np.testing.assert_array_equal(view(ran.rooms[0], own[weight_tasks.LENGTH], outputs), whole)
        np.testing.assert_array_equal(used, weight.quantised())


@pytest.mark.parametrize("part", ["v", "g"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 1e30])
def test_weights_that_are_no_numbers_give_what_block_after_block_gives(monkeypatch, part, value):
    network = fitted((48, 5))
    getattr(network.blocks[1].synapse.weight, part).data[3] = value
    with np.errstate(all="ignore"):
        got = network(pictures(), ANN)
        taken = network._chain is not None
        with monkeypatch.context() as patch:
            patch.setattr("refboot.network.chain", lambda *_: None)
            want = network(pictures(), ANN)
        odd = np.isnan(network.blocks[1].synapse.weight.quantised()).any()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)
    assert not (odd and taken)


def test_who_keeps_an_output_keeps_no_more():
    network = fitted((48, 5))
    assert network(pictures(), ANN).base.base is None
    assert network(pictures(), ANN).base.nbytes == 9 * 5 * 4


def test_the_gradient_for_the_input_is_still_to_be_had(monkeypatch):
    network, x = fitted((48, 5)), pictures()
    same(ran(network, x, "backward"), block_by_block(monkeypatch, network, x, "backward"))


def test_each_block_can_still_go_backward_by_itself(monkeypatch):
    network, x, found = fitted((48, 5)), pictures(), []
    grad = np.random.default_rng(2).normal(size=(9, 5, 1)).astype(np.float32)
    for passes in (lambda: network(x, ANN), lambda: block_by_block(monkeypatch, network, x)):
        passes()
        found.append(
            [
                network.blocks[2].backward(grad),
                network.blocks[1].backward(network.blocks[2].backward(grad)),
            ]
        )
    same(*found)


def test_gradients_add_up_and_a_wrong_shape_is_refused():
    network, x = fitted((48, 5)), pictures()
    once = ran(network, x)[1:]
    network.backward_parameters(np.random.default_rng(2).normal(size=(9, 5, 1)).astype(np.float32))
    same([p.grad for p in network.parameters()], [2 * g for g in once])
    with pytest.raises(ShapeError):
        network.backward_parameters(np.zeros((9, 4, 1), np.float32))


def test_training_goes_the_same_way(monkeypatch):
    results = []
    for way in ("chain", "blocks"):
        network, x = fitted((64, 5)), pictures()
        optimizer = Adam(network.parameters(), lr=1e-4)
        for _ in range(5):
            ran(network, x) if way == "chain" else block_by_block(monkeypatch, network, x)
            optimizer.step()
        results.append(
            [
                p.data - q.data
                for p, q in zip(network.parameters(), fitted((64, 5)).parameters(), strict=True)
            ]
        )
    assert all(np.abs(moved).max() > 4e-4 for moved in results[0])
    same(*results, tolerance=1e-2)


def in_one_go(network, mode=ANN):
    x = network.over_time(pictures(), mode)
    return chain.chain(still.hold(network.blocks, x), network.blocks, mode) is not None


@pytest.mark.parametrize("mode", [SNN, SAMPLE, FIT, LayerMode(1, Mode.ANN)])
def test_other_modes_go_block_by_block(mode):
    network = fitted((48, 5))
    assert in_one_go(network)
    assert not in_one_go(network, mode)


OTHERS = [
    {"weight_norm": False},
    {"pre_hook_fx": None},
    {"mask": np.ones(1, np.float32)},
    {"count_log": True},
    {"neuron": NEURON | {"dropout": Dropout(0.1, rng=np.random.default_rng(0))}},
]


@pytest.mark.parametrize("options", OTHERS)
def test_layers_that_do_more_go_block_by_block(options):
    if "mask" in options:
        options = {"mask": np.ones((5, PIXELS), np.float32)}
    assert not in_one_go(fitted((5,), last=block.cuba.Dense, **options))


def test_what_is_not_fitted_or_counts_or_is_somebody_elses_goes_block_by_block():
    network = build((48, 5))
    assert not in_one_go(network)
    with pytest.raises(Exception, match="before any fit"):
        network(pictures(), ANN)
    network = fitted((48, 5))
    network.blocks[0].count_log = True
    assert not in_one_go(network)
    network = fitted((48, 5))
    network.blocks[1].f = type("Own", (type(network.blocks[1].f),), {})()
    assert not in_one_go(network)
    network = fitted((48, 5))
    network.blocks[1].backward = lambda grad: grad
    assert not in_one_go(network)
    with ops.use("reference"):
        assert not in_one_go(fitted((48, 5)))


def test_a_read_out_in_the_middle_and_parts_of_ones_own_go_block_by_block(monkeypatch):
    network = fitted((20, 15, 4))
    rng = np.random.default_rng(0)
    network = Network(
        [
            *network.blocks[:2],
            block.cuba.Affine(NEURON, 20, 15, weight_norm=True, rng=rng),
            network.blocks[3],
        ],
        (PIXELS,),
        8,
    )
    assert not in_one_go(network)
    assert any(g.any() for g in ran(network, pictures())[1:4])
    network = fitted((48, 5))
    network.blocks[1].synapse.forward = lambda x: x
    assert not in_one_go(network)
    network = fitted((48, 5))
    network.blocks[1].synapse.__class__ = type("Own", (type(network.blocks[1].synapse),), {})
    assert not in_one_go(network)
    network = fitted((48, 5))
    network.blocks[2].synapse.weight.g.data.flags.writeable = False
    assert not in_one_go(network)
    network = fitted((48, 5))
    network.blocks[0].synapse.weight.data = network.blocks[0].synapse.weight.data.astype(np.float64)
    assert not in_one_go(network)


def test_a_block_that_ran_since_keeps_its_own_run():
    network, x, found = fitted((48, 5)), pictures(), []
    other, grad = (
        np.random.default_rng(3).random((2, 48, 1), np.float32),
        np.ones((2, 5, 1), np.float32),
    )
    for first in (lambda: network(x, ANN), lambda: None):
        first()
        network.zero_grad()
        network.blocks[2].forward(other, Mode.ANN)
        if first() is not None:
            network.blocks[2].forward(other, Mode.ANN)
            network.blocks[1].backward(np.ones((9, 48, 1), np.float32))
        network.blocks[2].backward(grad)
        found.append(network.blocks[2].synapse.weight.v.grad)
    same([found[0]], [found[1]])


def test_a_pass_that_fails_is_not_remembered():
    network = fitted((48, 5))
    network(pictures(), ANN)
    network.blocks[1].f.curve = None
    for _ in range(2):
        with pytest.raises(OrderError, match="before any fit"):
            network.blocks[2].backward(np.ones((9, 5, 1), np.float32))


def test_a_pass_alone_is_that_of_numpy():
    rng = np.random.default_rng(0)
    x, pieces = (
        pictures(4),
        Pieces(np.array([[-0.5, 0.0], [0.3, 0.4], [1.1, 1.0]]), np.array([0.5, 0.75]), 1.0, 1e-5),
    )
    v, g = rng.normal(size=(6, PIXELS)).astype(np.float32), np.full(6, 20, np.float32)
    ran_once = chain_forward(
        x, Entry(np.ones(1, np.float32), np.zeros(1, np.float32), pieces), [Layer(v, g, None)]
    )
    quantised = np.rint(x * 32) / 32
    rates = np.interp(quantised, *pieces.knots.T)
    weight = normed_8bit(v, g)[0]
    np.testing.assert_allclose(ran_once.output, rates @ weight.T, rtol=0, atol=1e-3)
    grad = rng.normal(size=(4, 6)).astype(np.float32)
    (gw, gb), _ = chain_backward(grad, ran_once)
    steep = np.where(quantised > 0.3, 0.75, np.where(quantised > -0.5, 0.5, 0)) + 1e-5
    through = (grad @ weight) * steep
    np.testing.assert_allclose(
        [gw[0], gb[0]], [(through * quantised).sum(), through.sum()], rtol=1e-4
    )
