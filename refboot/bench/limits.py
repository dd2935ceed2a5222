"""What kernels take by themselves, and what of a fit is NumPy's: the least that a task could take
with them, were there no Python and no
loss in sharing."""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

import numpy as np

from refboot import ann_sampler, threads
from refboot.bench.measure import Action
from refboot.block import fitting


def limit(
    prepare: Callable[[], Action], rounds: int, others: Mapping[str, float]
) -> dict[str, Any]:
    """Milliseconds that the action, prepared anew in each round, spends in kernels and products on
    one thread; how long that were if the
    threads shared it without loss; and how many times as long each of the `others` takes (their
    milliseconds for the same)."""
    alone = compiled(prepare, rounds)
    if not alone:
        return {}
    shared = alone / threads.count()
    return {"kernels on one thread, ms": alone, "shared without loss, ms": shared} | {
        f"{name}, times as long": ms / shared for name, ms in others.items()
    }


def compiled(prepare: Callable[[], Action], rounds: int) -> float:
    """Milliseconds that the action spends in kernels, products and parts of a fit, on one thread:
    the least of the rounds.
    """
    found = []
    with threads.use(1):
        # a kernel that is not compiled yet could not be, while those it calls are watched
        prepare()()
        for _ in range(rounds):
            action = prepare()
            with watched() as times:
                action()
            found.append(1000 * sum(times))
    return min(found)


@contextmanager
def watched() -> Iterator[list[float]]:
    """Within the `with` block the seconds of each call of a kernel, of a product and of a part of a
    fit are noted.
    """
    from refboot import kernels, waiting  # noqa: PLC0415 (needs numba)
    from refboot.kernels import synapse  # noqa: PLC0415

    modules = [
        import_module(f"{kernels.__name__}.{module.name}")
        for module in pkgutil.iter_modules(kernels.__path__)
    ]
    places = [
        (module, name)
        for module in modules
        for name, thing in vars(module).items()
        if hasattr(thing, "py_func")
    ]
    times: list[float] = []
    with ExitStack() as stack:
        fits = (fitting, "curve_through"), (ann_sampler, "half")
        for module, name in [
            *places,
            *fits,
            (waiting, "lead"),
            (synapse, "turned_product"),
            (np, "matmul"),
        ]:
            stack.enter_context(patch.object(module, name, noting(getattr(module, name), times)))
        yield times


def noting(function: Callable[..., Any], times: list[float]) -> Callable[..., Any]:
    """The function, which adds to `times` what it takes."""

    def call(*args: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        result = function(*args, **named)
        times.append(time.perf_counter() - begun)
        return result

    return call
