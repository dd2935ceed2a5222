"""`refboot bench`: what training and inference cost on this machine, and beside other programs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

OTHERS = ("lava-dl", "snntorch", "norse", "spikingjelly")


def add(commands: Any) -> None:
    """Add the sub-command and its options."""
    command = commands.add_parser("bench", help="measure what training and inference cost")
    text = f"compare with {', '.join(OTHERS)} if installed, or with another checkout of refboot"
    option = command.add_argument
    option("--against", nargs="*", default=[], type=opponent, metavar="NAME|DIR", help=text)
    text = "folder with the MNIST files (default: the digits, enlarged)"
    option("--data-root", metavar="DIR", help=text)
    text = "how often each task is timed (default: 30)"
    option("--rounds", type=int, default=30, metavar="N", help=text)
    text = "threads for refboot and PyTorch (default: each library's own)"
    option("--threads", type=int, metavar="N", help=text)
    option("--growth", metavar="PNG", help="measure how the cost grows, too, and draw it")
    option("--json", metavar="FILE", help="write the results to FILE")
    command.set_defaults(command=run)


def opponent(text: str) -> str:
    """A program's name or an existing folder; anything else is an error of the command line."""
    if text not in OTHERS and not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is neither a folder nor one of {OTHERS}")
    return text


def run(chosen: argparse.Namespace) -> int:
    """Measure, print a line per result, and write the files asked for."""
    from refboot import bench  # noqa: PLC0415 (no other command needs it)

    def report(task: str, result: Any) -> None:
        print(task)
        for name, value in flat(result).items():
            print(f"  {name:<40} {shown(value)}", flush=True)

    options = {"growing": bool(chosen.growth), "count": chosen.threads, "report": report}
    found = bench.run(chosen.against, chosen.rounds, chosen.data_root, **options)
    if chosen.growth:
        bench.growth.plot(found["growth"], chosen.growth)
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def flat(results: Any, name: str = "") -> dict[str, Any]:
    """Nested results by one name each, down to a summary of times or a plain value."""
    if not isinstance(results, dict) or "median_ms" in results:
        return {name or "result": results}
    found: dict[str, Any] = {}
    for key, value in results.items():
        found |= flat(value, f"{name} / {key}" if name else str(key))
    return found


def shown(value: Any) -> str:
    """A result as text."""
    if not isinstance(value, dict):
        return f"{value:.4g}" if isinstance(value, float) else str(value)
    text = f"{value['median_ms']:9.3f} ms (least {value['least_ms']:.3f}, spread "
    text += f"{100 * value['spread']:.0f} %; processor {value['processor_ms']:.3f})"
    if "ratio" in value:
        text += f"  {value['ratio']:.2f} times as long (processor {value['processor_ratio']:.2f})"
    return text
