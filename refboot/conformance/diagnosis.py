"""Which known mistake a backend makes: the mutants of the definition that give its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from refboot.conformance.backend import Answer
from refboot.conformance.case import Case
from refboot.conformance.compare import difference
from refboot.conformance.mutants import MUTANTS, Mutant
from refboot.conformance.strength import calls, mutated, reached, wrong

RUNS = {"training_trace", "training_state"}


@dataclass(frozen=True)
class Diagnosis:
    """A mutant whose answers are the backend's: in `explained` failed cases, and against
    `contradicted` ones that it should fail, too.
    """

    mutant: Mutant
    explained: tuple[str, ...]
    contradicted: tuple[str, ...]


def diagnose(failed: Mapping[str, tuple[Case, Answer]], passed: list[Case]) -> list[Diagnosis]:
    """The mutants that give the answers of `failed`, those that explain most and contradict least
    first.

    `passed` are cases that the backend passes: a mutant that fails one of them is not the whole
    truth about the backend. Runs of training are looked at only if nothing smaller failed.
    """
    smaller = {name: pair for name, pair in failed.items() if pair[0].op not in RUNS}
    if smaller:
        failed, passed = smaller, [case for case in passed if case.op not in RUNS]
    cases = [case for case, _ in failed.values()]
    called = {case.id: calls(case) for case in [*cases, *passed]}
    found = []
    for mutant in MUTANTS:
        touched = [case for case in cases if reached(mutant, called[case.id])]
        answers = mutated(mutant, touched)
        explained = [
            case.id for case in touched if alike(case, answers[case.id], failed[case.id][1])
        ]
        if explained:
            others = [case for case in passed if reached(mutant, called[case.id])]
            against = mutated(mutant, others)
            contradicted = [case.id for case in others if wrong(case, against[case.id])]
            found.append(Diagnosis(mutant, tuple(explained), tuple(contradicted)))
    return sorted(
        found, key=lambda d: (len(d.contradicted) > 0, -len(d.explained), len(d.contradicted))
    )


def alike(case: Case, mutant: Answer, backend: Answer) -> bool:
    """Whether mutant and backend give the same answer, within the case's tolerance, which is not
    the expected one.
    """
    if not wrong(case, mutant) or mutant.status != backend.status:
        return False
    if mutant.status == "reject":
        return mutant.detail == backend.detail
    return (
        mutant.status == "answer"
        and difference(replace(case, outputs=mutant.outputs), backend.outputs) is None
    )


def cover(found: list[Diagnosis]) -> list[Diagnosis]:
    """The fewest diagnoses, taken in order, that explain what all of them explain."""
    left = {name for diagnosis in found for name in diagnosis.explained}
    chosen = []
    for diagnosis in found:
        if left & set(diagnosis.explained):
            chosen.append(diagnosis)
            left -= set(diagnosis.explained)
    return chosen
