"""Quantisation and the dense synapse answer as lava-dl's do."""

import numpy as np
import pytest
from lava_vectors import Case, assert_close, assert_equal, cases

from refboot import synapse
from refboot.ops import Ops
from refboot.reference.numbers import WEIGHT_SCALE


@pytest.mark.parametrize("case", cases("quantize_8bit"), ids=str)
def test_weights_land_on_the_same_grid_and_pass_the_same_gradients(
    case: Case, operations: Ops
) -> None:
    given, wanted = case.read("in"), case.read("out")
    quantised = operations.quantize_8bit(given["w"])
    assert_equal(quantised, wanted["q"])
    assert_equal(quantised * WEIGHT_SCALE, wanted["q_descale"])
    assert_equal(operations.quantize_8bit_backward(given["grad"], given["w"]), wanted["grad_w"])


@pytest.mark.parametrize("case", cases("dense"), ids=str)
@pytest.mark.usefixtures("operations")
def test_dense_synapse_gives_the_same_sums_and_gradients(case: Case) -> None:
    given, wanted, params = case.read("in"), case.read("out"), case.params
    x, outputs = given["x"], wanted["z"].shape[1]
    dense = synapse.Dense(
        x.shape[1],
        outputs,
        params["weight_scale"],
        params["weight_norm"],
        rng=np.random.default_rng(0),
    )
    for name, parameter in dense.parameters().items():
        parameter.data[...] = given[name].reshape(parameter.data.shape)

    z, gx = dense.forward(x), dense.backward(given["grad"])

    spikes = bool(np.isin(x, [0, 1]).all())
    (assert_equal if spikes else assert_close)(z, wanted["z"])
    assert_close(gx, wanted["grad_x"])
    for name, parameter in dense.parameters().items():
        assert parameter.grad is not None
        assert_close(parameter.grad, wanted[f"grad_{name}"].reshape(parameter.data.shape))
