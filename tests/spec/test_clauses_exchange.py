"""Chapter 12, clause by clause: the exchange file and the state file."""

import itertools
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import spec_plain as plain

from refboot import exchange
from refboot.block import cuba
from refboot.errors import FormatError
from refboot.exchange import ExchangeWarning, Geometry, LayerSpec, NetSpec, NeuronSpec
from refboot.io import netx, state
from refboot.network import Network
from refboot.neuron.norm import MeanOnlyBatchNorm
from refboot.routine import LayerMode, Mode

NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
SPEC = NeuronSpec(4096, 123, 80)
T = 12


@pytest.fixture
def net(rng: np.random.Generator) -> Network:
    """Two inputs, three hidden neurons, two classes."""
    options = {"weight_scale": 3, "weight_norm": True, "rng": rng}
    blocks = [
        cuba.Input(NEURON, 0.9, -0.1, rng=rng),
        cuba.Dense(NEURON, 2, 3, **options),
        cuba.Affine(NEURON, 3, 2, **options),
    ]
    return Network(blocks, (2,), T)


@pytest.fixture
def path(net: Network, tmp_path: Path) -> Path:
    """The network as an exchange file."""
    net.export_hdf5(tmp_path / "a.net")
    return tmp_path / "a.net"


def mantissas(block: Any) -> list[list[float]]:
    return (64 * block.synapse.weight.quantised()).tolist()


def test_layers_are_numbered_groups(path: Path):
    """NET-1."""
    with h5py.File(path) as file:
        assert sorted(file["layer"]) == ["0", "1", "2"]
        assert (file["simulation/Ts"][()], file["simulation/tSample"][()]) == (1, T)


def test_type_and_shape(path: Path):
    """NET-2."""
    with h5py.File(path) as file:
        layers = [file[f"layer/{i}"] for i in range(3)]
        assert [layer["type"][()].tolist() for layer in layers] == [
            [b"input"],
            [b"dense"],
            [b"dense"],
        ]
        assert all(
            (layer["type"].shape, layer["type"].dtype) == ((1,), np.dtype("S10"))
            for layer in layers
        )
        assert [layer["shape"][()].tolist() for layer in layers] == [[2], [3], [2]]


def test_neuron(path: Path):
    """NET-3."""
    with h5py.File(path) as file:
        neuron = file["layer/1/neuron"]
        assert neuron["type"].asstr()[()] == "CUBA"
        found = {
            name: int(neuron[name][()])
            for name in ("iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike")
        }
    assert found == {"iDecay": 4096, "vDecay": 123, "vThMant": 80, "refDelay": 1, "gradedSpike": 0}


def test_dense_layer(net: Network, path: Path):
    """NET-4."""
    with h5py.File(path) as file:
        layer = file["layer/1"]
        assert (int(layer["inFeatures"][()]), int(layer["outFeatures"][()])) == (2, 3)
        assert layer["weight"].dtype == np.float32
        assert layer["weight"][()].tolist() == mantissas(net.blocks[1])
        assert set((layer["weight"][()] % 2).ravel().tolist()) == {0}


def test_weight_is_never_stale(net: Network, tmp_path: Path):
    """NET-5."""
    net.forward(np.ones((1, 2)), LayerMode(0, Mode.SNN))
    net.named_parameters()["blocks.1.synapse.weight_g"].data[...] = 3
    before = {name: array.tobytes() for name, array in net.state().items()}
    net.export_hdf5(tmp_path / "b.net")
    with h5py.File(tmp_path / "b.net") as file:
        weight = file["layer/1/weight"][()].tolist()
    v = net.named_parameters()["blocks.1.synapse.weight_v"].data
    assert (
        weight
        == (64 * np.vectorize(plain.q)(v * (3 / np.linalg.norm(v, axis=1, keepdims=True)))).tolist()
    )
    assert {name: array.tobytes() for name, array in net.state().items()} == before


def test_input_scalars_have_no_axes(path: Path):
    """NET-6."""
    with h5py.File(path) as file:
        found = [
            (file[f"layer/0/{name}"].shape, float(file[f"layer/0/{name}"][()]))
            for name in ("weight", "bias")
        ]
    assert found == [((), 64 * plain.q(0.9)), ((), 64 * plain.q(-0.1))]


def test_convolution_layer(tmp_path: Path):
    """NET-7."""
    geometry, weight = (
        Geometry((3, 2), (2, 1), (1, 0), (1, 2), 2),
        np.arange(-24, 24, 2).reshape(4, 1, 3, 2),
    )
    layers = (
        LayerSpec("input", (2, 5, 6), SPEC, np.array(64), np.array(0)),
        LayerSpec("conv", (4, 3, 4), SPEC, weight, geometry=geometry),
    )
    exchange.write(tmp_path / "c.net", NetSpec(layers, (2, 5, 6), T))
    with h5py.File(tmp_path / "c.net") as file:
        layer = file["layer/1"]
        pairs = {
            name: layer[name][()].tolist()
            for name in ("kernelSize", "stride", "padding", "dilation")
        }
        assert pairs == {
            "kernelSize": [3, 2],
            "stride": [2, 1],
            "padding": [1, 0],
            "dilation": [1, 2],
        }
        assert [int(layer[name][()]) for name in ("inChannels", "outChannels", "groups")] == [
            2,
            4,
            2,
        ]
        assert layer["weight"][()].tolist() == weight.tolist()
    assert exchange.read(tmp_path / "c.net").layers[1].geometry == geometry


def test_read_out_sums_and_does_not_fire(net: Network, path: Path, rng: np.random.Generator):
    """NET-8: after T steps its voltage is 4096 times the sum of z."""
    with h5py.File(path) as file:
        assert [
            int(file[f"layer/2/neuron/{name}"][()]) for name in ("iDecay", "vDecay", "vThMant")
        ] == [4096, 0, 131071]
    x = np.float32(rng.uniform(-1, 1, (9, 2)))
    total = net.forward(x, LayerMode(0, Mode.SNN)).sum(axis=-1)
    voltage = netx.simulate(netx.read(path), x, delay=False)[2].v[..., -1]
    assert voltage.tolist() == (4096 * total.astype(np.float64)).tolist()
    assert np.abs(voltage).max() > 0


def test_integers_give_the_spikes_of_the_network(
    net: Network, path: Path, rng: np.random.Generator
):
    """NET-9, NET-10: Python's integers, from the file alone, against the SNN mode."""
    x = np.float32(rng.uniform(-1.2, 1.2, (5, 2)))
    with h5py.File(path) as file:
        (W0, B0), W1 = (
            (int(file[f"layer/0/{name}"][()]) for name in ("weight", "bias")),
            file["layer/1/weight"][()].astype(int).tolist(),
        )
    expected = Network(net.blocks[:2], (2,), T).forward(x, LayerMode(0, Mode.SNN))
    for sample, wanted in zip(x.tolist(), expected.tolist(), strict=True):
        drives = [2 * W0 * min(max(round(32 * pixel), -128), 127) + 64 * B0 for pixel in sample]
        assert all(
            drive == 4 * (W0 // 2 * min(max(round(32 * pixel), -128), 127) + 16 * B0)
            for drive, pixel in zip(drives, sample, strict=True)
        )
        s = [
            [int(v > 64 * 80) for v in plain.leaky([drive] * T, 123, 0, 64 * 80)[0]]
            for drive in drives
        ]
        for row, spikes in zip(W1, wanted, strict=True):
            drive = [sum(64 * w * s[i][t] for i, w in enumerate(row)) for t in range(T)]
            assert [int(v > 64 * 80) for v in plain.leaky(drive, 123, 0, 64 * 80)[0]] == spikes
    assert 0 < expected.mean() < 1


@pytest.mark.parametrize(
    "layer",
    [
        LayerSpec("dense", (1,), SPEC, np.zeros((1, 2), int)),
        LayerSpec("dense", (1,), SPEC._replace(graded=True), np.full((1, 2), 2)),
        LayerSpec("dense", (1,), SPEC._replace(v_th=131072), np.full((1, 2), 2)),
        LayerSpec("dense", (1,), SPEC, np.full((1, 2), 3)),
        LayerSpec("dense", (1,), SPEC, np.full((1, 2), 256)),
    ],
)
def test_what_the_loader_would_break_is_not_written(tmp_path: Path, layer: LayerSpec):
    """NET-11, NET-17: nor is anything left behind."""
    with pytest.raises(FormatError):
        exchange.write(tmp_path / "d.net", NetSpec((layer,), (2,), T))
    assert os.listdir(tmp_path) == []


def test_negative_weights_with_the_lowest_are_warned_of(tmp_path: Path):
    """NET-11."""
    for weight, warned in (([[-256, -2]], True), ([[-256, 2]], False), ([[-254, -2]], False)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            exchange.write(
                tmp_path / "e.net",
                NetSpec((LayerSpec("dense", (1,), SPEC, np.array(weight)),), (2,), T),
            )
        assert [warning.category for warning in caught] == [ExchangeWarning] * warned


def changed(path: Path, change: Callable[[h5py.File], Any]) -> Path:
    """The file after a change, without refboot's own group and its checksum."""
    with h5py.File(path, "r+") as file:
        del file["refboot"]
        change(file)
    return path


def put(name: str, value: Any) -> Callable[[h5py.File], None]:
    """A change that gives the dataset `name` another value."""

    def change(file: h5py.File) -> None:
        del file[name]
        if value is not None:
            file[name] = value

    return change


def test_foreign_groups_are_ignored(net: Network, path: Path):
    """NET-12."""
    before = exchange.read(path).layers
    changed(
        path, lambda file: (file.create_group("mine"), file["layer/1"].attrs.update(colour="red"))
    )
    after = exchange.read(path).layers
    assert [(a.kind, a.neuron, a.weight.tolist()) for a in after[:2]] == [
        (b.kind, b.neuron, b.weight.tolist()) for b in before[:2]
    ]


WRONG = {
    "unknown layer": put("layer/1/type", np.array([b"attention"])),
    "unknown neuron": put("layer/1/neuron/type", "IZHIKEVICH"),
    "unknown entry": lambda file: file.create_dataset("layer/1/delay", data=1),
    "odd weight": put("layer/1/weight", np.float32([[1, 0], [0, 0], [2, 2]])),
    "large weight": put("layer/1/weight", np.float32([[256, 0], [0, 0], [2, 2]])),
    "NaN": put("layer/1/weight", np.float32([[np.nan, 0], [0, 0], [2, 2]])),
    "decay": put("layer/1/neuron/vDecay", 4097),
    "refractory": put("layer/1/neuron/refDelay", 2),
    "no weight": put("layer/1/weight", None),
    "shapes do not follow": put("layer/2/inFeatures", 4),
    "gap": lambda file: file.move("layer/1", "layer/3"),
    "link": put("layer/1/weight", h5py.SoftLink("/layer/2/weight")),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_are_rejected(path: Path, name: str):
    """NET-12, NET-13."""
    with pytest.raises(FormatError):
        exchange.read(changed(path, WRONG[name]))


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_damaged_files_are_rejected(path: Path, cut: float):
    """NET-13."""
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(FormatError):
        exchange.read(path)


def test_state_file(net: Network, tmp_path: Path):
    """NET-14, NET-15."""
    net.blocks[1].f.fit()
    state.save(net, tmp_path / "s.h5", {"epoch": 7})
    with h5py.File(tmp_path / "s.h5") as file:
        assert (file.attrs["format"], file.attrs["version"], json.loads(file.attrs["notes"])) == (
            "refboot-state",
            1,
            {"epoch": 7},
        )
        found: dict[str, Any] = {}
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    assert {name.replace("/", ".") for name in found} == set(net.state())
    assert found["blocks/1/curve/knots"].tolist() == net.blocks[1].f.centers.tolist()
    assert {array.dtype.name for name, array in found.items() if "curve" not in name} == {"float32"}
    assert found["blocks/1/neuron/voltage_decay"].tolist() == [float(np.float32(0.03 * 4096))]


@pytest.mark.parametrize("attribute", ["format", "version"])
def test_other_state_files_are_rejected(net: Network, tmp_path: Path, attribute: str):
    """NET-14: a file without a seal is read, if it is of this format and version."""
    state.save(net, tmp_path / "s.h5")
    sealed = (tmp_path / "s.h5").read_bytes()
    (tmp_path / "s.h5").write_bytes(sealed[512:])
    assert state.read(tmp_path / "s.h5")[0].keys() == net.state().keys()
    with h5py.File(tmp_path / "s.h5", "r+") as file:
        file.attrs[attribute] = {"format": "other", "version": 2}[attribute]
    with pytest.raises(FormatError):
        state.read(tmp_path / "s.h5")


BAD_STATES = {
    "missing": lambda good: good.pop("blocks.1.synapse.weight_v"),
    "unknown": lambda good: good.update({"blocks.1.synapse.colour": np.zeros(1, np.float32)}),
    "shape": lambda good: good.update({"blocks.1.synapse.weight_v": np.zeros((3, 3), np.float32)}),
    "not finite": lambda good: good.update(
        {"blocks.1.synapse.weight_v": np.full((3, 2), np.inf, np.float32)}
    ),
    "scalar": lambda good: good.update(
        {"blocks.1.curve.knots": np.zeros((2, 2)), "blocks.1.curve.slopes": np.array(1.0)}
    ),
    "falling": lambda good: good.update(
        {
            "blocks.1.curve.knots": np.array([[0.0, 0.0], [-1.0, 1.0]]),
            "blocks.1.curve.slopes": np.ones(1),
        }
    ),
}


@pytest.mark.parametrize("name", BAD_STATES)
def test_a_bad_state_changes_nothing(net: Network, name: str):
    """NET-16."""
    before = {key: array.tobytes() for key, array in net.state().items()}
    bad = {key: array + 1 if "bias" in key else array for key, array in net.state().items()}
    bad |= {
        "blocks.0.curve.knots": np.array([[0.0, 0.0], [1.0, 1.0]]),
        "blocks.0.curve.slopes": np.ones(1),
    }
    BAD_STATES[name](bad)
    with pytest.raises(FormatError):
        net.load_state(bad)
    assert {key: array.tobytes() for key, array in net.state().items()} == before


def test_trailing_axes_are_dropped(net: Network):
    """NET-16."""
    good = {
        name: array.reshape(*array.shape, 1, 1) if "synapse" in name else array
        for name, array in net.state().items()
    }
    net.load_state(good)
    assert (
        net.named_parameters()["blocks.1.synapse.weight_v"].data.tolist()
        == good["blocks.1.synapse.weight_v"][..., 0, 0].tolist()
    )


def test_a_failed_write_leaves_the_old_file(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """NET-17."""
    state.save(net, tmp_path / "s.h5", {"epoch": 1})
    before = (tmp_path / "s.h5").read_bytes()
    monkeypatch.setattr(net, "state", lambda: {"a": object()})
    with pytest.raises(TypeError):
        state.save(net, tmp_path / "s.h5", {"epoch": 2})
    assert (os.listdir(tmp_path), (tmp_path / "s.h5").read_bytes()) == (["s.h5"], before)


OLDER = [
    put("layer/1/neuron/type", "LOIHI"),
    lambda file: put("layer/1/weight", file["layer/1/weight"][()].ravel())(file),
    lambda file: put("layer/1/weight", file["layer/1/weight"][()][..., None, None, None])(file),
    lambda file: file["layer/1/neuron"].update(
        {"wgtExp": 0, "theta": 1.25, "tauRho": 1.0, "scaleRho": 1.0}
    ),
]


@pytest.mark.parametrize(
    "changes",
    [*itertools.combinations(OLDER, 1), (OLDER[0], OLDER[1], OLDER[3])],
    ids=lambda changes: str(len(changes)),
)
def test_older_files_are_read(path: Path, changes: Any):
    """NET-18."""
    expected = exchange.read(path).layers[1]
    found = exchange.read(changed(path, lambda file: [change(file) for change in changes])).layers[
        1
    ]
    assert (found.neuron, found.weight.tolist()) == (expected.neuron, expected.weight.tolist())


def test_norm_becomes_a_bias(rng: np.random.Generator, tmp_path: Path):
    """NRM-11."""
    block = cuba.Dense(NEURON | {"norm": MeanOnlyBatchNorm}, 2, 3, rng=rng)
    net = Network([cuba.Input(NEURON, 1, 0, rng=rng), block], (2,), T)
    block.neuron.norm.running_mean.data[...] = [0.19, -0.5, 3]
    with pytest.warns(ExchangeWarning, match="has a bias"):
        net.export_hdf5(tmp_path / "n.net")
    with h5py.File(tmp_path / "n.net") as file:
        assert file["layer/1/bias"][()].tolist() == [-64 * plain.q(0.19), 32, -192]
