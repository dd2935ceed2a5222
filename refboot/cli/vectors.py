"""`refboot vectors`: make the golden vectors and their tables anew, or check that they are what
would be made.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from refboot.conformance import remake, vectors


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    command = commands.add_parser(
        "vectors", help="make the golden vectors of the spec, or check them"
    )
    command.add_argument(
        "action",
        choices=("make", "check"),
        help="make: write them; check: make them again and tell every difference",
    )
    command.add_argument(
        "--spec", metavar="DIR", help="the folder spec (default: that of the checkout)"
    )
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Make or check; returns 0, or 1 where a check finds a difference."""
    spec = Path(chosen.spec) if chosen.spec else vectors.spec_folder()
    if chosen.action == "make":
        for name in remake.make(spec):
            print(f"Written: {name}")
        return 0
    differences = remake.check(spec)
    for line in differences:
        print(line)
    print(
        "The vectors and tables are not what the definition makes."
        if differences
        else "The vectors and tables are what the definition makes."
    )
    return int(bool(differences))
