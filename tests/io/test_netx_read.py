"""Files of lava-dl load, old dialects included; what is wrong in one is named by its path and
nothing is built.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import net_files as nf
import numpy as np
import pytest

from refboot.block import cuba
from refboot.errors import FormatError
from refboot.exchange import ExchangeWarning
from refboot.io import netx
from refboot.routine import LayerMode, Mode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "network.net"


def test_a_network_of_lava_dl_loads(path: Path) -> None:
    network = netx.load(nf.write(path, nf.input_layer(), nf.dense_layer(), nf.read_out()))
    assert [type(block) for block in network.blocks] == [cuba.Input, cuba.Dense, cuba.Affine]
    assert (network.input_shape, network.time_steps) == ((6,), 5)
    np.testing.assert_array_equal(
        64 * network.blocks[1].synapse.weight.quantised(), nf.weights(4, 6)
    )
    assert network.blocks[1].neuron.device_params == nf.NEURON
    assert [float(v[0]) for v in network.blocks[0].synapse.quantised()] == [76 / 64, 1.0]


DIALECTS: dict[str, tuple[nf.Layer, ...]] = {
    "LOIHI": (nf.input_layer(), nf.dense_layer(neuron=nf.OLD_NEURON)),
    "flat weight": (nf.input_layer(), nf.dense_layer(weight=nf.weights(4, 6).reshape(-1))),
    "shape of three axes": (nf.input_layer(shape=[6, 1, 1]), nf.dense_layer(shape=[4, 1, 1])),
    "0-d scalars": (nf.input_layer(weight=np.float32(76), bias=np.float64(64)), nf.dense_layer()),
    "no input layer": (nf.dense_layer(),),
    "an input without neurons": ({"type": "input", "shape": [6]}, nf.dense_layer()),
    "integers as weights": (
        nf.input_layer(),
        nf.dense_layer(weight=nf.weights(4, 6).astype(np.int32)),
    ),
    "one bias for all": (nf.input_layer(), nf.dense_layer(bias=np.zeros(1))),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_older_dialects_say_the_same(path: Path, name: str) -> None:
    net = netx.read(nf.write(path, *DIALECTS[name]))
    np.testing.assert_array_equal(net.layers[-1].weight, nf.weights(4, 6))
    assert net.input_shape == (6,)
    assert netx.build(net).forward(np.ones((2, 6)), LayerMode(0, Mode.SNN)).shape == (2, 4, 5)


def test_an_older_convolution_with_flatten_loads(path: Path) -> None:
    picture = nf.input_layer(shape=[2, 6, 5])
    conv = nf.conv_layer(weight=nf.weights(4, 2, 3, 2)[..., None], bias=np.float32([2, -4, 0, 7]))
    net = netx.read(
        nf.write(path, picture, conv, {"type": "flatten", "shape": [1, 1, 32]}, nf.dense_layer(32))
    )
    assert net.layers[1].geometry == ((3, 2), (2, 1), (0, 0), (1, 1), 1)
    x = np.random.default_rng(1).uniform(-1, 1, (3, 2, 6, 5))
    traces = netx.simulate(net, x, delay=False)
    for ours, chip in zip(netx.build(net).trace(x)[1:2], traces[1:2], strict=True):
        np.testing.assert_array_equal(ours.v, chip.v)


def test_a_pool_loads_as_the_convolution_that_it_is(path: Path) -> None:
    window = {
        "kernelSize": [3, 5],
        "stride": [3, 5],
        "padding": [0, 0],
        "dilation": [1, 1],
        "weight": np.full((1, 1, 3, 5, 1), 32.0),
    }
    pool = {"type": "pool", "shape": [2, 2, 1], "neuron": dict(nf.NEURON)} | window
    net = netx.read(nf.write(path, nf.input_layer(shape=[2, 6, 5]), pool))
    rng = np.random.default_rng(0)
    by_hand = cuba.Pool(
        {"threshold": 1.25, "current_decay": 1, "voltage_decay": 123 / 4096},
        (3, 5),
        weight_scale=0.5,
        rng=rng,
    )
    x = rng.integers(0, 2, (2, 2, 6, 5, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        netx.build(net).blocks[1].forward(x, Mode.SNN), by_hand.forward(x, Mode.SNN)
    )


def test_a_neuron_that_cannot_fire_is_a_read_out(path: Path) -> None:
    silent = nf.dense_layer(neuron=nf.NEURON | {"vThMant": 262143})
    assert isinstance(netx.load(nf.write(path, nf.input_layer(), silent)).blocks[-1], cuba.Affine)


def test_unknown_groups_and_attributes_beside_the_layers_are_passed_over(path: Path) -> None:
    nf.write(path, nf.input_layer(), nf.dense_layer())
    with h5py.File(path, "a") as file:
        file.attrs["author"] = "nobody"
        file["notes/of"] = 3
        file["layer/1"].attrs["mood"] = "good"
    assert len(netx.read(path).layers) == 2


def changed(layer: nf.Layer, name: str, value: Any) -> nf.Layer:
    return layer | {name: value}


def without(layer: nf.Layer, name: str) -> nf.Layer:
    return {key: value for key, value in layer.items() if key != name}


WRONG: dict[str, tuple[str, nf.Layer]] = {
    "unknown layer": ("/layer/1/type", changed(nf.dense_layer(), "type", "dense_rec")),
    "unknown entry": ("/layer/1/delay", changed(nf.dense_layer(), "delay", np.zeros(4))),
    "missing weight": ("/layer/1/weight", without(nf.dense_layer(), "weight")),
    "missing size": ("/layer/1/inFeatures", without(nf.dense_layer(), "inFeatures")),
    "odd weight": ("/layer/1/weight", nf.dense_layer(weight=nf.weights(4, 6) + 1)),
    "fraction": ("/layer/1/weight", nf.dense_layer(weight=nf.weights(4, 6) + np.float32(0.5))),
    "not a number": ("/layer/1/weight", nf.dense_layer(weight=np.full((4, 6), np.nan))),
    "too heavy": ("/layer/1/weight", nf.dense_layer(weight=np.full((4, 6), 256.0))),
    "text as weight": ("/layer/1/weight", nf.dense_layer(weight=np.full((4, 6), b"a"))),
    "complex weight": ("/layer/1/weight", nf.dense_layer(weight=nf.weights(4, 6).astype(complex))),
    "transposed weight": ("/layer/1/weight", nf.dense_layer(weight=nf.weights(6, 4))),
    "shapes that do not chain": ("/layer/1/inFeatures", nf.dense_layer(inputs=5)),
    "another shape": ("/layer/1/shape", nf.dense_layer(shape=[5])),
    "negative shape": ("/layer/1/shape", nf.dense_layer(shape=[-4])),
    "decay above one": (
        "/layer/1/neuron/vDecay",
        nf.dense_layer(neuron=nf.NEURON | {"vDecay": 4097}),
    ),
    "negative decay": ("/layer/1/neuron/iDecay", nf.dense_layer(neuron=nf.NEURON | {"iDecay": -1})),
    "threshold of zero": (
        "/layer/1/neuron/vThMant",
        nf.dense_layer(neuron=nf.NEURON | {"vThMant": 0}),
    ),
    "refractory": ("/layer/1/neuron/refDelay", nf.dense_layer(neuron=nf.NEURON | {"refDelay": 2})),
    "weight exponent": (
        "/layer/1/neuron/wgtExp",
        nf.dense_layer(neuron=nf.OLD_NEURON | {"wgtExp": 1}),
    ),
    "another neuron": (
        "/layer/1/neuron/type",
        nf.dense_layer(neuron={"type": "SDNN", "vThMant": 80}),
    ),
    "unknown neuron entry": (
        "/layer/1/neuron/sinDecay",
        nf.dense_layer(neuron=nf.NEURON | {"sinDecay": 1}),
    ),
    "neuron as number": ("/layer/1/neuron", nf.dense_layer(neuron=3)),
    "weight as group": ("/layer/1/weight", nf.dense_layer(weight={"real": 1})),
    "bias of another length": ("/layer/1/bias", nf.dense_layer(bias=np.zeros(5))),
    "conv behind a line": ("/layer/1/inChannels", nf.conv_layer()),
    "flatten of another size": ("/layer/1/shape", {"type": "flatten", "shape": [7]}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_by_its_path(path: Path, name: str) -> None:
    where, layer = WRONG[name]
    nf.write(path, nf.input_layer(), layer)
    with pytest.raises(FormatError) as caught:
        netx.load(path)
    assert caught.value.name.endswith(f"network.net:{where}")


def test_without_strictness_unknown_entries_are_warned_of_and_everything_else_stays_an_error(
    path: Path,
) -> None:
    for name, (where, layer) in WRONG.items():
        nf.write(path, nf.input_layer(), layer)
        if name in ("unknown entry", "unknown neuron entry"):
            with pytest.warns(ExchangeWarning, match=f"{where} is unknown"):
                assert len(netx.load(path, strict=False).blocks) == 2
        else:
            with pytest.raises(FormatError):
                netx.load(path, strict=False)


def test_only_the_last_layer_may_be_a_read_out(path: Path) -> None:
    nf.write(path, nf.dense_layer(6, 4), nf.read_out(), nf.dense_layer(3, 3))
    with pytest.raises(FormatError, match="/layer/2"):
        netx.read(path)


def test_a_bias_that_no_norm_can_be_is_refused_when_built(path: Path) -> None:
    leaky = nf.dense_layer(neuron=nf.OLD_NEURON, bias=np.full(4, 2.0))
    with pytest.raises(FormatError, match="the bias of layer 0"):
        netx.load(nf.write(path, leaky))
    assert netx.simulate(netx.read(path), np.zeros((1, 6, 3)))[0].v.any()


def replaced(name: str, make: Callable[[h5py.Group], None]) -> Callable[[Path], None]:
    """What deletes /layer/1/`name` and puts something else there."""

    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file["layer/1"][name]
            make(file["layer/1"])

    return change


def huge(group: h5py.Group) -> None:
    group.create_dataset("weight", (1 << 40,), "f4", chunks=(1 << 16,))


def empty_but_declared(group: h5py.Group) -> None:
    group["outFeatures"][...] = 1 << 20
    group["shape"][...] = 1 << 20
    group.create_dataset("weight", (1 << 20, 6), "f4", chunks=(1024, 6))


def soft(group: h5py.Group) -> None:
    group["weight"] = h5py.SoftLink("/layer/0/weight")


def external_link(group: h5py.Group) -> None:
    group["weight"] = h5py.ExternalLink("/etc/passwd", "/weight")


def external_bytes(group: h5py.Group) -> None:
    group.create_dataset("weight", (4, 6), "f4", external=[("/etc/passwd", 0, 96)])


def virtual(group: h5py.Group) -> None:
    layout = h5py.VirtualLayout((4, 6), "f4")
    layout[...] = h5py.VirtualSource("elsewhere.h5", "weight", (4, 6))
    group.create_virtual_dataset("weight", layout)


def nothing(group: h5py.Group) -> None:
    group["weight"] = h5py.Empty("f4")


@pytest.mark.parametrize(
    "make", [huge, empty_but_declared, soft, external_link, external_bytes, virtual, nothing]
)
def test_hostile_weights_are_refused_unread(path: Path, make: Callable[[h5py.Group], None]) -> None:
    nf.write(path, nf.input_layer(), nf.dense_layer())
    replaced("weight", make)(path)
    with pytest.raises(FormatError, match="/layer/1/weight"):
        netx.read(path)


def test_a_gap_between_layers_is_named(path: Path) -> None:
    nf.write(path, nf.input_layer(), nf.dense_layer(), nf.dense_layer(4, 4))
    with h5py.File(path, "a") as file:
        del file["layer/1"]
    with pytest.raises(FormatError, match="/layer/2"):
        netx.read(path)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no HDF5")
    with h5py.File(tmp_path / "empty", "w"):
        pass
    with h5py.File(tmp_path / "no_layers", "w") as file:
        file.create_group("layer")
    for name in ("missing", "text", "empty", "no_layers"):
        with pytest.raises(FormatError, match=name):
            netx.load(tmp_path / name)


@pytest.mark.parametrize("keep", [0, 100, 2000, 6000])
def test_a_torn_file_is_refused(path: Path, keep: int) -> None:
    nf.write(path, nf.input_layer(), nf.dense_layer())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FormatError):
        netx.load(path)
