"""Reports: text for people, JSON for programs, JUnit XML for continuous integration."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import Any
from xml.etree import ElementTree

from refboot.conformance.diagnosis import Diagnosis, cover
from refboot.conformance.verify import EXPECTED, FAILED, MISSING, PASSED, UNEXPECTED, Report, Result

SHOWN = 8


def text(report: Report) -> str:
    """The report for people: failures with their first difference, the diagnosis, the sums."""
    lines = [f"Backend: {report.backend}", ""]
    for result in report.having(FAILED, UNEXPECTED):
        lines += [*failure(result), ""]
    lines += diagnosis(report)
    missing = Counter(r.case.op for r in report.having(MISSING))
    if missing:
        lines.append(
            "Not covered: " + ", ".join(f"{op} ({n})" for op, n in sorted(missing.items()))
        )
    for level in report.levels:
        counts = Counter(r.status for r in report.results if r.case.level == level)
        lines.append(
            f"Level {level}: "
            + ", ".join(
                f"{counts[s]} {s}"
                for s in (PASSED, FAILED, EXPECTED, UNEXPECTED, MISSING)
                if counts[s]
            )
        )
    conforms = ", ".join(map(str, report.conforms)) or "none"
    passed = f"{len(report.having(PASSED))} of {len(report.results)} cases passed"
    lines.append(f"{passed}; levels of which every case ran and passed: {conforms}")
    if report.exact:
        lines.append(
            f"Reproducible, every bit of every case: {'yes' if report.reproducible else 'no'}"
        )
    return "\n".join(lines)


def failure(result: Result) -> list[str]:
    """A failed case in lines: id, clauses, what is wrong first, and the inputs there."""
    case = result.case
    head = f"{result.status.upper()} {case.id} [{' '.join(case.clauses)}] {case.op}"
    lines = [
        head,
        f"  {result.reason}" if result.status == FAILED else f"  expected to fail: {result.reason}",
    ]
    if result.difference is not None:
        lines += [f"    {name} = {value}" for name, value in result.difference.inputs.items()]
    return lines


def diagnosis(report: Report) -> list[str]:
    """What the failed cases have in common: the mutants that give their answers."""
    failed = len(report.having(FAILED, EXPECTED))
    if not report.diagnoses:
        return ["No known mistake gives these answers.", ""] if failed else []
    lines = ["Your results are those of:"]
    for found in cover(list(report.diagnoses)):
        lines.append(
            f"  {named(found)}: all of its answers in {len(found.explained)} of {failed} "
            f"failed cases{against(found)}"
        )
        same = [
            d
            for d in report.diagnoses
            if d is not found
            and d.explained == found.explained
            and d.contradicted == found.contradicted
        ]
        lines += [f"    or, not told apart: {named(other)}" for other in same[:SHOWN]]
    return [*lines, ""]


def named(found: Diagnosis) -> str:
    """A mutant in words."""
    return f"{found.mutant.name} ({found.mutant.clause}: {found.mutant.text})"


def against(found: Diagnosis) -> str:
    """What speaks against a diagnosis."""
    if not found.contradicted:
        return ""
    some = ", ".join(found.contradicted[:3])
    return f", but it would fail {len(found.contradicted)} that passed ({some})"


def as_json(report: Report) -> str:
    """The report for programs."""
    results = [as_dict(result) for result in report.results]
    diagnoses = [
        {
            "mistake": found.mutant.name,
            "clause": found.mutant.clause,
            "text": found.mutant.text,
            "explained": list(found.explained),
            "contradicted": list(found.contradicted),
        }
        for found in report.diagnoses
    ]
    head = {
        "backend": report.backend,
        "conforms": report.conforms,
        "reproducible": report.reproducible,
        "exit_code": report.exit_code,
    }
    return json.dumps(head | {"diagnoses": diagnoses, "results": results}, indent=1)


def as_dict(result: Result) -> dict[str, Any]:
    """One result as plain values."""
    case, found = result.case, result.difference
    about = {"case": case.id, "op": case.op, "level": case.level, "clauses": list(case.clauses)}
    return about | {
        "status": result.status,
        "reason": result.reason,
        "difference": None if found is None else dataclasses.asdict(found),
    }


def junit(report: Report) -> str:
    """The report as JUnit XML: a suite per level, `skipped` for what is not covered or expected to
    fail.
    """
    root = ElementTree.Element("testsuites", name=printable(report.backend))
    for level in report.levels:
        results = [r for r in report.results if r.case.level == level]
        counts = Counter(r.status for r in results)
        numbers = {
            "tests": len(results),
            "failures": counts[FAILED] + counts[UNEXPECTED],
            "skipped": counts[MISSING] + counts[EXPECTED],
        }
        suite = ElementTree.SubElement(
            root, "testsuite", {"name": f"level {level}"} | {k: str(v) for k, v in numbers.items()}
        )
        for result in results:
            case = ElementTree.SubElement(
                suite, "testcase", name=result.case.id, classname=" ".join(result.case.clauses)
            )
            if result.status in (FAILED, UNEXPECTED):
                ElementTree.SubElement(case, "failure", message=result.status).text = printable(
                    "\n".join(failure(result))
                )
            elif result.status != PASSED:
                ElementTree.SubElement(
                    case, "skipped", message=printable(f"{result.status} {result.reason}".strip())
                )
    return ElementTree.tostring(root, encoding="unicode")


def printable(words: str) -> str:
    """`words` without what XML cannot hold."""
    return "".join(c if c in "\n\t" or c.isprintable() else "?" for c in words)


FORMS = {"text": text, "json": as_json, "junit": junit}
