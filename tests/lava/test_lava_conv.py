"""Convolution, pooling and their blocks answer as lava-dl's do."""

from typing import Any

import numpy as np
import pytest
from lava_vectors import Array, Case, assert_close, assert_equal, cases
from test_lava_block import check_modes, make_block

from refboot import synapse
from refboot.ops import Ops
from refboot.reference.conv import Pair

NOT_OF_THE_WINDOW = {"weight_norm", "out_features"}


def make_conv(case: Case, given: dict[str, Array]) -> synapse.Conv:
    """The case's synapse with lava-dl's weights."""
    params: dict[str, Any] = case.params
    window = {name: value for name, value in params.items() if name not in NOT_OF_THE_WINDOW}
    inputs, outputs = given["x"].shape[1], params["out_features"]
    conv = synapse.Conv(
        inputs, outputs, **window, weight_norm=params["weight_norm"], rng=np.random.default_rng(0)
    )
    for name, parameter in conv.parameters().items():
        parameter.data[...] = given[name].reshape(parameter.data.shape)
    return conv


def is_spikes(x: Array) -> bool:
    return bool(np.isin(x, [0, 1]).all())


@pytest.mark.parametrize("case", cases("conv"), ids=str)
@pytest.mark.usefixtures("operations")
def test_convolution_gives_the_same_sums_and_gradients(case: Case) -> None:
    given, wanted = case.read("in"), case.read("out")
    conv = make_conv(case, given)

    z, gx = conv.forward(given["x"]), conv.backward(given["grad"])

    (assert_equal if is_spikes(given["x"]) else assert_close)(z, wanted["z"])
    assert (z.shape[1:-1]) == conv.output_shape(given["x"].shape[1:-1])
    assert_close(gx, wanted["grad_x"])
    for name, parameter in conv.parameters().items():
        assert parameter.grad is not None
        assert_close(parameter.grad, wanted[f"grad_{name}"].reshape(parameter.data.shape))


@pytest.mark.parametrize("case", cases("pool"), ids=str)
@pytest.mark.usefixtures("operations")
def test_pooling_gives_the_same_sums_and_gradients(case: Case) -> None:
    given, wanted = case.read("in"), case.read("out")
    pool = synapse.Pool(**case.params)
    assert_equal(pool.weight.data, given["weight"][..., 0])

    z, gx = pool.forward(given["x"]), pool.backward(given["grad"])

    (assert_equal if is_spikes(given["x"]) else assert_close)(z, wanted["z"])
    assert (z.shape[1:-1]) == pool.output_shape(given["x"].shape[1:-1])
    assert_close(gx, wanted["grad_x"])


@pytest.mark.parametrize("case", cases("block_conv"), ids=str)
@pytest.mark.usefixtures("operations")
def test_convolution_block_answers_alike_in_every_mode(case: Case) -> None:
    check_modes(case)


@pytest.mark.parametrize("case", cases("block_conv"), ids=str)
def test_gradients_of_the_weights_are_as_close_to_float64_as_ordered_float32_sums_must_be(
    case: Case, operations: Ops
) -> None:
    """A sum of n terms, each addition rounded, is off by at most n * 2^-24 of the magnitudes."""
    given = case.read("in")
    conv = make_block(case, given).synapse
    assert isinstance(conv, synapse.Conv)
    window = *conv.window[1:], conv.groups
    x, grad, weight = given["x0"], given["grad0"], conv.weight.full()
    wide = [a.astype(np.float64) for a in (grad, x, weight)]
    _, got = operations.conv_backward(grad, x, weight, *window)
    _, want = float64_backward(*wide, *window)
    _, magnitudes = float64_backward(*map(np.abs, wide), *window)
    terms = grad.size // grad.shape[1]
    assert (np.abs(got - want) <= terms * 2.0**-24 * magnitudes).all()


def float64_backward(
    grad: Array, x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> tuple[Array, Array]:
    """The gradients of an ungrouped convolution, one output pixel at a time."""
    assert groups == 1
    wide = np.pad(x, [(0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)])
    gx, gw = np.zeros_like(wide), np.zeros_like(weight)
    for row, col in np.ndindex(grad.shape[2:4]):
        ends = row * stride[0], col * stride[1]
        rows, cols = (
            slice(ends[k], ends[k] + (weight.shape[2 + k] - 1) * dilation[k] + 1, dilation[k])
            for k in range(2)
        )
        gw += np.einsum("not,ncijt->ocij", grad[:, :, row, col], wide[:, :, rows, cols])
        gx[:, :, rows, cols] += np.einsum("not,ocij->ncijt", grad[:, :, row, col], weight)
    return gx, gw
