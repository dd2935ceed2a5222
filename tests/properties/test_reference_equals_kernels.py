"""The kernels compute what the definition computes, in every bit.

With NUMBA_DISABLE_JIT=1 this file compares the kernels' Python instead of the compiled code.
"""

import os

import conv_cases
import kernel_cases
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot import reference

kernels = pytest.importorskip("refboot.kernels", reason="Numba is not installed")
COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
CASES = kernel_cases.CASES | conv_cases.CASES
IN_PLACE = {"adam_step", "sgd_step"}


def fresh(value):
    """A copy in the memory layout of the original, gaps and strides included."""
    if not isinstance(value, np.ndarray) or not value.flags.writeable:
        return value
    base = value if value.base is None else value.base
    copy = base.copy(order="K")
    offset = value.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return np.ndarray(value.shape, value.dtype, copy, offset, value.strides)


def run(function, args):
    """What a function returns, or, of one that works in place, the arrays it changed; all as a list
    of arrays.
    """
    args = [fresh(a) for a in args]
    before = [np.array(a) for a in args]
    result = function(*args)
    if function.__name__ in IN_PLACE:
        return [a for a in args if isinstance(a, np.ndarray)]
    assert all(np.array_equal(a, b) for a, b in zip(args, before, strict=True)), (
        "an argument was changed"
    )
    return [np.asarray(r) for r in (result if isinstance(result, tuple) else (result,))]


def both(name, args):
    expected = run(getattr(reference, name), args)
    with np.errstate(
        over="warn" if COMPILED else "ignore"
    ):  # interpreted, a kernel may warn of what it clips or drops
        got = run(getattr(kernels, name), args)
    for want, have in zip(expected, got, strict=True):
        assert (have.dtype, have.shape) == (want.dtype, want.shape)
    return expected, got


def test_every_function_of_the_definition_is_compared():
    assert sorted(CASES) == sorted(reference.OPERATIONS)
    assert set(kernels.OPERATIONS) <= set(reference.OPERATIONS)


@pytest.mark.parametrize("name", kernels.OPERATIONS)
@given(st.data())
def test_kernel_equals_the_definition_in_every_bit(name, data):
    for want, have in zip(*both(name, data.draw(CASES[name])), strict=True):
        assert have.tobytes() == want.tobytes(), (have, want)
