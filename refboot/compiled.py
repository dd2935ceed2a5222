"""The one door to Numba's compiler: what it compiles is kept on disk, or in memory alone where it
finds no folder to write to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function, **options: Any) -> Function:
    """`function`, compiled by numba.njit with `options` when it is first called."""
    import numba  # noqa: PLC0415 (optional)

    try:
        return cast(Function, numba.njit(**options, cache=True)(function))
    except RuntimeError:  # no folder: neither beside the package nor in the user's home
        return cast(Function, numba.njit(**options)(function))
