"""`refboot bench`: what training and inference cost on this machine, beside its limits and other
programs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from refboot.errors import FormatError

OTHERS = ("lava-dl", "pytorch", "snntorch", "norse", "spikingjelly")
HELP = "programs to take turns with, where they are installed; pytorch is the tutorial's network written plainly in it"


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    command = commands.add_parser(
        "bench", help="measure the cost of training and inference, and compare it"
    )
    command.add_argument("--against", nargs="*", default=[], choices=OTHERS, help=HELP)
    command.add_argument(
        "--data-root",
        metavar="DIR",
        help="folder with the MNIST files (default: the digits, enlarged)",
    )
    command.add_argument(
        "--rounds",
        type=int,
        default=30,
        metavar="N",
        help="times that a task is done (default: 30)",
    )
    command.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads that work, of PyTorch too (default: as each likes)",
    )
    command.add_argument(
        "--growth", metavar="PNG", help="measure how the cost grows, too, and draw it"
    )
    command.add_argument("--json", metavar="FILE", help="write the results")
    command.add_argument(
        "--compare",
        metavar="FILE",
        help="results of an earlier run (another commit's) to set beside these",
    )
    command.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Measure, print a line per result, write what is asked for."""
    from refboot import bench  # noqa: PLC0415 (no other command needs it)

    before = flat(read(chosen.compare)) if chosen.compare else {}

    def report(task: str, result: Any) -> None:
        print(f"{task}")
        for name, values in flat(result).items():
            line = f"  {name:<44} {shown(values)}"
            then = before.get(f"{task} / {name}")
            print(f"{line}   before: {shown(then)}" if then else line, flush=True)

    found = bench.run(
        chosen.against,
        chosen.rounds,
        chosen.data_root,
        growing=bool(chosen.growth),
        count=chosen.threads,
        report=report,
    )
    if chosen.growth:
        bench.growth.plot(found["growth"], chosen.growth)
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def read(path: str) -> Any:
    """The results in a file that `--json` wrote; raises FormatError."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(path, "not JSON", "what refboot bench --json wrote") from error


def flat(results: Any, name: str = "") -> dict[str, Any]:
    """Nested results by one name each, down to a time (with its spread) or a plain value."""
    if not isinstance(results, dict) or "median_ms" in results:
        return {name or "result": results}
    found: dict[str, Any] = {}
    for key, value in results.items():
        found |= flat(value, f"{name} / {key}" if name else str(key))
    return found


def shown(value: Any) -> str:
    """A result as text."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if not isinstance(value, dict):
        return str(value)
    text = f"{value['median_ms']:9.3f} ms  (least {value['least_ms']:.3f}, spread {100 * value['spread']:.0f} %"
    text += f", {value['rounds']} rounds; processors {value['processor_ms']:.3f})"
    if "ratio" in value:
        text += f"  {value['ratio']:.1f} times as long, {value['processor_ratio']:.1f} by the processors"
    return text + (f"  {100 * value['share']:.0f} % of the step" if "share" in value else "")
