"""How many threads NumPy's BLAS uses: its spinning threads cost small products more than they bring, and on a busy machine far more."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

PREFIXES = ("scipy_openblas", "openblas")
SUFFIXES = ("64_", "")


@contextmanager
def blas(count: int) -> Iterator[None]:
    """Within the `with` block NumPy's bundled OpenBLAS uses `count` threads, then as many as before; nothing happens with another BLAS."""
    library = _openblas()
    if library is None:
        yield
        return
    get, put = library
    before = get()
    put(count)
    try:
        yield
    finally:
        put(before)


@cache
def _openblas() -> tuple[ctypes._NamedFuncPointer, ctypes._NamedFuncPointer] | None:
    """The functions that read and set the number of threads, from the library that NumPy's wheel brings and has loaded."""
    home = Path(np.__file__).parent
    for path in sorted([*home.parent.glob("numpy.libs/*openblas*"), *home.glob(".dylibs/*openblas*")]):
        library = ctypes.CDLL(str(path))
        for prefix in PREFIXES:
            for suffix in SUFFIXES:
                names = f"{prefix}_get_num_threads{suffix}", f"{prefix}_set_num_threads{suffix}"
                if all(hasattr(library, name) for name in names):
                    return getattr(library, names[0]), getattr(library, names[1])
    return None
