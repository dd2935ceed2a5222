"""The benchmark: what training and inference cost, beside other programs. See spec/speed.md."""

from refboot.bench import growth
from refboot.bench.run import run

__all__ = ["growth", "run"]
