"""The pass through all layers of a spiking network in one go gives what block after block gives,
and is taken only where it does.
"""

import copy
import itertools

import numpy as np
import pytest

from refboot import block, ops, threads
from refboot.block import spiking_chain as ways
from refboot.block import still, through
from refboot.errors import RangeError, ShapeError
from refboot.kernels import shortcuts, spiking_chain
from refboot.kernels.coded import encode
from refboot.kernels.events import rows_of
from refboot.kernels.passes import NormedRows
from refboot.kernels.spiking_chain import LEARN, LEARN_DENSE, weights_plan
from refboot.kernels.weight import normed_8bit
from refboot.network import Network
from refboot.neuron import Dropout, cuba
from refboot.optim import Adam
from refboot.routine import LayerMode, Mode
from refboot.synapse.weight import Weight

NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
LEAKY = NEURON | {
    "current_decay": 0.4,
    "voltage_decay": 0.2,
    "threshold": 0.5,
    "tau_grad": 0.01,
    "scale_grad": 2,
}
EACH = NEURON | {"current_decay": (0.3, 0.9), "voltage_decay": (0.02, 0.3), "shared_param": False}
SNN, SAMPLE, FIT = (LayerMode(0, mode) for mode in (Mode.SNN, Mode.SAMPLE, Mode.FIT))
PIXELS = 500


@pytest.fixture(autouse=True)
def way_is_open(monkeypatch):
    monkeypatch.setattr(still, "FEW_PIXELS", 0)


def build(
    widths,
    weight=1.0,
    bias=0.0,
    neuron=NEURON,
    first=NEURON,
    last=block.cuba.Affine,
    steps=16,
    scale=2.0,
    **options,
):
    rng = np.random.default_rng(0)
    sizes = [PIXELS, *widths]
    dense = [
        (block.cuba.Dense if i + 2 < len(sizes) else last)(
            neuron, a, b, **{"weight_norm": True, "weight_scale": scale} | options, rng=rng
        )
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
    ]
    return Network([block.cuba.Input(first, weight, bias, rng=rng), *dense], (PIXELS,), steps)


def pictures(count=9, dark=0.7):
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (count, PIXELS)).astype(np.float32)
    x[rng.random(x.shape) < dark] = -1
    return x


def ran(network, x, mode=SNN, backward="backward_parameters"):
    """Output and samples, which must be the same in every bit; and gradients."""
    network.zero_grad()
    for b in network.blocks:
        b.f.clear()
    y = network(x, mode)
    gx = getattr(network, backward)(
        np.random.default_rng(2).normal(size=y.shape).astype(np.float32)
    )
    samples = [points for b in network.blocks for points in (b.f.z, b.f.a)]
    return [y, *samples], [*(p.grad for p in network.parameters())] + ([] if gx is None else [gx])


def block_by_block(monkeypatch, network, *args):
    with monkeypatch.context() as patch:
        patch.setattr("refboot.network.spiking_chain", lambda *_: None)
        found = ran(network, *args)
        assert network._chain is None
    return found


def same(got, want, tolerance=5e-6):
    for have, wanted in zip(got[0], want[0], strict=True):
        np.testing.assert_array_equal(have, wanted)
    for have, wanted in zip(got[1], want[1], strict=True):
        np.testing.assert_allclose(
            have, wanted, rtol=0, atol=tolerance * max(float(np.abs(wanted).max(initial=0)), 1e-30)
        )


NETWORKS = [
    ((48, 5), {}),
    ((2, 3, 1), {"neuron": LEAKY}),
    ((257, 130, 65, 3), {"neuron": LEAKY}),
    ((200, 40, 10), {"neuron": EACH, "first": LEAKY}),
    ((140, 5), {"weight": None, "bias": None}),
    ((140, 33), {"weight": 0.5, "bias": 1.0, "steps": 3}),  # background spikes, too
    ((140, 5), {"weight": 5.0, "bias": -0.75, "steps": 37}),
    ((150, 150, 10), {"neuron": LEAKY | {"threshold": 1 / 64}}),  # many spike: products
]


@pytest.mark.parametrize("mode", [SNN, SAMPLE], ids=["SNN", "SAMPLE"])
@pytest.mark.parametrize("count", [1, 9, 33, 70])
@pytest.mark.parametrize(("widths", "options"), NETWORKS)
def test_it_gives_what_block_after_block_gives(monkeypatch, widths, options, count, mode):
    network, x = build(widths, **options), pictures(count)
    got = ran(network, x, mode)
    assert network._chain is not None
    same(got, block_by_block(monkeypatch, network, x, mode))


def test_those_networks_spike_from_rarely_to_often():
    rates = []
    for widths, options in NETWORKS:
        network = build(widths, **options)
        ran(network, pictures(33), SAMPLE)
        rates += [float(b.f.a.mean()) for b in network.blocks[1:-1]]
    assert min(rates) < 0.1
    assert max(rates) > 0.4


@pytest.mark.parametrize("spikes", [0.05, 0.6])
def test_the_way_of_the_gradient_is_that_of_the_rate(spikes):
    many = spiking_chain._often(int(spikes * 512 * 512), (512, 512), 512)
    assert many is (spikes > 0.25)
    kinds = set(weights_plan(((784, 512), (512, 512)), (many,))[:, 0].tolist())
    assert (LEARN_DENSE in kinds, LEARN in kinds) == (many, not many)
    assert spiking_chain._often(0, (512, 10), 512) is False  # no spike: nothing to gather
    assert spiking_chain._often(1, (512, 10), 512) is True  # few outputs


def test_the_bits_do_not_depend_on_the_number_of_threads():
    network, found = build((512, 512, 10)), []
    for count in (1, 2, 3, 2):
        with threads.use(count):
            found.append(ran(network, pictures(33), SAMPLE))
    for got in found[1:]:
        for have, wanted in zip([*got[0], *got[1]], [*found[0][0], *found[0][1]], strict=True):
            np.testing.assert_array_equal(have, wanted)


def test_the_gradient_for_the_input_is_still_to_be_had(monkeypatch):
    network, x = build((48, 40, 5)), pictures()
    for mode in (SNN, SAMPLE):
        same(
            ran(network, x, mode, "backward"),
            block_by_block(monkeypatch, network, x, mode, "backward"),
        )


def test_each_block_can_still_go_backward_by_itself(monkeypatch):
    network, x, found = build((48, 40, 5)), pictures(), []
    grad = np.random.default_rng(2).normal(size=(9, 5, 16)).astype(np.float32)
    for way in (None, lambda *_: None):
        with monkeypatch.context() as patch:
            if way:
                patch.setattr("refboot.network.spiking_chain", way)
            network.zero_grad()
            network(x, SNN)
            gx = network.blocks[3].backward(grad)
            gx = network.blocks[2].backward(gx)
            found.append(
                (
                    [],
                    [
                        gx,
                        network.blocks[3].synapse.weight.v.grad,
                        network.blocks[2].synapse.weight.v.grad,
                    ],
                )
            )
    same(*found)


def test_gradients_gather_until_they_are_forgotten():
    network, x = build((48, 5)), pictures()
    once = ran(network, x)[1]
    y = network(x, SNN)
    network.backward_parameters(np.random.default_rng(2).normal(size=y.shape).astype(np.float32))
    same(([], [p.grad for p in network.parameters()]), ([], [2 * grad for grad in once]))


def test_a_training_steps_on_and_the_spikes_are_those_of_the_new_weights(monkeypatch):
    losses = []
    for way in (None, lambda *_: None):
        with monkeypatch.context() as patch:
            if way:
                patch.setattr("refboot.network.spiking_chain", way)
            network = build((140, 5))
            optimizer = Adam(network.parameters(), lr=1e-3)
            for _ in range(5):
                y = network(pictures(), SNN)
                optimizer.zero_grad()
                network.backward_parameters(y - 1)
                optimizer.step()
            losses.append(float(np.square(network(pictures(), SNN) - 1).sum()))
    np.testing.assert_allclose(
        *losses, rtol=0.02
    )  # one spike more or less for a last bit of a weight
    assert losses[0] < float(np.square(build((140, 5))(pictures(), SNN) - 1).sum())


def shift(network):
    network.blocks[1].delay_shift = True


def log(network):
    network.blocks[2].count_log = True


def drop(network):
    network.blocks[1].neuron.drop = Dropout(0.5, np.random.default_rng(0))


def persist(network):
    network.blocks[1].neuron.persistent_state = True


def subtract(network):
    network.blocks[2].neuron = cuba.Neuron(**NEURON, reset="subtract")


def plain_weight(network):
    network.blocks[2].synapse = block.cuba.Dense(
        NEURON, 48, 40, rng=np.random.default_rng(0)
    ).synapse


def own_method(name):
    def change(network):
        part = network.blocks[1]
        *path, last = name.split(".")
        for step in path:
            part = getattr(part, step)
        setattr(part, last, getattr(part, last))

    change.__name__ = name
    return change


OTHERS = [
    own_method(name)
    for name in (
        "run",
        "backward",
        "synapse.forward",
        "neuron.forward",
        "neuron.backward",
        "f.append_means",
    )
]


@pytest.mark.parametrize(
    "change",
    [shift, log, drop, persist, subtract, plain_weight, *OTHERS],
    ids=lambda change: change.__name__,
)
def test_what_is_unusual_goes_block_by_block(change):
    network = build((48, 40, 5))
    change(network)
    for mode in (SNN, SAMPLE):
        network(pictures(), mode)
        assert network._chain is None


@pytest.mark.parametrize(
    "options",
    [{"last": block.cuba.Dense}, {"weight_norm": False}, {"pre_hook_fx": None}, {"steps": 513}],
    ids=str,
)
def test_other_networks_go_block_by_block(options):
    network = build((48, 5), **options)
    y = network(pictures(), SNN)
    assert network._chain is None
    assert y.shape == (9, 5, network.time_steps)


@pytest.mark.parametrize("room", [0, 1])
def test_more_than_there_is_room_for_goes_block_by_block(monkeypatch, room):
    network, x = build((48, 5)), pictures()
    monkeypatch.setattr(spiking_chain, "MOST", 9 * len(encode(x).values) * 48 - 1 + room)
    network(x, SNN)
    assert (network._chain is not None) == room


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, 0.0])
def test_weights_that_are_no_numbers_or_too_large_give_what_block_by_block_gives(
    monkeypatch, value
):
    def result(network):
        try:
            return network(pictures(), SAMPLE)
        except RangeError as error:
            return str(error)

    for part in ("v", "g"):
        found = []
        for way in (None, lambda *_: None):
            with monkeypatch.context() as patch, np.errstate(all="ignore"):
                if way:
                    patch.setattr("refboot.network.spiking_chain", way)
                network = build((48, 5))
                getattr(network.blocks[1].synapse.weight, part).data[3] = value
                found.append(result(network))
                found.append([b.f.count for b in network.blocks])
        np.testing.assert_array_equal(found[0], found[2])
        assert found[1] == found[3]


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_an_input_layer_that_is_not_a_number_is_refused_as_block_by_block(part):
    network = build((48, 5))
    getattr(network.blocks[0].synapse, part).data[0] = np.nan
    with pytest.raises(RangeError, match="block 0"):
        network(pictures(), SAMPLE)
    assert network.blocks[0].f.count == 0


def test_sums_that_leave_16_bits_go_block_by_block_and_nothing_is_sampled_twice(monkeypatch):
    network = build((48, 40, 5), scale=3000.0)
    got = ran(network, pictures(), SAMPLE)
    assert network._chain is None
    assert network.blocks[0].f.count == 9 * PIXELS
    same(got, block_by_block(monkeypatch, network, pictures(), SAMPLE))


class Own:
    """A layer of somebody's own that changes nothing."""

    training = True

    def build(self, shape):
        return shape

    def parameters(self):
        return {}

    def forward(self, x, mode):
        return x

    def backward(self, grad):
        return grad


@pytest.mark.parametrize("mode", [SNN, SAMPLE], ids=["SNN", "SAMPLE"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("other", [block.cuba.Flatten, Own])
def test_other_blocks_may_stand_between(mode, training, other):
    rng = np.random.default_rng(0)
    dense = {"weight_norm": True, "weight_scale": 2, "rng": rng}
    first, second = (
        block.cuba.Input(NEURON, 1.0, 0.0, rng=rng),
        block.cuba.Dense(NEURON, PIXELS, 48, **dense),
    )
    last, found = block.cuba.Affine(NEURON, 48, 5, **dense), []
    for blocks in ([first, second, other(), last], [first, second, last]):
        network = Network(blocks, (PIXELS,), 16)
        (network.train if training else network.eval)()
        found.append(network(pictures(), mode))
    np.testing.assert_array_equal(*found)


def test_a_copy_of_a_network_goes_backward_by_itself():
    network, x = build((48, 40, 5)), pictures()
    network.zero_grad()
    y = network(x, SNN)
    twin = copy.deepcopy(network)
    grad = np.random.default_rng(2).normal(size=y.shape).astype(np.float32)
    network.backward_parameters(grad)
    twin.backward_parameters(grad)
    same(([], [p.grad for p in twin.parameters()]), ([], [p.grad for p in network.parameters()]))


def wrong_sizes(network):
    network.blocks[2] = build((39, 40, 5)).blocks[2]


def wrong_pixels(network):
    network.blocks[1] = block.cuba.Dense(
        NEURON, PIXELS - 9, 48, weight_norm=True, rng=np.random.default_rng(0)
    )


def one_length(network):
    network.blocks[1].synapse.weight.g.data = network.blocks[1].synapse.weight.g.data[:1]


def doubles(network):
    network.blocks[1].synapse.weight.v.data = network.blocks[1].synapse.weight.v.data.astype(
        np.float64
    )


class OtherWeight(Weight):
    """Of somebody's own."""


def own_weight(network):
    network.blocks[1].synapse.weight.__class__ = OtherWeight


@pytest.mark.parametrize(
    "change",
    [wrong_sizes, wrong_pixels, one_length, doubles, own_weight],
    ids=lambda change: change.__name__,
)
@pytest.mark.parametrize("mode", [SNN, SAMPLE], ids=["SNN", "SAMPLE"])
def test_arrays_that_kernels_do_not_take_do_not_reach_them(monkeypatch, change, mode):
    monkeypatch.setattr(shortcuts, "spiking_forward", lambda *_: pytest.fail("taken"))
    network = build((48, 40, 5))
    change(network)
    held = still.hold(network.blocks, network.over_time(pictures(), mode))
    assert ways.spiking_chain(held, network.blocks, mode) is None


@pytest.mark.parametrize("change", [wrong_sizes, wrong_pixels], ids=lambda change: change.__name__)
def test_nor_in_evaluation(monkeypatch, change):
    monkeypatch.setattr(shortcuts, "spikes_through", lambda *_: pytest.fail("taken"))
    network = build((48, 40, 5))
    change(network)
    network.eval()
    held = still.hold(network.blocks, network.over_time(pictures(), SNN))
    assert through.through(held, network.blocks, SNN) is None


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("moving", [True, False])
@pytest.mark.parametrize("number", [1, 2])
def test_a_layer_put_in_for_another_number_of_inputs_is_refused(number, moving, train):
    network = build((48, 48, 5))
    network.blocks[number] = block.cuba.Dense(
        NEURON, 3000, 48, weight_norm=True, rng=np.random.default_rng(0)
    )
    network.train(train)
    x = pictures()[..., None].repeat(8, axis=-1) if moving else pictures()
    with pytest.raises(ShapeError, match=f"block {number} .*3000"):
        network(x, SNN)


def test_the_bound_of_16_bits_is_that_of_each_output():
    v = np.zeros((2, 480), np.float32)
    v[0, :200], v[1, 280:] = 1, 1
    weights = [(np.asfortranarray(v), np.full(2, np.sqrt(np.float32(200)) * 3.5, np.float32))]
    with NormedRows(weights) as made:
        pass
    (rows,) = made.found
    wanted = rows_of(normed_8bit(*weights[0])[0].T)
    np.testing.assert_array_equal(rows.each, wanted.each)
    np.testing.assert_array_equal(rows.total, wanted.total)
    v[0, 200:400] = 1
    with NormedRows(
        [(np.asfortranarray(v), np.full(2, np.sqrt(np.float32(400)) * 3.5, np.float32))]
    ) as made:
        pass
    assert not made.found


def test_a_gradient_of_another_shape_is_refused():
    network = build((48, 5))
    network(pictures(), SNN)
    assert network._chain is not None
    with pytest.raises(ShapeError, match="grad"):
        network.backward_parameters(np.zeros((9, 5, 1), np.float32))


def test_other_operations_have_no_such_way():
    with ops.use("reference"):
        network = build((48, 5))
        network(pictures(), SNN)
        assert network._chain is None
