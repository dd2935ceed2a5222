"""Times of several programs for one task, taken in turn, so that a busy machine is busy for all of
them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Action = Callable[[], Any]
PAUSE = 0.02  # seconds
SHORT = 0.2


class Time(NamedTuple):
    """Seconds that one action took: by the clock, and of the processors (all threads), which
    others' work does not lengthen much.
    """

    clock: float
    processor: float


def timed(action: Action) -> Time:
    """Do it once."""
    used, begun = time.process_time(), time.perf_counter()
    action()
    return Time(time.perf_counter() - begun, time.process_time() - used)


def settled(action: Action) -> Time:
    """As in a long run of its own: after a pause, in which other programs' threads cease to spin,
    and, if short, as long untimed.
    """
    time.sleep(PAUSE)
    begun = time.perf_counter()
    first = timed(action)
    if first.clock >= SHORT:
        return first
    while time.perf_counter() < begun + PAUSE:
        action()
    return timed(action)


def in_turn(
    actions: Mapping[str, Action],
    rounds: int,
    seconds: float,
    warm: int = 2,
    measure: Callable[[Action], Time] = timed,
    before: Action = lambda: None,
) -> dict[str, list[Time]]:
    """Times of each action in each round, every round running them one after the other; `warm`
    rounds before are not counted.

    `before` is called at the beginning of each round. It ends after `rounds` rounds, or sooner,
    when `seconds` are over and three are done.
    """
    for _ in range(warm):
        for action in actions.values():
            action()
    found: dict[str, list[Time]] = {name: [] for name in actions}
    begun = time.perf_counter()
    for number in range(rounds):
        if number >= 3 and time.perf_counter() - begun > seconds:
            break
        before()
        for name, action in actions.items():
            found[name].append(measure(action))
    return found


def summary(times: Sequence[Time], items: int = 1) -> dict[str, float]:
    """Milliseconds for one of `items`, by the clock: median, least, and spread (half the range of
    the middle half, as a share of the
    median); and the median of the processor's."""
    clock = [t.clock for t in times]
    low, middle, high = statistics.quantiles(clock, n=4) if len(clock) > 1 else clock * 3
    scale = 1000 / items
    return {
        "median_ms": middle * scale,
        "least_ms": min(clock) * scale,
        "processor_ms": statistics.median(t.processor for t in times) * scale,
        "spread": (high - low) / 2 / middle,
        "rounds": len(clock),
    }


def summaries(times: Mapping[str, Sequence[Time]], items: int = 1) -> dict[str, Any]:
    """`summary` of each program and, of all but the first, how many times as long it took: the
    median over the rounds.
    """
    first, *others = times
    result: dict[str, Any] = {name: summary(t, items) for name, t in times.items()}
    for name in others:
        pairs = list(zip(times[first], times[name], strict=True))
        result[name]["ratio"] = statistics.median(b.clock / a.clock for a, b in pairs)
        result[name]["processor_ratio"] = statistics.median(
            b.processor / max(a.processor, 1e-9) for a, b in pairs
        )
    return result


def compare(
    actions: Mapping[str, Action],
    rounds: int,
    seconds: float,
    items: int = 1,
    before: Action = lambda: None,
) -> dict[str, Any]:
    """`summaries` of the actions, taken in turn, each `settled`; `before` is called at the
    beginning of each round.
    """
    return summaries(in_turn(actions, rounds, seconds, measure=settled, before=before), items)
