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
from refboot.hdf5 import read_floats, reading, walk, what, writing
from refboot.network import Network

FORMAT, VERSION = "refboot-state", 1


def save(
    network: Network, path: str | os.PathLike[str], notes: Mapping[str, Any] | None = None
) -> None:
    """Write the state of `network` and `notes` (plain values, kept as JSON) to `path`, whole or not
    at all. Raises FormatError. Spec: NET-14, NET-15.
    """
    arrays.instance("network", network, Network, "a refboot.Network")
    text = json.dumps(arrays.notes("notes", notes))
    with writing(path, sealed=True) as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "notes": text})
        for name, array in network.state().items():
            file[name.replace(".", "/")] = array


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays by dotted name and the notes in a file that `save` wrote; raises FormatError for
    any other file and for a changed one.
    """
    with reading(path) as file:
        if (file.attrs.get("format"), file.attrs.get("version")) != (FORMAT, VERSION):
            expected = f"a network saved by refboot ({FORMAT}, version {VERSION})"
            raise FormatError(str(path), what(file), expected)
        text = file.attrs.get("notes")
        try:
            notes = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            notes = None
        if not isinstance(notes, dict):
            raise FormatError(f"the notes of {path}", ascii(text)[:80], "a JSON object")
        return {name: read_floats(dataset) for name, dataset in walk(file)}, notes


def load(network: Network, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Load the state in `path` into `network`, all or nothing, and return the notes. Raises
    FormatError. Spec: NET-16.
    """
    arrays.instance("network", network, Network, "a refboot.Network")
    state, notes = read(path)
    network.load_state(state)
    return notes
