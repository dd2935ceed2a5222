"""The vectors and their tables made anew, and compared with those there are."""

from __future__ import annotations

import json
from pathlib import Path

import h5py

from refboot import files
from refboot.conformance import tables, vectors
from refboot.conformance.case import Case
from refboot.hdf5 import reading

TABLES = {"mutants.md": tables.mutants, "coverage.md": tables.coverage}


def make(spec: Path) -> list[str]:
    """Write vectors and tables into the folder `spec`; returns the files' names."""
    cases = vectors.made()
    vectors.write(cases, spec / "vectors", vectors.spec_version(spec))
    for name, table in TABLES.items():
        files.replace(spec / name, table(cases).encode())
    written = [f"vectors/{vectors.INDEX}", f"vectors/{vectors.ARRAYS}", *TABLES]
    return [str(spec / name) for name in written]


def check(spec: Path, cases: list[Case] | None = None) -> list[str]:
    """Every difference between what is in `spec` and what would be made (`cases`, if that was done
    before), in words. The HDF5 version that wrote the arrays may differ.
    """
    cases = vectors.made() if cases is None else cases
    text = vectors.index_text(cases, vectors.spec_version(spec))
    found = index_differences(spec / "vectors" / vectors.INDEX, text)
    found += array_differences(spec / "vectors" / vectors.ARRAYS, cases)
    for name, table in TABLES.items():
        there = spec / name
        if not there.is_file() or there.read_bytes() != table(cases).encode():
            found.append(f"{name}: out of date")
    return found


def index_differences(there: Path, fresh: str) -> list[str]:
    """Differences between the index and the text `fresh`, by key and by case."""
    old = json.loads(there.read_text(encoding="utf-8")) if there.is_file() else {}
    new = json.loads(fresh)
    before, after = ({case["id"]: case for case in index.pop("cases", [])} for index in (old, new))
    keys = sorted(key for key in (old | new) if key != "hdf5" and old.get(key) != new.get(key))
    found = [f"{vectors.INDEX}: {key} differs" for key in keys]
    names = [name for name in (before | after) if before.get(name) != after.get(name)]
    found += [f"{vectors.INDEX}: {name} differs" for name in names]
    if not names and list(before) != list(after):
        found.append(f"{vectors.INDEX}: the cases are in another order")
    return found


def array_differences(there: Path, cases: list[Case]) -> list[str]:
    """Differences between a file of arrays and those of `cases`, by name."""
    after = {
        f"{case.id}/{name}": (array.dtype, array.shape, array.tobytes())
        for case in cases
        for name, array in case.arrays().items()
    }
    before = {}
    with reading(there) as file:

        def note(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                before[name] = item.dtype, item.shape, item[()].tobytes()

        file.visititems(note)
    names = sorted(before.keys() | after.keys())
    return [
        f"{vectors.ARRAYS}: {name} differs" for name in names if before.get(name) != after.get(name)
    ]
