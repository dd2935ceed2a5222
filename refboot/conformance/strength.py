"""How strong the vectors are: which cases each mutant fails."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from types import FrameType

from refboot.conformance.backend import Answer
from refboot.conformance.case import Case
from refboot.conformance.compare import difference
from refboot.conformance.make import define
from refboot.conformance.mutants import MUTANTS, Mutant, applied


def mutated(mutant: Mutant, cases: Iterable[Case]) -> dict[str, Answer]:
    """The mutant's answers by case id."""
    with applied(mutant):
        return {case.id: define(case) for case in cases}


def wrong(case: Case, answer: Answer) -> bool:
    """Whether `answer` is not what the case expects."""
    if case.reject:
        return answer.status != "reject" or answer.detail != case.reject
    return answer.status != "answer" or difference(case, answer.outputs) is not None


def calls(case: Case) -> set[str]:
    """The names of all functions that the definition calls on `case`: a mutant that changes none of
    them answers alike.
    """
    seen: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            seen.add(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        define(case)
    finally:
        sys.setprofile(before)
    return seen


def reached(mutant: Mutant, called: set[str]) -> bool:
    """Whether one of the functions that the mutant changes is among those called."""
    return any(name.rpartition(".")[2] in called for name in mutant.changes)


def kills(cases: list[Case]) -> dict[str, list[str]]:
    """For each mutant by name, the ids of the cases that catch it."""
    called = {case.id: calls(case) for case in cases}
    found = {}
    for mutant in MUTANTS:
        touched = [case for case in cases if reached(mutant, called[case.id])]
        answers = mutated(mutant, touched)
        found[mutant.name] = [case.id for case in touched if wrong(case, answers[case.id])]
    return found


def flagged(cases: list[Case]) -> list[Case]:
    """The cases with the names of the mutants they catch as flags."""
    by_mutant = kills(cases)
    return [
        replace(case, flags=tuple(name for name, ids in by_mutant.items() if case.id in ids))
        for case in cases
    ]
