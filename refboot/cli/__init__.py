"""The command `refboot`: one module here for each sub-command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from refboot import __version__, ops
from refboot.cli import bench, evaluate, export, inspect, plot, train, vectors, verify
from refboot.errors import RefbootError

COMMANDS = (train, evaluate, inspect, export, plot, verify, vectors, bench)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 error, 130 interrupted.

    An error is printed in one line.
    """
    chosen = parser().parse_args(arguments)
    try:
        with ops.use(chosen.ops or ops.active()):
            return int(chosen.command(chosen))
    except (RefbootError, OSError) as error:
        print(f"refboot: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nrefboot: interrupted", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The parser of all commands and options."""
    text = "Bootstrap SNN training: sample, fit, train as ANN, run as SNN."
    top = argparse.ArgumentParser(prog="refboot", description=text)
    top.add_argument("--version", action="version", version=f"refboot {__version__}")
    text = "the set of operations (default: numba if it is installed)"
    top.add_argument("--ops", choices=sorted(ops.MODULES), help=text)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add(commands)
    return top
