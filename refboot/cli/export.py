"""`refboot export FILE`: writes a saved network for lava.lib.dl.netx, or as a NIR graph."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

from refboot import exchange
from refboot.arrays import extra
from refboot.cli.inspect import spec_of
from refboot.errors import FormatError
from refboot.io.nir import to_nir


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    text = "write a saved network as a .net (Lava) or .nir file"
    command = commands.add_parser("export", help=text)
    command.add_argument("file", help="best.h5 or last.h5 of a run, or a .net file")
    text = "the .net or .nir file to write (default: network.net beside FILE)"
    command.add_argument("-o", "--output", metavar="OUT", help=text)
    text = ".nir: seconds per time step (default: 0.001)"
    command.add_argument("--dt", type=float, default=1e-3, help=text)
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Write the file, and print a warning for everything its reader would change."""
    net = spec_of(chosen.file)
    target = Path(chosen.output) if chosen.output else Path(chosen.file).with_name("network.net")
    if target.exists() and target.samefile(chosen.file):
        raise FormatError(str(target), "the file that is exported", "another file with --output")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", exchange.ExchangeWarning)
        if target.suffix == ".nir":
            extra("nir", "nir").write(target, to_nir(net, chosen.dt))
        else:
            exchange.write(target, net)
    for warning in caught:
        print(f"warning: {warning.message}")
    print(f"Saved: {target} ({len(net.layers)} layers)")
    return 0
