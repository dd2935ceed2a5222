"""Shapes are known when a network is built: what does not fit says so at once, and a saved state
always loads.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot import Network, synapse
from refboot.block import cuba
from refboot.errors import FormatError, OrderError, RangeError, ShapeError, TypeMismatchError
from refboot.io import state
from refboot.neuron import norm
from refboot.routine import LayerMode, Mode

NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
NORMED = NEURON | {"norm": norm.WgtScaleBatchNorm}


def make_rng():
    return np.random.default_rng(0)


def layers(rng, neuron=NEURON):
    return [
        cuba.Input(neuron, 1, 0, rng=rng),
        cuba.Conv(neuron, 2, 4, (3, 2), padding=1, groups=2, weight_norm=True, rng=rng),
        cuba.Pool(neuron, 2, rng=rng),
        cuba.Flatten(),
        cuba.Dense(neuron, 4 * 4 * 3, 6, rng=rng),
        cuba.Average(3),
    ]


SHAPES = [(2, 7, 5), (4, 7, 6), (4, 4, 3), (48,), (6,), (3,)]


def test_build_tells_each_block_the_shape_of_its_input():
    network = Network(layers(make_rng()), time_steps=4)
    with pytest.raises(OrderError, match="build"):
        network.forward(np.zeros((1, 2, 7, 5)), LayerMode(0, Mode.SNN))
    assert network.build((2, 7, 5)) == (3,)
    assert network.shapes == SHAPES


@pytest.mark.parametrize("mode", [Mode.SNN, Mode.SAMPLE, Mode.FIT, Mode.ANN])
def test_the_shapes_that_build_gives_are_those_that_come(mode):
    network = Network(layers(make_rng()), (2, 7, 5), 4)
    x = make_rng().normal(size=(3, 2, 7, 5)).astype(np.float32)
    network.forward(x, LayerMode(0, Mode.SAMPLE))
    network.forward(x, LayerMode(0, Mode.FIT))
    h = network.over_time(x, LayerMode(0, mode))
    for block, shape in zip(network.blocks, network.shapes, strict=True):
        h = block(h, mode)
        assert h.shape == (3, *shape, 4 if mode.spiking else 1)
    grad = np.ones_like(h)
    for block in reversed(network.blocks):
        grad = block.backward(grad)
    assert grad.shape == (3, 2, 7, 5, h.shape[-1])


@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 2),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_the_stated_output_shape_is_that_of_the_sums(
    kernel, stride, padding, dilation, height, width
):
    for layer in (
        synapse.Conv(1, 2, kernel, stride, padding, dilation, rng=make_rng()),
        synapse.Pool(kernel, stride, padding, dilation),
    ):
        try:
            shape = layer.output_shape((1, height, width))
        except ShapeError as error:
            assert "padded" in str(error)  # noqa: PT017
            with pytest.raises(ShapeError):
                layer.forward(np.zeros((1, 1, height, width, 1), np.float32))
        else:
            assert layer.forward(np.zeros((2, 1, height, width, 3), np.float32)).shape == (
                2,
                *shape,
                3,
            )


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: synapse.Conv(2, 4, 3, stride=0, rng=make_rng()), RangeError, "stride"),
        (lambda: synapse.Conv(2, 4, 3, dilation=(1, 0), rng=make_rng()), RangeError, "dilation"),
        (lambda: synapse.Conv(2, 4, 3, padding=-1, rng=make_rng()), RangeError, "padding"),
        (lambda: synapse.Conv(2, 4, 0, rng=make_rng()), RangeError, "kernel_size"),
        (lambda: synapse.Conv(2, 4, 2.5, rng=make_rng()), TypeMismatchError, "kernel_size"),
        (lambda: synapse.Conv(2, 4, (1, 2, 3), rng=make_rng()), TypeMismatchError, "pair"),
        (lambda: synapse.Conv(3, 4, 3, groups=2, rng=make_rng()), RangeError, "groups"),
        (lambda: synapse.Conv(4, 3, 3, groups=2, rng=make_rng()), RangeError, "groups"),
        (
            lambda: synapse.Conv(2, 4, 3, mask=np.ones((4, 1, 3, 3)), rng=make_rng()),
            ShapeError,
            "mask",
        ),
        (lambda: synapse.Pool(2, stride=0), RangeError, "stride"),
        (lambda: synapse.Pool(2, weight_scale=np.nan), RangeError, "weight_scale"),
        (lambda: cuba.Average(0), RangeError, "num_outputs"),
        (lambda: cuba.Dense(NEURON | {"norm": 3}, 2, 4, rng=make_rng()), TypeMismatchError, "norm"),
        (
            lambda: cuba.Dense(NEURON | {"norm": norm.MeanOnlyBatchNorm()}, 2, 4, rng=make_rng()),
            TypeMismatchError,
            "each layer",
        ),
        (
            lambda: cuba.Dense(NORMED | {"current_decay": 0.5}, 2, 4, rng=make_rng()),
            RangeError,
            "current_decay",
        ),
        (lambda: cuba.Dense(3, 2, 4, rng=make_rng()), TypeMismatchError, "neuron_params"),
    ],
    ids=str,
)
def test_what_cannot_be_says_so_when_it_is_made(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("blocks", "shape", "words"),
    [
        (
            lambda rng: [cuba.Conv(NEURON, 1, 2, 6, rng=rng)],
            (1, 5, 9),
            "block 0 .Conv.: the kernel",
        ),
        (lambda rng: [cuba.Conv(NEURON, 1, 2, 3, dilation=3, rng=rng)], (1, 6, 9), "the kernel"),
        (lambda rng: [cuba.Conv(NEURON, 2, 2, 3, rng=rng)], (1, 9, 9), r"\(2, H, W\)"),
        (
            lambda rng: [cuba.Conv(NEURON, 1, 2, 3, rng=rng), cuba.Dense(NEURON, 98, 2, rng=rng)],
            (1, 9, 9),
            "block 1 .Dense.: .*Flatten",
        ),
        (
            lambda rng: [cuba.Input(NEURON, rng=rng), cuba.Pool(NEURON, 2, rng=rng)],
            (9,),
            "block 1 .Pool.",
        ),
    ],
)
def test_blocks_that_do_not_fit_are_named_when_the_network_is_built(blocks, shape, words):
    with pytest.raises(ShapeError, match=words):
        Network(blocks(make_rng()), shape)


def test_populations_that_do_not_divide_are_named():
    with pytest.raises(RangeError, match=r"block 0 .Average.: num_outputs"):
        Network([cuba.Average(4)], (6,))


@pytest.mark.parametrize("x", [np.zeros((1, 2, 7, 5, 3), complex), np.zeros((1, 2, 7, 5, 3)) * 1j])
def test_complex_input_is_refused(x):
    for block in layers(make_rng())[1:4]:
        with pytest.raises(TypeMismatchError, match="complex"):
            block(x, Mode.SNN)


def trained_a_little(network):
    x = make_rng().normal(size=(4, 2, 7, 5)).astype(np.float32)
    for mode in (Mode.SAMPLE, Mode.FIT, Mode.ANN):
        y = network.forward(x, LayerMode(0, mode))
        network.backward(np.ones_like(y))
    network.eval()
    return x


@pytest.mark.parametrize(
    "neuron",
    [NEURON, NORMED, NEURON | {"shared_param": False, "voltage_decay": (0.1, 0.9)}],
    ids=["plain", "norm", "decays"],
)
def test_a_saved_state_loads_into_a_network_that_never_ran(neuron, tmp_path):
    network = Network(layers(make_rng(), neuron), (2, 7, 5), 4)
    x = trained_a_little(network)
    state.save(network, tmp_path / "state.h5")
    again = Network(layers(np.random.default_rng(99), neuron), (2, 7, 5), 4)
    state.load(again, tmp_path / "state.h5")
    again.eval()
    for mode in (Mode.SNN, Mode.ANN):
        np.testing.assert_array_equal(
            again.forward(x, LayerMode(0, mode)), network.forward(x, LayerMode(0, mode))
        )


def test_a_state_of_another_shape_is_refused():
    wide = Network([cuba.Conv(NEURON, 1, 2, 3, rng=make_rng())], (1, 5, 5))
    narrow = Network([cuba.Conv(NEURON, 1, 2, 2, rng=make_rng())], (1, 5, 5))
    with pytest.raises(FormatError, match="weight"):
        narrow.load_state(wide.state())


def test_a_mask_keeps_its_weights_at_zero():
    mask = (make_rng().random((4, 2, 3, 3)) < 0.5).astype(np.float32)
    conv = synapse.Conv(2, 4, 3, mask=mask, pre_hook_fx=None, rng=make_rng())
    conv.backward(
        np.ones_like(conv.forward(make_rng().normal(size=(2, 2, 5, 5, 3)).astype(np.float32)))
    )
    assert (conv.weight.full()[mask == 0] == 0).all()
    assert (conv.weight.v.grad[mask == 0] == 0).all()
    assert (conv.weight.v.grad[mask == 1] != 0).all()


def test_average_reads_populations_of_maps_too():
    x = make_rng().random((2, 4, 3, 3, 5)).astype(np.float32)
    np.testing.assert_allclose(
        cuba.Average(2)(x, Mode.SNN), x.reshape(2, 2, 18, 5).mean(axis=2), rtol=1e-6
    )


def test_delay_shift_and_count_log_work_in_a_convolution():
    shifted, plain = (
        cuba.Conv(NEURON, 1, 3, 2, delay_shift=d, count_log=True, weight_scale=3, rng=make_rng())
        for d in (True, False)
    )
    x = (make_rng().random((2, 1, 5, 5, 8)) < 0.6).astype(np.float32)
    late, now = shifted(x, Mode.SNN), plain(x, Mode.SNN)
    np.testing.assert_array_equal(late[..., 1:], now[..., :-1])
    assert not late[..., 0].any()
    assert plain.count == pytest.approx(now.mean())


def test_a_network_tells_the_firing_rate_of_the_blocks_that_count():
    blocks = [
        cuba.Conv(NEURON, 1, 3, 2, count_log=True, weight_scale=3, rng=make_rng()),
        cuba.Flatten(),
    ]
    blocks.append(cuba.Dense(NEURON, 48, 4, weight_scale=3, rng=make_rng()))
    network = Network(blocks, (1, 5, 5), 8)
    assert network.firing_rates() == {}
    network.forward(make_rng().random((2, 1, 5, 5)).astype(np.float32) * 2, LayerMode(0, Mode.SNN))
    assert network.firing_rates() == {"blocks.0": blocks[0].count}
    assert blocks[0].count > 0
