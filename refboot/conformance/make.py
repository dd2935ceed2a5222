"""Answers to the questions, from the definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from refboot.conformance.backend import Answer, PythonBackend
from refboot.conformance.case import Case
from refboot.conformance.definition import definition
from refboot.errors import RangeError

DEFINITION = PythonBackend(definition, "the definition")
DOUBLE = {
    "power",
    "draw_uniform",
    "saturation",
    "band_medians",
    "fit_curve",
    "load_curve",
    "training_state",
}


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
    """The definition's answer. Floats are float32, but float64 where a fit is (FIT-12)."""
    answer = DEFINITION.answer(case)
    if case.op in DOUBLE:
        return answer
    outputs = {
        name: array.astype(np.float32) if array.dtype.kind == "f" else array
        for name, array in answer.outputs.items()
    }
    return replace(answer, outputs=outputs)
