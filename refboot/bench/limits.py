"""What kernels take by themselves: the least that a task could take with them, were there no Python and no loss in sharing."""

from __future__ import annotations

import cProfile
import pkgutil
import pstats
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from refboot import threads
from refboot.bench.measure import Action

Place = tuple[str, int, str]


def limit(action: Action, rounds: int, others: Mapping[str, float]) -> dict[str, Any]:
    """Milliseconds that one `action` spends in kernels and products on one thread; how long that were if the threads shared it without
    loss; and how many times as long each of the `others` takes (their milliseconds for the same)."""
    alone = compiled(action, rounds)
    if not alone:
        return {}
    shared = alone / threads.count()
    return {"kernels on one thread, ms": alone, "shared without loss, ms": shared} | {
        f"{name}, times as long": ms / shared for name, ms in others.items()
    }


def compiled(action: Action, rounds: int) -> float:
    """Milliseconds that one `action` spends in kernels and in products of matrices, on one thread: the least of the rounds."""
    places, found = kernel_places(), []
    with threads.use(1):
        for _ in range(rounds):
            action()
            with cProfile.Profile() as profile:
                action()
            own = {place: times[2] for place, times in pstats.Stats(profile).stats.items()}  # type: ignore[attr-defined]
            found.append(1000 * sum(seconds for place, seconds in own.items() if place in places))
    return min(found)


def kernel_places() -> set[Place]:
    """File, line and name of each compiled function, as the profile has them, and of what calls NumPy's products, whose time is
    counted to it."""
    from refboot import kernels  # noqa: PLC0415 (needs numba)
    from refboot.kernels import synapse  # noqa: PLC0415

    modules = [import_module(f"{kernels.__name__}.{module.name}") for module in pkgutil.iter_modules(kernels.__path__)]
    plain = [getattr(thing, "py_func", None) for module in modules for thing in vars(module).values()]
    functions = [threads.share, synapse.turned_product, *(function for function in plain if function is not None)]
    return {(f.__code__.co_filename, f.__code__.co_firstlineno, f.__name__) for f in functions}
