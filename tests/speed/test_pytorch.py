"""The tutorial's network in plain PyTorch, which the benchmark compares with: it does what refboot
does.
"""

import sys

import numpy as np
import pytest

from refboot import cli
from refboot.bench.run import Bench, pytorch
from refboot.bench.tutorial import Tutorial, images
from refboot.block import Block
from refboot.errors import MissingExtraError
from refboot.loss import cross_entropy
from refboot.neuron import cuba
from refboot.reference.fixed_point import shift_to_zero
from refboot.routine import LayerMode, Mode
from refboot.settings import Settings

SMALL = {"hidden": (24, 16), "time_steps": 8, "seed": 1}


@pytest.fixture
def torch():
    return pytest.importorskip(
        "torch", reason="PyTorch is not installed: there is nothing to hold to refboot"
    )


@pytest.fixture(
    params=[{}, {"current_decay": 0.25, "voltage_decay": 0.1, "threshold": 0.8, "tau_grad": 0.1}],
    ids=["tutorial", "leaks"],
)
def twin(torch, request):
    """A small network that was trained, its weights on their grid: none is near a tie, which the
    last bit of a length could decide.

    Those of the first hidden neuron are clipped.
    """
    found = Tutorial(Settings(**SMALL | request.param), images("nowhere"))
    found.settle(20)
    for block in found.network.blocks[1:]:
        weight = block.synapse.weight
        weight.v.data[...] = weight.quantised()
        weight.g.data[...] = np.linalg.norm(weight.v.data, axis=1)
    found.network.blocks[1].synapse.weight.g.data[0] *= 128
    return found


def test_spiking_rates_are_equal_in_every_bit(twin):
    x = np.concatenate([pixels for pixels, _ in twin.batches[:4]]).reshape(-1, 784)
    rates = twin.infer(x, 50)
    assert rates.std() > 0.1
    np.testing.assert_array_equal(pytorch(twin).infer(x, 50), rates)


def test_a_voltage_one_unit_above_the_threshold_fires_after_a_large_one(torch):
    from refboot.bench.pytorch import Neuron

    neuron = cuba.Neuron(1.25, 1, 0.03)
    before = -np.random.default_rng(0).integers(
        0, 1 << 23, 1000
    )  # the product with 3973 is beyond float32
    after = shift_to_zero(before * (4096 - 123))
    z = np.float32([before, 64 * 80 + 1 - after])[:, None] / 4096
    np.testing.assert_array_equal(
        Neuron(neuron, 2).spikes(torch.tensor(z)).numpy()[:, 0], [np.zeros(1000), np.ones(1000)]
    )


def test_losses_agree_to_a_millionth(twin, torch):
    (x, labels), side = twin.batches[0], pytorch(twin)
    for mode in (Mode.ANN, Mode.SNN):
        ours, _ = cross_entropy(twin.network.forward(x, LayerMode(0, mode)).mean(axis=-1), labels)
        theirs = torch.nn.functional.cross_entropy(
            side.rates(torch.tensor(x), mode), torch.tensor(labels)
        )
        assert theirs.item() == pytest.approx(ours, rel=1e-6)


@pytest.mark.parametrize("mode", [Mode.ANN, Mode.SNN, Mode.SAMPLE])
def test_gradients_of_a_step_agree_to_a_hundred_thousandth_of_the_largest(twin, mode):
    side = pytorch(twin)
    for one in (twin, side):
        twin.turn = 0
        one.step(mode)
    theirs = {
        name.rpartition(".")[0] + name[-2:]: p.grad for name, p in side.model.named_parameters()
    }
    for name, p in twin.network.named_parameters().items():
        if p.trainable:
            place = name.split(".")[1] + name[-2:]
            np.testing.assert_allclose(
                theirs[place], p.grad, rtol=0, atol=1e-5 * np.abs(p.grad).max(), err_msg=name
            )


def test_samples_are_those_of_refboot(twin):
    side = pytorch(twin)
    for one in (twin, side):
        twin.turn = 0
        one.step(Mode.SAMPLE)
    for block, samples in zip(
        (b for b in twin.network.blocks[:-1] if isinstance(b, Block)), side.samples, strict=True
    ):
        ((z, a),) = samples
        np.testing.assert_array_equal(a.numpy().ravel(), block.f.a[-a.numel() :])
        np.testing.assert_allclose(z.numpy().ravel(), block.f.z[-z.numel() :], rtol=1e-6, atol=1e-6)


def test_steps_change_every_parameter_of_its_own_and_none_of_the_twin(twin):
    before, side = twin.network.state(), pytorch(twin)
    own = [p.detach().clone() for p in side.model.parameters()]
    side.step(Mode.ANN)
    assert all((p != q).any() for p, q in zip(side.model.parameters(), own, strict=True))
    for name, array in twin.network.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_benchmark_takes_turns_with_it_but_for_the_fit(torch):
    bench = Bench(("pytorch",), 1, "nowhere", 0)
    assert bench.step(Mode.ANN).keys() == {"refboot", "pytorch"}
    assert "pytorch" not in bench.fit()


def test_command_knows_it_and_its_absence_is_told(monkeypatch):
    assert cli.parser().parse_args(["bench", "--against", "pytorch"]).against == ["pytorch"]
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="torch is not installed"):
        pytorch(Tutorial(Settings(**SMALL), images("nowhere")))
