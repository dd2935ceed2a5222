"""The golden vectors as files: a JSON index and an HDF5 file of arrays, in `spec/vectors` and
beside the installed package.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from refboot import __version__, files
from refboot.conformance.case import DTYPES, Case, Tolerance, dtype_code
from refboot.conformance.cases import questions
from refboot.conformance.make import answered
from refboot.conformance.mutants import MUTANTS
from refboot.conformance.operations import OPERATIONS, Value
from refboot.conformance.strength import flagged
from refboot.errors import FormatError
from refboot.hdf5 import reading, writing

INDEX, ARRAYS, SCHEMA = "index.json", "vectors.h5", "schema.json"
INSTALLED = "share/refboot/spec"


def spec_folder() -> Path:
    """The folder `spec` of the checkout, or what was installed of it; raises FormatError if there
    is none.
    """
    for place in _places(Path(__file__).resolve().parents[2]):
        if (place / "vectors" / SCHEMA).is_file():
            return place
    raise FormatError(
        "the golden vectors",
        "not there",
        "spec/vectors in a checkout, or refboot installed with its data files",
    )


def _places(root: Path) -> Iterator[Path]:
    yield root / "spec"
    yield root / INSTALLED  # pip install --target
    try:
        files = importlib.metadata.files("refboot") or []
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        if file.as_posix().endswith(f"{INSTALLED}/vectors/{SCHEMA}"):
            yield Path(os.fspath(file.locate())).resolve().parents[1]


def vectors_folder() -> Path:
    """The folder of the golden vectors."""
    return spec_folder() / "vectors"


def made() -> list[Case]:
    """All cases, answered by the definition and flagged with the mutants they catch."""
    return flagged([answered(case) for case in questions()])


def write(cases: list[Case], folder: str | os.PathLike[str], spec_version: str) -> None:
    """Write the index and the arrays of `cases` to `folder`, each whole or not at all."""
    target = Path(folder)
    with writing(target / ARRAYS) as file:
        for case in cases:
            for name, array in case.arrays().items():
                file.create_dataset(
                    f"{case.id}/{name}",
                    data=array.astype(DTYPES[dtype_code(array)]),
                    track_times=False,
                )
    files.replace(target / INDEX, index_text(cases, spec_version).encode())


def index_text(cases: list[Case], spec_version: str) -> str:
    """The index as JSON, one line per operation, mistake and case."""
    head = {
        "format": "refboot-vectors",
        "version": 1,
        "spec": spec_version,
        "generator": f"refboot {__version__}",
        "hdf5": h5py.version.hdf5_version,
        "arrays": ARRAYS,
    }
    operations = {
        name: {
            "level": op.level,
            "inputs": [_written(v) for v in op.inputs],
            "outputs": [_written(v) for v in op.outputs],
        }
        | ({"optional": True} if op.optional else {})
        for name, op in OPERATIONS.items()
    }
    mistakes = {mutant.name: {"clause": mutant.clause, "text": mutant.text} for mutant in MUTANTS}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for key, entries in (("operations", operations), ("mistakes", mistakes)):
        rows = ",\n".join(
            f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()
        )
        lines.append(f'"{key}": {{\n{rows}\n}}')
    lines.append('"cases": [\n' + ",\n".join(json.dumps(entry(case)) for case in cases) + "\n]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def entry(case: Case) -> dict[str, Any]:
    """A case's entry in the index."""
    return {
        "id": case.id,
        "op": case.op,
        "level": case.level,
        "clauses": list(case.clauses),
        "inputs": {name: _input(value) for name, value in case.inputs.items()},
        "outputs": {name: _array(array) for name, array in case.outputs.items()},
        "reject": case.reject,
        "tolerance": {"kind": case.tolerance.kind, "amount": case.tolerance.amount},
        "flags": list(case.flags),
        "digest": case.digest(),
    }


def read(folder: str | os.PathLike[str] | None = None) -> list[Case]:
    """The cases in `folder` (by default those of the package), checked against their digests;
    raises FormatError.
    """
    where = vectors_folder() if folder is None else Path(folder)
    try:
        index = json.loads((where / INDEX).read_text(encoding="utf-8"))
        if (index["format"], index["version"]) != ("refboot-vectors", 1):
            got = f"{index['format']} {index['version']}"
            raise FormatError(str(where / INDEX), got, "refboot-vectors 1")
        with reading(where / ARRAYS) as file:
            return [_case(file, found) for found in index["cases"]]
    except FormatError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        got = f"not an index of vectors ({type(error).__name__}: {error})"
        raise FormatError(str(where / INDEX), got, "what schema.json describes") from error


def spec_version(folder: Path) -> str:
    """The version that the text in the folder `spec` bears; raises FormatError."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^Version ([0-9]+[.][0-9]+[.][0-9]+)$", text, re.MULTILINE)
    if found is None:
        raise FormatError(str(folder / "README.md"), "without a version", "a line 'Version 1.2.3'")
    return found.group(1)


def _case(file: h5py.File, found: dict[str, Any]) -> Case:
    name = found["id"]
    if found["op"] not in OPERATIONS:
        raise FormatError(f"the operation of {name}", found["op"], "one of the table")
    outputs = {key: _load(file, f"{name}/out/{key}", of) for key, of in found["outputs"].items()}
    inputs = {
        key: _read_input(file, f"{name}/in/{key}", value) for key, value in found["inputs"].items()
    }
    tolerance = Tolerance(found["tolerance"]["kind"], found["tolerance"]["amount"])
    case = Case(
        name,
        found["op"],
        tuple(found["clauses"]),
        inputs,
        outputs,
        found["reject"],
        tolerance,
        tuple(found["flags"]),
    )
    if case.digest() != found["digest"]:
        raise FormatError(f"the arrays of {name}", f"of digest {case.digest()}", found["digest"])
    return case


def _read_input(file: h5py.File, path: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return float(value["real"]) if "real" in value else _load(file, path, value)


def _load(file: h5py.File, path: str, of: dict[str, Any]) -> np.ndarray:
    data = file[path]
    if (
        not isinstance(data, h5py.Dataset)
        or data.dtype.str != DTYPES[of["dtype"]]
        or list(data.shape) != of["shape"]
    ):
        raise FormatError(path, str(data), f"{of['dtype']} of shape {of['shape']}")
    return np.asarray(data[()])


def _input(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _array(value)
    return {"real": value} if isinstance(value, float) else value


def _array(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": dtype_code(array), "shape": list(array.shape)}


def _written(value: Value) -> str:
    return value.name if value.axes is None else f"{value.name}:{value.axes}"
