"""The benchmark: what a step costs, beside the machine's own limits and other programs, in one run.
How to read it: spec/speed.md.
"""

from refboot.bench import growth
from refboot.bench.run import run

__all__ = ["growth", "run"]
