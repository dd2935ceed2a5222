"""The losses on spike trains and the rate classifier answer as lava-dl's do."""

from typing import Any

import numpy as np
import pytest
from lava_vectors import Case, assert_close, assert_equal, cases

from refboot.classifier import Rate
from refboot.loss import SpikeMax, SpikeRate


def make_loss(params: dict[str, Any]) -> SpikeRate | SpikeMax:
    if params["kind"] == "SpikeMax":
        return SpikeMax(params["mode"], params["reduction"])
    return SpikeRate(params["true_rate"], params["false_rate"], params["reduction"])


@pytest.mark.parametrize("case", cases("loss"), ids=str)
@pytest.mark.usefixtures("operations")
def test_loss_and_its_gradient_are_the_same(case: Case) -> None:
    given, wanted = case.read("in"), case.read("out")
    loss, grad = make_loss(case.params)(given["s"], given["label"])
    assert_close(np.float32(loss), wanted["loss"])
    assert_close(grad, wanted["grad_s"])


@pytest.mark.parametrize("case", cases("classifier_rate"), ids=str)
@pytest.mark.usefixtures("operations")
def test_classifier_reads_the_same(case: Case) -> None:
    spikes, wanted = case.read("in")["s"], case.read("out")
    assert_equal(Rate.rate(spikes), wanted["rate"])
    assert_equal(Rate()(spikes), wanted["predict"])
    for mode in ("probability", "softmax"):
        assert_close(Rate.confidence(spikes, mode), wanted[mode])
    np.testing.assert_allclose(
        np.exp(Rate.confidence(spikes, "logsoftmax")), wanted["softmax"], rtol=1e-6
    )
