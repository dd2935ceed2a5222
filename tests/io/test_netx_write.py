"""What is written is the layout that lava.lib.dl.netx loads, with true weights, and what it would
damage is refused or warned of.
"""

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from refboot.block import cuba
from refboot.errors import FormatError, OrderError
from refboot.exchange import ExchangeWarning
from refboot.io import netx, state
from refboot.network import Network
from refboot.neuron.norm import MeanOnlyBatchNorm, WgtScaleBatchNorm
from refboot.routine import LayerMode, Mode

# The network of most tests here has a norm, and a bias is warned of.
pytestmark = pytest.mark.filterwarnings("ignore:.*has a bias:refboot.exchange.ExchangeWarning")

NEURON: dict[str, Any] = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
INTEGERS = {
    "type": b"CUBA",
    "iDecay": 4096,
    "vDecay": 123,
    "vThMant": 80,
    "refDelay": 1,
    "gradedSpike": False,
}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture
def network(rng: np.random.Generator) -> Network:
    """An image network with weight norm, sampled and fitted."""
    normed = NEURON | {"norm": MeanOnlyBatchNorm}
    blocks = [
        cuba.Input(NEURON, 1.19, 0.5, rng=rng),
        cuba.Conv(normed, 2, 4, (3, 2), stride=(2, 1), weight_norm=True, weight_scale=2, rng=rng),
        cuba.Pool(NEURON, 2, weight_scale=0.5, rng=rng),
        cuba.Flatten(),
        cuba.Dense(NEURON, 8, 5, weight_norm=True, weight_scale=2, delay_shift=True, rng=rng),
        cuba.Affine(NEURON, 5, 3, weight_norm=True, weight_scale=2, rng=rng),
    ]
    made = Network(blocks, (2, 6, 5), 7)
    x = rng.uniform(-1, 1.5, (4, 2, 6, 5))
    for mode in (Mode.SAMPLE, Mode.FIT, Mode.SNN):
        made.forward(x, LayerMode(0, mode))
    made.eval()
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "network.net"


def plain(group: h5py.Group) -> dict[str, Any]:
    return {name: item[()] for name, item in group.items() if isinstance(item, h5py.Dataset)}


def test_the_layout_is_the_one_that_netx_reads(network: Network, path: Path) -> None:
    network.export_hdf5(path)
    with h5py.File(path, "r") as file:
        assert plain(file["simulation"]) == {"Ts": 1, "tSample": 7}
        assert list(file["layer"]) == ["0", "1", "2", "3", "4", "5"]
        for layer, kind in zip(
            file["layer"].values(),
            (b"input", b"conv", b"conv", b"flatten", b"dense", b"dense"),
            strict=True,
        ):
            assert (layer["type"].shape, layer["type"].dtype, layer["type"][0]) == (
                (1,),
                np.dtype("S10"),
                kind,
            )
        for number in (0, 1, 2, 4):
            assert plain(file[f"layer/{number}/neuron"]) == INTEGERS
            assert h5py.check_string_dtype(file[f"layer/{number}/neuron/type"].dtype).length is None
        first, conv, pool, flat, dense, last = file["layer"].values()
        assert (first["weight"].shape, first["weight"][()], first["bias"][()]) == ((), 76, 32)
        assert list(first["shape"]) == [2, 6, 5]
        window = {
            "shape": [4, 2, 4],
            "kernelSize": [3, 2],
            "stride": [2, 1],
            "padding": [0, 0],
            "dilation": [1, 1],
            "groups": [1],
        }
        assert {name: np.ravel(conv[name]).tolist() for name in window} == window
        assert (conv["inChannels"][()], conv["outChannels"][()], pool["groups"][()]) == (2, 4, 4)
        np.testing.assert_array_equal(pool["weight"], np.full((4, 1, 2, 2), 32))
        assert list(flat["shape"]) == [8]
        assert (dense["inFeatures"][()], dense["outFeatures"][()], list(dense["shape"])) == (
            8,
            5,
            [5],
        )
        assert last["neuron/vThMant"][()] <= 131071


def test_weights_and_biases_are_those_of_now(network: Network, path: Path) -> None:
    conv, dense = network.blocks[1], network.blocks[4]
    dense.synapse.weight.v.data *= -3  # after the last forward pass
    dense.synapse.weight.g.data *= 2
    network.export_hdf5(path)
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(file["layer/4/weight"], 64 * dense.synapse.weight.quantised())
        np.testing.assert_array_equal(file["layer/1/weight"], 64 * conv.synapse.weight.quantised())
        np.testing.assert_array_equal(file["layer/1/bias"], conv.neuron.norm.bias)
        assert file["layer/4/weight"].dtype == np.float32


def test_refboots_own_group_keeps_what_netx_has_no_place_for(network: Network, path: Path) -> None:
    network.export_hdf5(path, {"epoch": 3})
    with h5py.File(path, "r") as file:
        own = file["refboot"].attrs
        assert (own["format"], own["version"], own["time_steps"], own["notes"]) == (
            "refboot-net",
            2,
            7,
            '{"epoch": 3}',
        )
        assert "bias_mant = (W / 2) * k + 16 * B" in own["input_encoding"]
        assert [bool(group.attrs["delay_shift"]) for group in file["refboot/layer"].values()] == [
            False
        ] * 4 + [True, False]
        np.testing.assert_array_equal(file["refboot/layer/4/knots"], network.blocks[4].f.centers)


@pytest.mark.parametrize(
    "name", ["layer/1/weight", "layer/4/neuron/vDecay", "refboot/layer/4/knots"]
)
def test_a_changed_value_breaks_the_checksum(network: Network, path: Path, name: str) -> None:
    network.export_hdf5(path)
    with h5py.File(path, "a") as file:
        file[name][...] = file[name][()] / 2 // 2 * 2
    with pytest.raises(FormatError, match="checksum"):
        netx.load(path)


def test_a_changed_attribute_breaks_the_checksum(network: Network, path: Path) -> None:
    network.export_hdf5(path)
    with h5py.File(path, "a") as file:
        file["refboot"].attrs["time_steps"] = 8
    with pytest.raises(FormatError, match="checksum"):
        netx.load(path)


CHANGES = {
    "a delay": lambda file: file["refboot/layer/1"].attrs.update(delay_shift=True),
    "a threshold": lambda file: file["refboot/layer/5"].attrs.update(v_th=99),
    "a text for a truth value": lambda file: file["refboot/layer/1"].attrs.update(
        delay_shift="False"
    ),
    "another type": lambda file: file["refboot/layer/5"].attrs.update(v_th=np.float64(80)),
    "a group more": lambda file: file.create_group("refboot/layer/1/more"),
    "a group beside": lambda file: file.create_group("more"),
    "an attribute more": lambda file: file["layer/1/neuron"].attrs.update(more=1),
    "an attribute of the root": lambda file: file.attrs.update(more=h5py.Empty("f4")),
    "an attribute less": lambda file: file["refboot"].attrs.pop("time_steps"),
    "a group less": lambda file: file.pop("simulation"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_checksum_covers_every_group_and_attribute(
    network: Network, path: Path, name: str
) -> None:
    network.export_hdf5(path)
    with h5py.File(path, "a") as file:
        CHANGES[name](file)
    with pytest.raises(FormatError, match="checksum"):
        netx.load(path)


def test_a_file_of_version_1_is_read_and_its_checksum_held(network: Network, path: Path) -> None:
    path.write_bytes(Path(__file__).with_name("version1.net").read_bytes())
    net = netx.read(path)
    assert (net.notes, net.time_steps, net.layers[4].delay_shift) == ({"epoch": 3}, 7, True)
    with h5py.File(path, "a") as file:
        file["layer/1/weight"][0, 0, 0, 0] += 2
    with pytest.raises(FormatError, match="checksum"):
        netx.read(path)


@pytest.mark.parametrize("name", ["state.h5", "graph.nir", "other.h5"])
def test_hdf5_that_is_no_exchange_file_is_named(
    network: Network, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    if name == "state.h5":
        state.save(network, path)
    else:
        with h5py.File(path, "w") as file:
            file["node/x" if name == "graph.nir" else "x"] = 1
    told = {"state.h5": "of format refboot-state", "graph.nir": "a NIR graph", "other.h5": "x"}
    with pytest.raises(FormatError, match=told[name]):
        netx.read(path)
    if name != "state.h5":
        with pytest.raises(FormatError, match=told[name]):
            state.read(path)
    network.export_hdf5(tmp_path / "a.net")
    with pytest.raises(
        FormatError, match=r"is an exchange file \(\.net\), expected a network saved"
    ):
        state.read(tmp_path / "a.net")


def test_another_version_is_refused(network: Network, path: Path) -> None:
    network.export_hdf5(path)
    with h5py.File(path, "a") as file:
        file["refboot"].attrs["version"] = 3
    with pytest.raises(FormatError, match="version 3"):
        netx.load(path)


def test_a_block_writes_itself_into_a_group(network: Network, path: Path) -> None:
    with h5py.File(path, "w") as file:
        network.blocks[4].export_hdf5(file.create_group("layer/0"))
        network.blocks[3].export_hdf5(file.create_group("layer/1"), (5,))
    np.testing.assert_array_equal(
        netx.read(path).layers[0].weight, 64 * network.blocks[4].synapse.weight.quantised()
    )


def test_a_block_that_knows_no_shape_says_so(rng: np.random.Generator, path: Path) -> None:
    with h5py.File(path, "w") as file, pytest.raises(OrderError, match="input shape"):
        cuba.Input(NEURON, 1, 0, rng=rng).export_hdf5(file)


def single(
    rng: np.random.Generator, neuron: dict[str, Any] | None = None, **options: Any
) -> Network:
    return Network(
        [cuba.Dense(NEURON | (neuron or {}), 4, 3, weight_scale=4, **options, rng=rng)], (4,)
    )


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "graded spikes": ({"graded_spike": True}, {}, "graded"),
    "a threshold of 18 bits": ({"threshold": 2048}, {}, "131071"),
    "a reset by subtraction": ({"reset": "subtract"}, {}, "reset"),
    "decays of each channel's own": (
        {"voltage_decay": (0.1, 0.2), "shared_param": False},
        {},
        "one for each channel",
    ),
    "a weight that is not quantised": ({}, {"pre_hook_fx": None}, "off the grid"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_file_cannot_hold_is_refused_by_name(
    rng: np.random.Generator, path: Path, name: str
) -> None:
    neuron, options, told = REFUSED[name]
    with pytest.raises(FormatError, match=told):
        single(rng, neuron, **options).export_hdf5(path)
    assert not list(path.parent.iterdir())


def test_zero_weights_are_refused_and_the_old_file_stays(
    rng: np.random.Generator, path: Path
) -> None:
    network = single(rng)
    network.export_hdf5(path)
    before = path.read_bytes()
    network.blocks[0].synapse.weight.v.data[...] = 0
    with pytest.raises(FormatError, match="zero everywhere"):
        network.export_hdf5(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["network.net"]


@pytest.mark.parametrize(("least", "warns"), [(-4.0, True), (-0.5, True), (-3.0, False)])
def test_negative_weights_that_lavas_loader_changes_are_warned_of(
    rng: np.random.Generator, path: Path, least: float, warns: bool
) -> None:
    network = single(rng)
    network.blocks[0].synapse.weight.v.data[...] = np.linspace(least, -0.1, 12).reshape(3, 4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network.export_hdf5(path)
    assert [warning.category for warning in caught] == [ExchangeWarning] * warns


def test_a_bias_is_warned_of_by_the_name_of_its_layer(network: Network, path: Path) -> None:
    with pytest.warns(ExchangeWarning, match="layer/1 \\(conv\\) has a bias"):
        network.export_hdf5(path)


def test_an_input_current_that_leaks_is_warned_of(rng: np.random.Generator, path: Path) -> None:
    leaky = Network([cuba.Input(NEURON | {"current_decay": 0.5}, 1, 0, rng=rng)], (4,))
    with pytest.warns(ExchangeWarning, match="iDecay 2048"):
        leaky.export_hdf5(path)


def test_a_norm_that_scales_goes_into_the_weights_or_is_refused(
    rng: np.random.Generator, path: Path
) -> None:
    network = single(rng, {"norm": WgtScaleBatchNorm})
    block = network.blocks[0]
    block.neuron.norm.running_var.data[...] = 0.9**2 / 4  # a divisor of 1/2
    block.synapse.weight.v.data[...] = rng.uniform(-1.9, 1.9, (3, 4))
    network.eval()
    network.export_hdf5(path)
    x = rng.integers(0, 2, (5, 4, 6)).astype(np.float32)
    np.testing.assert_array_equal(
        netx.load(path).forward(x, LayerMode(0, Mode.SNN)),
        network.forward(x, LayerMode(0, Mode.SNN)),
    )
    block.neuron.norm.running_var.data[...] = 12.0  # a divisor of 4
    with pytest.raises(FormatError, match="over 2\\^2"):
        network.export_hdf5(path)


def test_a_pool_that_does_not_divide_the_picture_is_refused(
    rng: np.random.Generator, path: Path
) -> None:
    network = Network([cuba.Input(NEURON, 1, 0, rng=rng), cuba.Pool(NEURON, 2, rng=rng)], (1, 4, 5))
    with pytest.raises(FormatError, match="block 1 \\(Pool\\)"):
        network.export_hdf5(path)
