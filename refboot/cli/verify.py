"""`refboot verify`: hold a backend against the golden vectors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from refboot.conformance import report, vectors, verify
from refboot.conformance.backend import PythonBackend, load
from refboot.conformance.command import CommandBackend
from refboot.errors import RangeError, RefbootError

EXIT_CODES = "exit codes: 0 conforms (or fails as expected), 1 does not, 2 could not be run"


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    command = commands.add_parser(
        "verify", help="hold a backend against the golden vectors of the spec", epilog=EXIT_CODES
    )
    command.add_argument(
        "backend",
        nargs="?",
        metavar="BACKEND",
        help="module:object, file.py:object, or a module or file with functions by the operations' names",
    )
    command.add_argument(
        "--command",
        dest="program",
        metavar="'PROG {input} {output}'",
        help="a program that answers a case file instead",
    )
    command.add_argument(
        "--timeout",
        type=float,
        default=60,
        metavar="S",
        help="seconds a program has for a case (default: 60)",
    )
    command.add_argument(
        "--level",
        type=int,
        action="append",
        choices=range(1, 6),
        default=[],
        help="only this level; may be repeated",
    )
    command.add_argument(
        "--clause",
        action="append",
        default=[],
        metavar="ID",
        help="only cases of this clause; may be repeated",
    )
    command.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="ID",
        help="only this case, or those of a pattern; may be repeated",
    )
    command.add_argument(
        "--vectors", metavar="DIR", help="folder of the vectors (default: those of the package)"
    )
    command.add_argument(
        "--expected-failures",
        metavar="FILE",
        help="lines 'CASE REASON': what the backend is known to fail",
    )
    command.add_argument(
        "--report",
        choices=("text", "json", "junit"),
        default="text",
        help="form of the report (default: text)",
    )
    command.add_argument(
        "--output", metavar="FILE", help="where the report goes (default: standard output)"
    )
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Ask the backend all cases that were chosen and report; returns the exit code."""
    try:
        backend = asked(chosen)
        known = vectors.read(chosen.vectors)
        cases = verify.chosen(known, chosen.level, chosen.clause, chosen.case)
        expected = (
            verify.read_expected(chosen.expected_failures, known)
            if chosen.expected_failures
            else {}
        )
        found = verify.verify(backend, cases, expected)
        words = report.FORMS[chosen.report](found) + "\n"
        if chosen.output:
            Path(chosen.output).write_text(words, encoding="utf-8")
        else:
            sys.stdout.write(words)
    except (RefbootError, OSError) as error:
        print(f"refboot: {error}", file=sys.stderr)
        return 2
    return found.exit_code


def asked(chosen: argparse.Namespace) -> PythonBackend | CommandBackend:
    """The backend that was named; raises RangeError unless it is one and no more."""
    if (chosen.backend is None) == (chosen.program is None):
        raise RangeError(
            "the backend", "given twice" if chosen.backend else "not given", "BACKEND or --command"
        )
    return (
        load(chosen.backend) if chosen.backend else CommandBackend(chosen.program, chosen.timeout)
    )
