"""A backend checked with cases: what passed, what failed and where, and what was not covered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from refboot.conformance.backend import Answer, Backend
from refboot.conformance.case import EXACT, Case
from refboot.conformance.compare import Difference, difference
from refboot.conformance.diagnosis import Diagnosis, diagnose
from refboot.errors import FormatError, RangeError

PASSED, FAILED, MISSING, EXPECTED, UNEXPECTED = (
    "passed",
    "failed",
    "not covered",
    "expected failure",
    "unexpected pass",
)


@dataclass(frozen=True)
class Result:
    """What came of one case: a status of those above, the difference if there was one, and why, in
    words.
    """

    case: Case
    status: str
    answer: Answer
    difference: Difference | None = None
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """What came of all cases, and the mutants that give the answers of the failed ones.

    `known` counts the cases that the vectors hold, by level; `exact`: every bit was asked.
    """

    backend: str
    results: tuple[Result, ...]
    diagnoses: tuple[Diagnosis, ...]
    known: Mapping[int, int]
    exact: bool = False

    def having(self, *statuses: str) -> list[Result]:
        """The results with one of these statuses."""
        return [result for result in self.results if result.status in statuses]

    @property
    def conforms(self) -> list[int]:
        """The levels whose cases all ran and passed, as did those of every level below; 5 stands on
        1 alone.
        """
        passed = Counter(r.case.level for r in self.having(PASSED) if not r.case.operation.optional)
        whole = {level for level, count in self.known.items() if passed[level] == count}
        below = {level: {1, 5} if level == 5 else set(range(1, level + 1)) for level in whole}
        return sorted(level for level in whole if below[level] <= whole)

    @property
    def reproducible(self) -> bool:
        """True if every case was asked in every bit, and all passed."""
        mandatory = sum(not r.case.operation.optional for r in self.results)
        whole = sum(self.known.values()) == mandatory < len(self.results)
        return self.exact and whole and len(self.having(PASSED)) == len(self.results)

    @property
    def levels(self) -> list[int]:
        """The levels of the cases that were run."""
        return sorted({result.case.level for result in self.results})

    @property
    def exit_code(self) -> int:
        """0 where something passed and nothing failed that was not expected to, and nothing passed
        that was not; else 1.
        """
        return int(bool(self.having(FAILED, UNEXPECTED)) or not self.having(PASSED))


def verify(
    backend: Backend,
    cases: Iterable[Case],
    expected: Mapping[str, str] | None = None,
    known: Iterable[Case] | None = None,
    exact: bool = False,
) -> Report:
    """Ask `backend` all `cases`; `expected` names those that it should fail (patterns like
    `fit-*`), each with a reason.

    `known` are all cases there are (by default `cases`): a level of which some were left out is not
    claimed. `exact` asks for every bit: the claim "reproducible".
    """
    cases = [replace(case, tolerance=EXACT) if exact else case for case in cases]
    counts = Counter(
        case.level for case in (cases if known is None else known) if not case.operation.optional
    )
    results = tuple(
        judged(case, backend.answer(case), reason_for(case, expected or {})) for case in cases
    )
    failed = {r.case.id: (r.case, r.answer) for r in results if r.status in (FAILED, EXPECTED)}
    passed = [r.case for r in results if r.status in (PASSED, UNEXPECTED)]
    diagnoses = tuple(diagnose(failed, passed)) if failed else ()
    return Report(backend.name, results, diagnoses, counts, exact)


def judged(case: Case, answer: Answer, reason: str | None) -> Result:
    """The result of one answer; `reason` is why it is expected to fail, or None."""
    if answer.status == "missing":
        return Result(case, MISSING, answer)
    trouble, found = fault(case, answer)
    if not trouble:
        return Result(case, PASSED if reason is None else UNEXPECTED, answer, None, reason or "")
    return Result(
        case,
        FAILED if reason is None else EXPECTED,
        answer,
        found,
        trouble if reason is None else f"{trouble} ({reason})",
    )


def fault(case: Case, answer: Answer) -> tuple[str, Difference | None]:
    """What is wrong with an answer, in words (empty if nothing), and where it first differs."""
    if answer.status == "crash":
        return f"crashed: {answer.detail}", None
    if case.reject:
        got = f"rejected as {answer.detail}" if answer.status == "reject" else "accepted"
        return (
            ("", None)
            if answer.status == "reject" and answer.detail == case.reject
            else (f"{got}, must be rejected as {case.reject}", None)
        )
    if answer.status == "reject":
        return f"rejected as {answer.detail}, must be accepted", None
    found = difference(case, answer.outputs)
    return ("", None) if found is None else (str(found), found)


def chosen(
    cases: list[Case],
    levels: list[int],
    clauses: list[str],
    names: list[str],
    optional: bool = False,
) -> list[Case]:
    """The cases of the levels, clauses and ids (patterns) asked for; an empty list asks for all.

    Cases that only the claim "reproducible" needs are left out unless `optional` or named. Raises
    RangeError for an id in none.
    """
    for name in names:
        if not any(fnmatchcase(case.id, name) for case in cases):
            raise RangeError("--case", name, "the id of a case, or a pattern of some")
    known = {clause for case in cases for clause in case.clauses}
    for clause in clauses:
        if clause not in known:
            raise RangeError("--clause", clause, "a clause that has vectors")
    return [
        case
        for case in cases
        if (not levels or case.level in levels)
        and (not clauses or set(clauses) & set(case.clauses))
        and (not names or any(fnmatchcase(case.id, name) for name in names))
        and (optional or clauses or names or not case.operation.optional)
    ]


def reason_for(case: Case, expected: Mapping[str, str]) -> str | None:
    """Why this case is expected to fail, or None."""
    return next(
        (reason for pattern, reason in expected.items() if fnmatchcase(case.id, pattern)), None
    )


def read_expected(path: str | Path, cases: list[Case]) -> dict[str, str]:
    """The expected failures in a file: lines `CASE-ID REASON`, an id or a pattern, `#` for remarks;
    raises FormatError.

    A line without a reason is refused, and one that names no case.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(
            str(path), f"unreadable ({error})", "a text file of expected failures"
        ) from error
    found = {}
    for number, line in enumerate(lines, 1):
        name, _, reason = line.partition("#")[0].strip().partition(" ")
        if not name:
            continue
        if not reason.strip():
            raise FormatError(f"{path}:{number}", repr(line), "a case id and a reason")
        if not any(fnmatchcase(case.id, name) for case in cases):
            raise FormatError(f"{path}:{number}", name, "the id of a case, or a pattern of some")
        found[name] = reason.strip()
    return found
