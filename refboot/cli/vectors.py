"""`refboot vectors`: makes the golden vectors and their tables, or checks them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from refboot.conformance import remake, vectors


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    text = "make the golden vectors of the spec, or check them"
    command = commands.add_parser("vectors", help=text)
    text = "make: write the files; check: regenerate them and report every difference"
    command.add_argument("action", choices=("make", "check"), help=text)
    text = "the folder spec (default: that of the checkout)"
    command.add_argument("--spec", metavar="DIR", help=text)
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Make or check; returns 0, or 1 if a check finds a difference."""
    spec = Path(chosen.spec) if chosen.spec else vectors.spec_folder()
    if chosen.action == "make":
        for name in remake.make(spec):
            print(f"Written: {name}")
        return 0
    differences = remake.check(spec)
    for line in differences:
        print(line)
    state = "differ from" if differences else "agree with"
    print(f"The vectors and tables {state} what the definition gives.")
    return int(bool(differences))
