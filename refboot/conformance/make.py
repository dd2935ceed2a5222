"""Answers to the questions, from the definition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from refboot.conformance import definition
from refboot.conformance.backend import Answer, PythonBackend
from refboot.conformance.case import Case
from refboot.errors import RangeError

DEFINITION = PythonBackend(definition, "the definition")


def answered(case: Case) -> Case:
    """`case` with the definition's outputs; raises RangeError where it does not answer or reject as
    the case says.
    """
    answer = define(case)
    wanted = "reject" if case.reject else "answer"
    if answer.status != wanted or (case.reject and answer.detail != case.reject):
        raise RangeError(
            f"the definition's answer to {case.id}",
            f"{answer.status} {answer.detail}",
            f"{wanted} {case.reject or ''}",
        )
    return replace(case, outputs=answer.outputs)


def define(case: Case) -> Answer:
    """The definition's answer, floats as float32.

    An exact case is computed in float32 as it is given. Elsewhere the definition runs on double
    copies and is rounded once, so that neither the order of a sum nor an exponential's last bit
    depends on the machine.
    """
    asked = (
        case
        if case.tolerance.kind == "exact" or case.reject
        else replace(case, inputs=doubled(case.inputs))
    )
    answer = DEFINITION.answer(asked)
    return replace(answer, outputs={name: single(array) for name, array in answer.outputs.items()})


def doubled(inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs with float32 arrays as float64."""
    return {
        name: a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype == np.float32 else a
        for name, a in inputs.items()
    }


def single(array: np.ndarray) -> np.ndarray:
    """Floats as float32; integers as they are."""
    return array.astype(np.float32) if array.dtype.kind == "f" else array
