"""The state of a network in an HDF5 file: parameters and fitted curves, at paths like lava-dl's
(`blocks/1/synapse/weight_v`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from refboot import arrays
from refboot.errors import FormatError
from refboot.hdf5 import read_floats, reading, walk, writing
from refboot.network import Network

FORMAT = "refboot-state"
VERSION = 1


def save(
    network: Network, path: str | os.PathLike[str], notes: Mapping[str, Any] | None = None
) -> None:
    """Write the state of `network` and `notes` (plain values, kept as JSON) to `path`, whole or not
    at all. Raises FormatError.

    Spec: NET-14, NET-15.
    """
    arrays.instance("network", network, Network, "a refboot.Network")
    text = json.dumps(arrays.notes("notes", notes))
    with writing(path, sealed=True) as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "notes": text})
        for name, array in network.state().items():
            file[name.replace(".", "/")] = array


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays by dotted name and the notes in a file that `save` wrote; raises FormatError for
    another or a changed file.
    """
    with reading(path) as file:
        found = file.attrs.get("format"), file.attrs.get("version")
        if found[0] != FORMAT or found[1] != VERSION:
            raise FormatError(
                f"{path}",
                f"of format {found[0]}, version {found[1]}",
                f"{FORMAT}, version {VERSION}",
            )
        notes = _notes(str(path), file.attrs.get("notes"))
        return {name: read_floats(dataset) for name, dataset in walk(file)}, notes


def load(network: Network, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Load the state in `path` into `network`, all or nothing, and return the notes. Raises
    FormatError. Spec: NET-16.
    """
    arrays.instance("network", network, Network, "a refboot.Network")
    state, notes = read(path)
    network.load_state(state)
    return notes


def _notes(path: str, text: object) -> dict[str, Any]:
    try:
        notes = json.loads(text) if isinstance(text, str) else None
    except ValueError as error:
        raise FormatError(f"the notes of {path}", "not JSON", "a JSON object") from error
    if not isinstance(notes, dict):
        raise FormatError(f"the notes of {path}", repr(text), "a JSON object")
    return notes
