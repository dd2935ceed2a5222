"""`refboot verify`: checks a backend against the golden vectors."""

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
    text = "check a backend against the golden vectors of the spec"
    command = commands.add_parser("verify", help=text, epilog=EXIT_CODES)
    option = command.add_argument
    text = "module:object, file.py:object, or a module or file with functions named as operations"
    option("backend", nargs="?", metavar="BACKEND", help=text)
    text = "a program that answers one case file at a time, instead of BACKEND"
    option("--command", dest="program", metavar="'PROG {input} {output}'", help=text)
    text = "seconds the program may take for a case (default: 60)"
    option("--timeout", type=float, default=60, metavar="S", help=text)
    text = "only this level; can be repeated"
    option("--level", type=int, action="append", choices=range(1, 6), default=[], help=text)
    text = "only cases of this clause; can be repeated"
    option("--clause", action="append", default=[], metavar="ID", help=text)
    text = "only this case, or the cases that match this pattern; can be repeated"
    option("--case", action="append", default=[], metavar="ID", help=text)
    text = "ask for every bit: the claim 'reproducible' of the spec"
    option("--reproducible", action="store_true", help=text)
    text = "folder of the vectors (default: those of the package)"
    option("--vectors", metavar="DIR", help=text)
    text = "lines 'CASE REASON': the known failures of the backend"
    option("--expected-failures", metavar="FILE", help=text)
    text = "format of the report (default: text)"
    option("--report", choices=("text", "json", "junit"), default="text", help=text)
    option("--output", metavar="FILE", help="file for the report (default: standard output)")
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Run the chosen cases on the backend and report; returns the exit code."""
    try:
        backend = asked(chosen)
        known = vectors.read(chosen.vectors)
        bits = chosen.reproducible
        cases = verify.chosen(known, chosen.level, chosen.clause, chosen.case, bits)
        file = chosen.expected_failures
        expected = verify.read_expected(file, known) if file else {}
        found = verify.verify(backend, cases, expected, known, bits)
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
    """The backend that was named; raises RangeError for none and for two."""
    if (chosen.backend is None) == (chosen.program is None):
        got = "given twice" if chosen.backend else "not given"
        raise RangeError("the backend", got, "BACKEND or --command")
    if chosen.program is not None:
        return CommandBackend(chosen.program, chosen.timeout)
    return load(chosen.backend)
