"""Blocks run, fit and learn as lava-dl's do, through SAMPLE, FIT, ANN and SNN mode in a row."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from lava_network import load_block
from lava_vectors import ULPS, Array, Case, assert_close, assert_equal, assert_same_fit, cases

from refboot.block import Block, cuba
from refboot.neuron import norm
from refboot.routine import Mode

KINDS: dict[str, Callable[..., Block]] = {
    "block_input": cuba.Input,
    "block_dense": cuba.Dense,
    "block_dense_norm": cuba.Dense,
    "block_conv": cuba.Conv,
    "block_affine": cuba.Affine,
}
# A weight of these convolutions is used 16,128 times in a batch. lava-dl's float32 sum of the
# gradients lies up to 44 ulps from the
# sum in float64; ours lies within 8, which test_lava_conv.py holds it to.
CONV_ULPS = 64
# In this case the z of lava-dl's centres falls: ours pools them, and what runs on the broken curve
# is not compared.
FALLING = "block_dense_norm", "001"


def make_block(case: Case, state: Mapping[str, Array]) -> Block:
    """The case's block with lava-dl's parameters."""
    options = {
        name: value for name, value in case.params.items() if name not in {"neuron", "modes"}
    }
    neuron: dict[str, Any] = case.params["neuron"]
    if "norm" in neuron:
        neuron["norm"] = getattr(norm, neuron["norm"])
    block = KINDS[case.op](neuron, **options, rng=np.random.default_rng(0))
    block.sample_before_norm = (
        True  # lava-dl's way, which fits the curve to another input than it is given
    )
    load_block(
        block,
        {path.removeprefix("state/"): wide(block, path, array) for path, array in state.items()},
    )
    return block


def wide(block: Block, path: str, array: Array) -> Array:
    """A running mean of lava-dl's, which is one zero before the first call, as one for each
    channel.
    """
    mean = block.neuron.norm and block.neuron.norm.running_mean
    return (
        np.broadcast_to(array, mean.data.shape) if mean and path.endswith("running_mean") else array
    )


def summands(block: Block, x: Array, gx: Array) -> dict[str, Array]:
    """What the gradients of an input layer's weight and bias are the sums of: those of the weighted
    input, times x or 1.
    """
    if not isinstance(block, cuba.Input):
        return {}
    gz = gx / block.parameters()["weight"].data
    return {"weight": gz * x, "bias": gz}


def check_call(
    block: Block, mode: Mode, call: int, given: Mapping[str, Array], wanted: Mapping[str, Array]
) -> None:
    """One call, forward and backward, as lava-dl's."""
    x, grad, gx = given[f"x{call}"], given[f"grad{call}"], wanted[f"grad_x{call}"]
    for parameter in block.parameters().values():
        parameter.zero_grad()
    (assert_equal if mode.spiking else assert_close)(block.forward(x, mode), wanted[f"y{call}"])
    assert_close(block.backward(grad), gx)
    terms = summands(block, x, gx)
    for name, parameter in block.parameters().items():
        if parameter.trainable:
            assert parameter.grad is not None
            grad = wanted[f"grad_{name}{call}"].reshape(parameter.data.shape)
            assert_close(
                parameter.grad,
                grad,
                terms.get(name),
                CONV_ULPS if isinstance(block, cuba.Conv) else ULPS,
            )


def check_modes(case: Case) -> None:
    """All calls of the case, and the curve that was fitted, if one was."""
    given, wanted = case.read("in"), case.read("out")
    block = make_block(case, given)
    modes: list[Any] = case.params["modes"]
    broken = (case.op, case.number) == FALLING
    for call, name in enumerate(modes):
        if broken and not Mode[name].spiking:
            block.run(given[f"x{call}"], Mode[name])
        else:
            check_call(block, Mode[name], call, given, wanted)
    if broken:
        return
    fitted = {
        name: array
        for name, array in (("centers", block.f.centers), ("slopes", block.f.slopes))
        if array is not None
    }
    assert fitted.keys() == {"centers", "slopes"} & wanted.keys()
    for name, array in fitted.items():
        assert_same_fit(array, wanted[name])


@pytest.mark.parametrize("case", cases("block_input"), ids=str)
@pytest.mark.usefixtures("operations")
def test_input_block_answers_alike_in_every_mode(case: Case) -> None:
    check_modes(case)


@pytest.mark.parametrize("case", cases("block_dense"), ids=str)
@pytest.mark.usefixtures("operations")
def test_dense_block_answers_alike_in_every_mode(case: Case) -> None:
    check_modes(case)


@pytest.mark.parametrize("case", cases("block_affine"), ids=str)
@pytest.mark.usefixtures("operations")
def test_affine_block_answers_alike_in_every_mode(case: Case) -> None:
    check_modes(case)
