"""Norm and quantisation in one are norm, then quantisation: in every bit, forward and back."""

import numpy as np
import pytest

from refboot import kernels, threads
from refboot.kernels import weight


@pytest.mark.parametrize(("outputs", "inputs"), [(1, 1), (3, 7), (40, 65), (257, 130)])
@pytest.mark.parametrize("size", [0.1, 3.0, 60.0])
@pytest.mark.parametrize("count", [1, 2])
def test_in_one_is_one_after_the_other(outputs, inputs, size, count):
    rng = np.random.default_rng(outputs)
    v = rng.normal(size=(inputs, outputs)).astype(np.float32).T
    g, grad = (
        (size * rng.random(outputs)).astype(np.float32),
        rng.normal(size=(outputs, inputs)).astype(np.float32),
    )
    with threads.use(count):
        q, length = weight.normed_8bit(v, g)
        gv, gg = weight.normed_8bit_backward(grad.copy(order="K"), v, g, length)  # it is used up
        w = kernels.weight_norm_forward(v, g)
        np.testing.assert_array_equal(q, kernels.quantize_8bit(w))
        wanted = kernels.weight_norm_backward(kernels.quantize_8bit_backward(grad, w), v, g)
    np.testing.assert_array_equal(gv, wanted[0])
    np.testing.assert_array_equal(gg, wanted[1])


def test_clipped_weights_are_among_those_compared():
    v, g = np.float32([[3, 4], [1, 0]]), np.float32([20, 1])
    q, length = weight.normed_8bit(v, g)
    assert q.tolist() == [[3.96875, 3.96875], [1.0, 0.0]]
    gv, gg = weight.normed_8bit_backward(np.ones((2, 2), np.float32), v, g, length)
    assert gg[0] == 0
    assert not gv[0].any()
