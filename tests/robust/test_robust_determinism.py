"""Same seed, same bits: across runs, thread counts and batch sizes; reference and kernels alike in
the spiking modes.

Where floats may differ, the bound is stated: a rate mode's sums come from BLAS, whose order depends
on its build, its thread count and the processor's instructions. There a claim is made only of one
machine, or of a distance.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_folders import ENVIRONMENT

from refboot import ops
from refboot.routine import LayerMode, Mode
from refboot.settings import DIGITS, DIGITS_CONV, Settings
from refboot.stats import LearningStat
from refboot.training import Run, build, evaluate, evaluation_loader

DENSE = {
    **DIGITS,
    "hidden": (24, 16),
    "epochs": 2,
    "num_sample_iter": 2,
    "sample_period": 2,
    "batch_size": 200,
}
CONV = {**DENSE, **DIGITS_CONV, "network": "conv", "channels": (4,), "hidden": (8,), "norm": "mean"}
CONV |= {"threshold": 0.5, "time_steps": 6, "epochs": 1}
NETWORKS = {"dense": DENSE, "conv": CONV}
# of rates (of size 1) in the rate modes, where float32 sums of some hundred terms come in another
# order
TOLERANCE = 1e-5

# Prints SHA-256 of the end state of a run, and of the spiking and rate answers of a fixed network,
# computed in this process.
DIGEST = """
import hashlib, json, sys, tempfile
import numpy as np
from refboot.routine import LayerMode, Mode
from refboot.settings import Settings
from refboot.training import Run, build

def digest(arrays):
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(name.encode() + arrays[name].tobytes())
    return total.hexdigest()

settings, found = Settings.from_dict(json.loads(sys.argv[1])), {}
if sys.argv[2] == "run":
    with tempfile.TemporaryDirectory() as folder:
        run = Run(settings, folder)
        run.run(lambda line: None)
        found["run"] = digest(run.network.state())
rng = np.random.default_rng(5)
network = build(settings, np.random.default_rng(1))
x = rng.random((40, 64), np.float32)
y = network.forward(x, LayerMode(0, Mode.SAMPLE))
network.backward(rng.random(y.shape, np.float32))
found["spikes"] = digest({"y": y} | {str(i): b.f.a for i, b in enumerate(network.blocks) if hasattr(b, "f")})
print(json.dumps(found))
"""


ONE = {"OPENBLAS_NUM_THREADS": "1", "REFBOOT_THREADS": "1"}
TWO = {"OPENBLAS_NUM_THREADS": "2", "REFBOOT_THREADS": "2"}


def digests(values, what="run", **environment):
    command = [sys.executable, "-c", DIGEST, json.dumps(Settings(**values).to_dict()), what]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=ENVIRONMENT | environment,
        check=True,
        timeout=300,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=NETWORKS)
def once(request):
    """The settings of a network, and its digests in a process of one thread."""
    values = NETWORKS[request.param]
    return values, digests(values, **ONE)


def test_two_processes_and_one_or_two_threads_give_the_same_bits(once):
    values, found = once
    assert digests(values, **ONE) == found
    assert digests(values, **TWO) == found


def test_another_seed_gives_other_bits(once):
    values, found = once
    assert digests({**values, "seed": 1}, **ONE)["run"] != found["run"]


def test_reference_and_kernels_give_the_same_bits_in_the_spiking_modes(once):
    values, found = once
    assert digests(values, "spikes", REFBOOT_OPS="reference")["spikes"] == found["spikes"]


@pytest.fixture(scope="module", params=NETWORKS)
def trained(request, tmp_path_factory):
    values = Settings(**NETWORKS[request.param])
    run = Run(values, tmp_path_factory.mktemp(request.param))
    run.run(lambda line: None)
    return values, run.network


def rates(network, values, mode, batch):
    loader = evaluation_loader(values)
    loader.batch_size = batch
    stat = LearningStat()
    return evaluate(network, loader, LayerMode(0, mode), stat), stat.correct_samples


@pytest.mark.parametrize("mode", [Mode.SNN, Mode.ANN])
def test_the_size_of_batches_does_not_change_an_evaluation(mode, trained):
    values, network = trained
    whole, correct = rates(network, values, mode, 360)
    for batch in (1, 7, 64, 359):
        parts, again = rates(network, values, mode, batch)
        if mode is Mode.SNN:
            np.testing.assert_array_equal(parts, whole)
            assert again == correct
        else:
            np.testing.assert_allclose(
                parts, whole, rtol=0, atol=TOLERANCE * max(1, np.abs(whole).max())
            )


def test_reference_and_kernels_agree_on_a_trained_network(trained):
    values, network = trained
    for mode in (Mode.SNN, Mode.ANN):
        found = []
        for choice in ("reference", "numba"):
            with ops.use(choice):
                found.append(rates(network, values, mode, 90)[0])
        if mode is Mode.SNN:
            np.testing.assert_array_equal(*found)
        else:
            np.testing.assert_allclose(
                *found, rtol=0, atol=TOLERANCE * max(1, np.abs(found[0]).max())
            )


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_the_same_generator_builds_the_same_network(seed):
    one, two = (build(Settings(**DENSE), np.random.default_rng(seed)).state() for _ in range(2))
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name])
