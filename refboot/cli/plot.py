"""`refboot plot RUN`: every picture of a run."""

from __future__ import annotations

import argparse
from typing import Any

from refboot.cli.train import data_options
from refboot.viz.run import plot_run


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    command = commands.add_parser("plot", help="draw the pictures of a run (needs the extra viz)")
    command.add_argument("run", metavar="RUN", help="folder of the run")
    text = "number of the test image in the raster plots (default: 0)"
    command.add_argument("--image", type=int, default=0, metavar="N", help=text)
    data_options(command)
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Draw them into the folder `pictures` of the run, and print their names."""
    for path in plot_run(chosen.run, chosen.data_root, chosen.download, chosen.image):
        print(path)
    return 0
