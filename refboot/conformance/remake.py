"""The vectors and their tables made anew, and compared with those there are."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

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
    return [
        str(spec / "vectors" / vectors.INDEX),
        str(spec / "vectors" / vectors.ARRAYS),
        *(str(spec / name) for name in TABLES),
    ]


def check(spec: Path, cases: list[Case] | None = None) -> list[str]:
    """Every difference between what is in `spec` and what would be made (`cases`, if that was done
    before), in words.

    With the HDF5 version that wrote the arrays all files must be the same byte for byte; with
    another, the arrays in them.
    """
    cases = vectors.made() if cases is None else cases
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        vectors.write(cases, fresh, vectors.spec_version(spec))
        found = index_differences(spec / "vectors" / vectors.INDEX, fresh / vectors.INDEX)
        found += array_differences(spec / "vectors" / vectors.ARRAYS, fresh / vectors.ARRAYS)
        written_by = _index(spec / "vectors" / vectors.INDEX).get("hdf5")
        if not found and written_by == h5py.version.hdf5_version:
            names = (vectors.INDEX, vectors.ARRAYS)
            found = [
                f"{name}: other bytes"
                for name in names
                if (spec / "vectors" / name).read_bytes() != (fresh / name).read_bytes()
            ]
    for name, table in TABLES.items():
        there = spec / name
        if not there.is_file() or there.read_bytes() != table(cases).encode():
            found.append(f"{name}: out of date")
    return found


def index_differences(there: Path, fresh: Path) -> list[str]:
    """Differences between two indices, by key and by case; the HDF5 version may differ."""
    old, new = _index(there), _index(fresh)
    keys = (old.keys() | new.keys()) - {"hdf5", "cases"}
    found = [
        f"{vectors.INDEX}: {key} differs" for key in sorted(keys) if old.get(key) != new.get(key)
    ]
    before, after = ({case["id"]: case for case in index.get("cases", [])} for index in (old, new))
    if list(before) != list(after):
        found.append(
            f"{vectors.INDEX}: other cases, or in another order: {sorted(before.keys() ^ after.keys())}"
        )
    return found + [
        f"{vectors.INDEX}: {name} differs"
        for name in before.keys() & after.keys()
        if before[name] != after[name]
    ]


def array_differences(there: Path, fresh: Path) -> list[str]:
    """Differences between two files of arrays, by name."""
    with reading(there) as old, reading(fresh) as new:
        before, after = _arrays(old), _arrays(new)
    names = sorted(before.keys() | after.keys())
    return [
        f"{vectors.ARRAYS}: {name} differs" for name in names if before.get(name) != after.get(name)
    ]


def _arrays(file: h5py.File) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    found = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item.dtype.str, item.shape, item[()].tobytes()

    file.visititems(note)
    return found


def _index(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
