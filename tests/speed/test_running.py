"""A layer that only runs gives the spikes, and later the gradients, of one that keeps what a
gradient needs.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot import block, kernels, ops, reference
from refboot.block import still
from refboot.kernels import running, shortcuts
from refboot.kernels.events import rows_of
from refboot.network import Network
from refboot.neuron import Dropout, cuba
from refboot.routine import LayerMode, Mode

kernels_alone = SimpleNamespace(**{name: getattr(kernels, name) for name in kernels.__all__})
NEURON = {"threshold": 1.25, "current_decay": 0.6, "voltage_decay": 0.03}
N, PIXELS, HIDDEN, T = 9, 500, 48, 16
SNN = LayerMode(0, Mode.SNN)


def build(shift=False, **neuron):
    rng = np.random.default_rng(0)
    blocks = [
        block.cuba.Input(NEURON, 1.0, 0.5, rng=rng),
        block.cuba.Dense(
            NEURON | neuron,
            PIXELS,
            HIDDEN,
            weight_norm=True,
            weight_scale=2,
            delay_shift=shift,
            rng=rng,
        ),
        block.cuba.Dense(
            NEURON | neuron,
            HIDDEN,
            HIDDEN,
            weight_norm=True,
            weight_scale=3,
            delay_shift=shift,
            rng=rng,
        ),
        block.cuba.Affine(NEURON, HIDDEN, 5, weight_norm=True, rng=rng),
    ]
    network = Network(blocks, (PIXELS,), T)
    network.eval()
    return network


def pictures():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (N, PIXELS)).astype(np.float32)
    x[rng.random((N, PIXELS)) < 0.8] = -1
    return x


def taken(network):
    return [b._late is not None for b in network.blocks[1:3]]


@pytest.mark.parametrize("few", [0, 1 << 30], ids=["still", "every pixel"])
@pytest.mark.parametrize(
    "options", [{}, {"shift": True}, {"dropout": Dropout(0.5, np.random.default_rng(0))}], ids=str
)
@pytest.mark.parametrize("backward", ["backward_parameters", "backward"])
def test_same_spikes_and_gradients(few, options, backward, monkeypatch):
    monkeypatch.setattr(still, "FEW_PIXELS", few)
    found = []
    for choice in ("numba", kernels_alone):
        with ops.use(choice):
            network = build(**options)
            y = network(pictures(), SNN)
            assert taken(network) == [choice == "numba"] * 2
            network.zero_grad()
            gx = getattr(network, backward)(
                np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
            )
            assert taken(network) == [False] * 2
            found.append(
                [*([] if gx is None else [gx]), *(p.grad for p in network.parameters()), y]
            )
    np.testing.assert_array_equal(found[0].pop(), found[1].pop())
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-5 * float(np.abs(want).max()))


@pytest.mark.parametrize(
    "options",
    [
        {"persistent_state": True},
        {"graded_spike": True},
        {"reset": "subtract"},
        {"loihi_limits": True},
        {"requires_grad": True},
    ],
)
def test_unusual_neurons_go_the_whole_way(options):
    with ops.use("numba"):
        network = build(**options)
        network(pictures(), SNN)
        assert taken(network) == [False] * 2


def test_training_and_sampling_go_the_whole_way_block_by_block(monkeypatch):
    monkeypatch.setattr("refboot.network.spiking_chain", lambda *_: None)
    with ops.use("numba"):
        network = build()
        network(pictures(), LayerMode(0, Mode.SAMPLE))
        assert taken(network) == [False] * 2
        network.train()
        network(pictures(), SNN)
        assert taken(network) == [False] * 2


def log(network):
    network.blocks[1].count_log = True


def shift(network):
    network.blocks[2].delay_shift = True


def own(network):
    network.blocks[2].run = network.blocks[2].run


def half(network):
    network.blocks[2].neuron = cuba.Neuron(**NEURON, reset="subtract")


@pytest.mark.parametrize(
    ("change", "whole"),
    [(lambda network: None, True), (log, False), (shift, False), (own, False), (half, False)],
)
def test_pictures_go_through_all_layers_at_once_where_nothing_else_is_asked_for(
    change, whole, monkeypatch
):
    calls, found = [], []
    monkeypatch.setattr(still, "FEW_PIXELS", 0)
    monkeypatch.setattr(
        shortcuts,
        "spikes_through",
        lambda *args, go=shortcuts.spikes_through: (calls.append(1), go(*args))[1],
    )
    for choice in ("numba", kernels_alone):
        with ops.use(choice):
            network = build()
            change(network)
            found.append(network(pictures(), SNN))
    np.testing.assert_array_equal(*found)
    assert len(calls) == whole


def uneven(steps=T, **neuron):
    """Layers of unequal width and with neurons of their own; the input's spikes where a pixel is
    background.
    """
    rng = np.random.default_rng(0)
    kinds = [
        NEURON | {"voltage_decay": (0.01, 0.2), "shared_param": False},
        NEURON | {"threshold": 0.7, "current_decay": 0.3},
    ]
    kinds = [kind | neuron for kind in (*kinds, NEURON | {"voltage_decay": 0.1})]
    widths = (PIXELS, 70, 33, 48)
    layers = [
        block.cuba.Dense(kind, *widths[i : i + 2], weight_norm=True, weight_scale=3, rng=rng)
        for i, kind in enumerate(kinds)
    ]
    first, last = (
        block.cuba.Input(NEURON, -1.0, 1.0, rng=rng),
        block.cuba.Affine(NEURON, widths[-1], 5, weight_norm=True, rng=rng),
    )
    network = Network([first, *layers, last], (PIXELS,), steps)
    network.eval()
    return network


def beyond(network):
    network.blocks[1].synapse.weight.g.data[:] = 1000


@pytest.mark.parametrize(
    ("options", "change", "whole"),
    [
        ({}, lambda network: None, True),
        ({}, beyond, False),
        (
            {"steps": 40, "current_decay": 0, "voltage_decay": 0, "shared_param": True},
            lambda network: None,
            False,
        ),
    ],
    ids=["usual", "weights beyond 16 bits", "states beyond 32 bits"],
)
def test_layers_of_unequal_width_and_kind_give_the_same(options, change, whole, monkeypatch):
    calls, found = [], []
    monkeypatch.setattr(still, "FEW_PIXELS", 0)
    monkeypatch.setattr(
        shortcuts,
        "spikes_through",
        lambda *args, go=shortcuts.spikes_through: calls.append(go(*args)) or calls[-1],
    )
    for choice in ("numba", kernels_alone):
        with ops.use(choice):
            network = uneven(**options)
            change(network)
            found.append(network(pictures(), SNN))
    np.testing.assert_array_equal(*found)
    assert found[0].any()
    assert any(z is not None for z in calls) is whole


@pytest.mark.parametrize("train", [False, True])
def test_each_block_can_still_go_backward_by_itself_and_as_it_ran(train, monkeypatch):
    monkeypatch.setattr(still, "FEW_PIXELS", 0)
    found = []
    for choice in ("numba", kernels_alone):
        with ops.use(choice):
            network = build(dropout=Dropout(0.5, np.random.default_rng(0)))
            y = network(pictures(), SNN)
            rng = np.random.default_rng(1)
            if train and choice == "numba":
                network.train()
                for own in network.blocks[1:3]:
                    own.neuron.drop = None  # its mask is of now, as ever
            grads = [
                network.blocks[i].backward(rng.normal(size=(N, HIDDEN, T)).astype(np.float32))
                for i in (2, 1)
            ]
            grads.append(network.blocks[3].backward(np.ones_like(y)))
            found.append(
                [
                    grads[0],
                    grads[2],
                    *(
                        p.grad
                        for block in network.blocks[1:]
                        for p in block.parameters().values()
                        if p.trainable
                    ),
                ]
            )
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-5 * float(np.abs(want).max()))


@given(
    st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 70), st.integers(32, 70), st.integers(1, 40), st.floats(0, 0.34),
    st.integers(0, 4096), st.integers(0, 4096), st.integers(1, 2000),
)  # fmt: skip
def test_equal_to_the_definition_or_not_taken(seed, n, i, o, t, rate, i_decay, v_decay, threshold):
    rng = np.random.default_rng(seed)
    x = (rng.random((n, i, t)) < rate).astype(np.float32)
    weight = (rng.integers(-30, 30, (o, i)) / 32).astype(np.float32)
    decays = np.array([i_decay]), np.array([v_decay])
    got = running.dense_spikes(x, rows_of(weight.T), *decays, threshold * 64)
    rest = np.zeros((n, o), np.int64)
    if got is not None:
        want = reference.cuba_forward(
            reference.dense_forward(x, weight), *decays, threshold * 64, rest, rest
        )[0]
        np.testing.assert_array_equal(got, want)
    else:
        assert x.mean() > 0.3 or min(i_decay, v_decay) < 1000


def test_a_forward_of_ones_own_is_called():
    class Louder(block.cuba.Dense):
        def forward(self, x, mode=Mode.ANN):
            return 2 * super().forward(x, mode)

    found = []
    for kind in (block.cuba.Dense, Louder):
        rng = np.random.default_rng(0)
        network = Network(
            [kind(NEURON, 4, 3, weight_scale=4, rng=rng), block.cuba.Affine(NEURON, 3, 2, rng=rng)],
            (4,),
            T,
        )
        found.append(network(np.ones((1, 4), np.float32), SNN))
    assert found[0].any()
    np.testing.assert_array_equal(found[1], 2 * found[0])
