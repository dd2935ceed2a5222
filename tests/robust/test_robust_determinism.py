"""Same seed, same bits: for any number of threads, any size of test batches, and with the
definition, the kernels and the engine alike.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_folders import ENVIRONMENT

from refboot import engine, ops
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
# The digest of these runs, in the whole world: on every processor, with every version of Python,
# NumPy and Numba. If it changes, the arithmetic or the draws have changed: see spec/CHANGELOG.md.
DIGESTS = {"dense": "bb6885c392df90e6", "conv": "4b7e344f44ad6186"}

# Prints the digest of the network that a run ends with, and those in its log.
RUN = """
import json, sys, tempfile
from refboot.settings import Settings
from refboot.training import Run

with tempfile.TemporaryDirectory() as folder:
    run = Run(Settings.from_dict(json.loads(sys.argv[1])), folder)
    found = run.run(lambda line: None)
    lines = [json.loads(line) for line in open(run.folder / "log.jsonl")]
print(json.dumps([found["digest"], *(line["digest"] for line in lines)]))
"""


def digests(values, **environment):
    """The digest at the end of a run in a process of its own, and after each epoch."""
    command = [sys.executable, "-c", RUN, json.dumps(Settings(**values).to_dict())]
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
    """The name of a network, and its digests in a process with one thread."""
    return request.param, digests(NETWORKS[request.param], REFBOOT_THREADS="1")


def test_the_digest_is_the_same_in_the_whole_world(once):
    name, found = once
    assert found[0] == found[-1]
    assert found[0] == DIGESTS[name]


@pytest.mark.parametrize(
    "environment",
    [
        {"REFBOOT_THREADS": "1"},
        {"REFBOOT_THREADS": "2"},
        {"REFBOOT_THREADS": "4"},
        {"REFBOOT_OPS": "reference"},
        {"NUMBA_CPU_NAME": "generic"},
        {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "2"},
    ],
    ids=lambda e: " ".join(e.values()),
)
def test_threads_operations_and_processors_do_not_change_the_digest(environment, once, tmp_path):
    name, found = once
    if "NUMBA_CPU_NAME" in environment:
        environment = environment | {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert digests(NETWORKS[name], **environment) == found


def test_another_seed_gives_another_digest(once):
    name, found = once
    other = digests({**NETWORKS[name], "seed": 1}, REFBOOT_THREADS="1")
    assert all(a != b for a, b in zip(found, other, strict=True))


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
    found = evaluate(network, loader, LayerMode(0, mode), stat)
    return found, stat.correct_samples, stat.num_samples


@pytest.mark.parametrize("mode", [Mode.SNN, Mode.ANN])
def test_the_size_of_batches_does_not_change_an_evaluation(mode, trained):
    values, network = trained
    whole, *counts = rates(network, values, mode, 360)
    for batch in (1, 7, 64, 359):
        parts, *again = rates(network, values, mode, batch)
        np.testing.assert_array_equal(parts, whole)
        assert again == counts


@pytest.mark.parametrize("mode", [Mode.SNN, Mode.ANN])
def test_definition_kernels_and_engine_evaluate_to_the_same_bits(mode, trained, monkeypatch):
    values, network = trained
    found = [rates(network, values, mode, 90)[0]]
    monkeypatch.setattr(engine, "plan", lambda network: None)
    for choice in ("numba", "reference"):
        with ops.use(choice):
            found.append(rates(network, values, mode, 90)[0])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_the_same_generator_builds_the_same_network(seed):
    one, two = (build(Settings(**DENSE), np.random.default_rng(seed)) for _ in range(2))
    assert one.digest() == two.digest()
