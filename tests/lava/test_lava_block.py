"""Blocks run, fit and learn as lava-dl's do, through SAMPLE, FIT, ANN and SNN mode in a row."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from lava_network import load_block
from lava_vectors import Array, Case, assert_close, assert_equal, assert_same_fit, cases

from refboot.block import Block, cuba
from refboot.routine import Mode

KINDS: dict[str, Callable[..., Block]] = {"block_input": cuba.Input, "block_dense": cuba.Dense, "block_affine": cuba.Affine}


def make_block(case: Case, state: Mapping[str, Array]) -> Block:
    """The case's block with lava-dl's parameters."""
    options = {name: value for name, value in case.params.items() if name not in {"neuron", "modes"}}
    block = KINDS[case.op](case.params["neuron"], **options, rng=np.random.default_rng(0))
    load_block(block, {path.removeprefix("state/"): array for path, array in state.items()})
    return block


def summands(block: Block, x: Array, gx: Array) -> dict[str, Array]:
    """What the gradients of an input layer's weight and bias are the sums of: those of the weighted input, times x or 1."""
    if not isinstance(block, cuba.Input):
        return {}
    gz = gx / block.parameters()["weight"].data
    return {"weight": gz * x, "bias": gz}


def check_call(block: Block, mode: Mode, call: int, given: Mapping[str, Array], wanted: Mapping[str, Array]) -> None:
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
            assert_close(parameter.grad, wanted[f"grad_{name}{call}"].reshape(parameter.data.shape), terms.get(name))


def check_modes(case: Case) -> None:
    """All calls of the case, and the curve that was fitted, if one was."""
    given, wanted = case.read("in"), case.read("out")
    block = make_block(case, given)
    modes: list[Any] = case.params["modes"]
    for call, name in enumerate(modes):
        check_call(block, Mode[name], call, given, wanted)
    fitted = {name: array for name, array in (("centers", block.f.centers), ("slopes", block.f.slopes)) if array is not None}
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
