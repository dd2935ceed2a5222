"""What belongs to one block is not shared by two, and no gradient of another shape reaches a
kernel.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from refboot import Network
from refboot.block import cuba
from refboot.cli import main
from refboot.errors import RangeError, ShapeError
from refboot.neuron import alif, integrate_fire
from refboot.neuron.cuba import Neuron
from refboot.settings import DIGITS, Settings
from refboot.training import Run

NEURONS = {
    "cuba": lambda: Neuron(1.25, 1, 0.03),
    "reset": lambda: Neuron(1.25, 1, 0.03, reset="subtract"),
    "if": lambda: integrate_fire.Neuron(1.25, reset="subtract"),
    "alif": lambda: alif.Neuron(1.25, 0.25, 1, 0.03, 0.1, 0.5),
}


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("kind", sorted(NEURONS))
def test_two_blocks_do_not_share_a_neuron(kind):
    neuron = NEURONS[kind]()
    with pytest.raises(RangeError, match=r"block 1 .*shares its Neuron with block 0"):
        Network([cuba.Dense(neuron, 4, 5, rng=rng()), cuba.Dense(neuron, 5, 3, rng=rng())], (4,))


def test_a_block_has_one_place():
    block = cuba.Dense(Neuron(1.25, 1, 0.03), 4, 4, rng=rng())
    with pytest.raises(RangeError, match="shares its Dense with block 0"):
        Network([block, block], (4,))


@pytest.mark.parametrize("kind", sorted(NEURONS))
@pytest.mark.parametrize("shape", [(2, 3, 1), (2, 2, 8), (2, 3, 9), (6, 8)])
def test_a_neuron_wants_the_gradient_of_its_last_spikes(kind, shape):
    neuron = NEURONS[kind]()
    neuron.build(3, rng())
    neuron.forward(np.ones((2, 3, 8), np.float32))
    with pytest.raises(ShapeError, match="grad"):
        neuron.backward(np.ones(shape, np.float32))


def test_a_run_whose_epochs_never_come_to_a_fit_is_refused_before_anything(tmp_path):
    with pytest.raises(RangeError, match=r"num_sample_iter is 10 of the 6 steps .*batch_size 256"):
        Run(Settings(**DIGITS | {"batch_size": 256}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_export_does_not_replace_what_it_exports(tmp_path, capsys):
    file = tmp_path / "net.net"
    network = Network([cuba.Dense(Neuron(1.25, 1, 0.03), 4, 5, rng=rng())], (4,))
    network.export_hdf5(file)
    before = file.read_bytes()
    assert main(["export", str(file), "-o", str(file)]) == 1
    assert "the file that is exported" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_where_nothing_can_be_kept_on_disk_kernels_are_compiled_in_memory():
    code = """
import numba.core.caching as caching
getattr(caching, "CacheImpl", getattr(caching, "_CacheImpl", None))._locator_classes = []
import numpy as np
from refboot.kernels import quantize_8bit
print(quantize_8bit(np.float32([0.04])).tolist())
"""
    environment = os.environ | {"REFBOOT_THREADS": "2"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[0.03125]"
