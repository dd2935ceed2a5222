"""Tables about the vectors, in Markdown: which case catches which mistake, and what clauses,
operations and values they cover.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from refboot.conformance.case import Case
from refboot.conformance.mutants import MUTANTS
from refboot.conformance.operations import OPERATIONS

MADE = "Made by `refboot vectors make`; do not edit."
SHOWN = 6


def mutants(cases: list[Case]) -> str:
    """The table of mutants: name, clause, and the vectors that catch it."""
    caught = {
        mutant.name: [case.id for case in cases if mutant.name in case.flags] for mutant in MUTANTS
    }
    lines = ["# Known mistakes, and the vectors that catch them", "", MADE, ""]
    lines += [
        f"{len(MUTANTS)} mutants of the definition, each with one mistake. "
        "A vector catches a mutant if the mutant fails it.",
        "",
    ]
    lines += ["| Mistake | Clause | What it does | Caught by |", "|---|---|---|---|"]
    for mutant in MUTANTS:
        text = mutant.text.replace("|", "\\|")
        lines.append(
            f"| {mutant.name} | {mutant.clause} | {text} | {listed(caught[mutant.name])} |"
        )
    return "\n".join(lines) + "\n"


def coverage(cases: list[Case]) -> str:
    """The tables of clauses with their vectors, and of operations with the values their inputs
    take.
    """
    by_clause: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        for clause in case.clauses:
            by_clause[clause].append(case.id)
    lines = [
        "# What the vectors cover",
        "",
        MADE,
        "",
        f"{len(cases)} cases; {sum(c.reject is not None for c in cases)} must be rejected.",
        "",
    ]
    lines += ["## Clauses", "", "| Clause | Vectors |", "|---|---|"]
    lines += [
        f"| {clause} | {listed(by_clause[clause])} |" for clause in sorted(by_clause, key=order)
    ]
    lines += [
        "",
        "## Operations and values",
        "",
        "Numbers of accepted cases: least and largest, and the shapes of arrays.",
        "",
    ]
    lines += ["| Level | Operation | Cases | Input | Values |", "|---|---|---|---|---|"]
    for name, operation in OPERATIONS.items():
        own = [case for case in cases if case.op == name]
        accepted = [case for case in own if not case.reject]
        for i, value in enumerate(operation.inputs):
            head = f"| {operation.level} | {name} | {len(own)} " if i == 0 else "| | | "
            lines.append(
                f"{head}| {value.name} | {spread([case.inputs[value.name] for case in accepted])} |"
            )
    return "\n".join(lines) + "\n"


def spread(values: list[Any]) -> str:
    """What `values` have between them, in words."""
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    numbers = [
        value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    words = [str(value) for value in (False, True) if any(v is value for v in values)]
    words += sorted({value for value in values if isinstance(value, str)})
    words += ["none"] if any(value is None for value in values) else []
    words += [between(min(numbers), max(numbers))] if numbers else []
    if arrays:
        filled = [array for array in arrays if array.size]
        shapes = sorted({array.shape for array in arrays})
        words += (
            [between(min(a.min() for a in filled), max(a.max() for a in filled))] if filled else []
        )
        words += [
            "in "
            + ", ".join("x".join(map(str, shape)) or "()" for shape in shapes[:SHOWN])
            + (", ..." if len(shapes) > SHOWN else "")
        ]
    return "; ".join(words) or "-"


def between(low: Any, high: Any) -> str:
    """A range in words."""
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"


def listed(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (
        f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    )


def order(clause: str) -> tuple[int, int]:
    """Where a clause stands in the spec."""
    chapters = ("NUM", "LIF", "SPK", "SYN", "SAM", "FIT", "ACT", "GRD", "NRM", "MOD", "TRN", "NET")
    prefix, _, number = clause.partition("-")
    return chapters.index(prefix), int(number)
