"""Times of several programs for one task, taken in turn, so that a busy machine affects all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from refboot.bench.tasks import Time

Timer = Callable[[], Time]


def compare(sides: Mapping[str, Timer], rounds: int, seconds: float) -> dict[str, Any]:
    """`summaries` of each side, timed once a round, one after the other.

    A first round is not counted. Ends after `rounds` rounds, or when `seconds` are over and three
    rounds are done.
    """
    for timer in sides.values():
        timer()
    found: dict[str, list[Time]] = {name: [] for name in sides}
    begun = time.perf_counter()
    for number in range(rounds):
        if number >= 3 and time.perf_counter() - begun > seconds:
            break
        for name, timer in sides.items():
            found[name].append(timer())
    return summaries(found)


def summaries(times: Mapping[str, Sequence[Time]]) -> dict[str, Any]:
    """A summary of each side in milliseconds; for all but the first also ratios to the first.

    By the clock: median, least, and spread (half the range of the middle half of the times, as a
    fraction of the median). Ratios are medians over the rounds.
    """
    found: dict[str, Any] = {}
    first = next(iter(times.values()))
    for name, own in times.items():
        clock = [t.clock for t in own]
        low, middle, high = statistics.quantiles(clock, n=4) if len(clock) > 1 else clock * 3
        found[name] = {
            "median_ms": 1000 * middle,
            "least_ms": 1000 * min(clock),
            "processor_ms": 1000 * statistics.median(t.processor for t in own),
            "spread": (high - low) / 2 / middle,
            "rounds": len(clock),
        }
        if own is not first:
            for key, i in (("ratio", 0), ("processor_ratio", 1)):
                ratios = [b[i] / max(a[i], 1e-9) for a, b in zip(first, own, strict=True)]
                found[name][key] = statistics.median(ratios)
    return found
