"""The norms, alone and in a dense block, answer as lava-dl's do."""

from typing import Any

import numpy as np
import pytest
from lava_vectors import Array, Case, assert_close, assert_equal, assert_same_fit, cases
from test_lava_block import FALLING, check_modes, make_block

from refboot.neuron import norm
from refboot.routine import Mode


def make_norm(case: Case) -> norm.MeanOnlyBatchNorm:
    params: dict[str, Any] = case.params
    return getattr(norm, params["kind"])(params["momentum"], params["quantised"])  # type: ignore[no-any-return]


@pytest.mark.parametrize("case", cases("norm"), ids=str)
@pytest.mark.usefixtures("operations")
def test_norm_gives_the_same_values_gradients_and_running_statistics(case: Case) -> None:
    given, wanted, ours = case.read("in"), case.read("out"), make_norm(case)
    ours.build(given["x0"].shape[1])
    for call in range(3):
        assert_close(ours.forward(given[f"x{call}"], training=True), wanted[f"y{call}"])
        if call == 0:
            assert_close(ours.backward(given["grad"]), wanted["grad_x0"])
    running = {name: p.data for name, p in ours.parameters().items()}
    assert running.keys() == {name for name in wanted if name.startswith("running")}
    for name, array in running.items():
        assert_close(array, wanted[name])
    assert_close(ours.forward(given["x0"], training=False), wanted["y_eval"])


@pytest.mark.parametrize("case", cases("block_dense_norm"), ids=str)
@pytest.mark.usefixtures("operations")
def test_dense_block_with_a_norm_answers_alike_in_every_mode(case: Case) -> None:
    check_modes(case)


@pytest.mark.parametrize("case", cases("norm"), ids=str)
def test_bias_of_a_chip_is_lavas(case: Case) -> None:
    given, wanted, ours = case.read("in"), case.read("out"), make_norm(case)
    ours.build(given["x0"].shape[1])
    for call in range(3):
        ours.forward(given[f"x{call}"], training=True)
    mean: Array = wanted["running_mean"]
    used = (
        np.clip(np.rint(mean * 32) * 2, -256, 254)
        if case.params["quantised"]
        else np.rint(mean * 64)
    )
    assert_equal(ours.bias, -used.astype(np.int64))


@pytest.mark.usefixtures("operations")
def test_where_the_centres_of_a_block_fall_ours_are_pooled() -> None:
    case = Case(*FALLING)
    given, lava = case.read("in"), case.read("out")["centers"]
    block = make_block(case, given)
    for call, mode in enumerate((Mode.SAMPLE, Mode.SAMPLE, Mode.FIT)):
        block.forward(given[f"x{call}"], mode)
    (fall,) = np.flatnonzero(np.diff(lava[:, 0]) <= 0)
    assert block.f.centers is not None
    assert_same_fit(
        block.f.centers[:-1], np.vstack([lava[:fall], lava[fall : fall + 2].mean(axis=0)])
    )
    assert (np.diff(block.f.centers, axis=0) > 0).all()


@pytest.mark.parametrize("case", cases("block_dense_norm"), ids=str)
def test_by_default_the_curve_is_fitted_to_the_input_it_is_given(case: Case) -> None:
    given = case.read("in")
    block, lavas = make_block(case, given), make_block(case, given)
    block.sample_before_norm = False
    for each in (block, lavas):
        each.forward(given["x0"], Mode.SAMPLE)
    assert block.neuron.norm is not None
    normed = block.neuron.norm.again(lavas.f.z.reshape(len(given["x0"]), -1, 1))
    assert_equal(block.f.z, normed.ravel())
    assert not np.array_equal(block.f.z, lavas.f.z)
