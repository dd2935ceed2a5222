"""Exchange files written entry by entry, as lava-dl's exporters of several years wrote them, for
tests to change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

NEURON = {
    "type": "CUBA",
    "iDecay": 4096,
    "vDecay": 123,
    "vThMant": 80,
    "refDelay": 1,
    "gradedSpike": False,
}
OLD_NEURON = {
    "type": "LOIHI",
    "iDecay": 1024,
    "vDecay": 128,
    "vThMant": 80,
    "refDelay": 1,
    "wgtExp": 0,
    "theta": 5120,
    "tauRho": 0.5,
    "scaleRho": 1.0,
}
Layer = dict[str, Any]


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    """Even integers as float32."""
    return 2.0 * np.random.default_rng(seed).integers(-20, 20, shape).astype(np.float32)


def input_layer(**changes: Any) -> Layer:
    return {
        "type": "input",
        "shape": [6],
        "weight": np.float32([76]),
        "bias": np.float32([64]),
        "neuron": dict(NEURON),
    } | changes


def dense_layer(inputs: int = 6, outputs: int = 4, **changes: Any) -> Layer:
    sizes = {"inFeatures": inputs, "outFeatures": outputs, "weight": weights(outputs, inputs)}
    return {"type": "dense", "shape": [outputs], "neuron": dict(NEURON)} | sizes | changes


def conv_layer(**changes: Any) -> Layer:
    """From (2, 6, 5) to (4, 2, 4)."""
    window = {
        "kernelSize": [3, 2],
        "stride": [2, 1],
        "padding": [0, 0],
        "dilation": [1, 1],
        "groups": 1,
    }
    sizes = {"inChannels": 2, "outChannels": 4, "weight": weights(4, 2, 3, 2)}
    return {"type": "conv", "shape": [4, 2, 4], "neuron": dict(NEURON)} | window | sizes | changes


def read_out(**changes: Any) -> Layer:
    layer = dense_layer(4, 3) | changes
    del layer["neuron"]
    return layer


def write(path: Path, *layers: Layer, steps: int | None = 5) -> Path:
    """A file of these layers as lava-dl writes it."""
    with h5py.File(path, "w") as file:
        if steps is not None:
            file["simulation/Ts"], file["simulation/tSample"] = 1, steps
        for number, layer in enumerate(layers):
            fill(file.create_group(f"layer/{number}"), layer)
    return path


def fill(group: h5py.Group, entries: Layer) -> None:
    for name, value in entries.items():
        if isinstance(value, dict):
            fill(group.create_group(name), value)
        elif name == "type" and group.name.count("/") == 2:
            group.create_dataset(name, (1,), "S10", np.array([value], "S10"))
        else:
            group[name] = value
