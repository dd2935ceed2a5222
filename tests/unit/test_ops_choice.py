"""Which operations are in use: chosen by environment, by context, or brought along; and what is
imported for them.
"""

import inspect
import os
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import refboot
from refboot import block, ops, reference
from refboot.errors import RangeError
from refboot.loss import cross_entropy
from refboot.network import Network
from refboot.optim import Adam
from refboot.routine import LayerMode, Mode

SOURCES = str(Path(refboot.__file__).parents[1])
PARAMS = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
with_numba = pytest.mark.skipif(not find_spec("numba"), reason="Numba is not installed")


def in_process(code, **env):
    """Standard output of Python code in a process of its own, and the last line of its error
    output.
    """
    env = {
        **{k: v for k, v in os.environ.items() if k != "REFBOOT_OPS"},
        "PYTHONPATH": SOURCES,
        **env,
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    return done.stdout.strip(), (done.stderr.strip().splitlines() or [""])[-1]


def train_one_step(mode):
    """The loss and the parameters of a small network after one step in this mode, sampled and
    fitted before.
    """
    rng = np.random.default_rng(3)
    network = Network(
        [
            block.cuba.Input(PARAMS, 1, 0, rng=rng),
            block.cuba.Dense(PARAMS, 6, 5, weight_norm=True, weight_scale=2, rng=rng),
            block.cuba.Affine(PARAMS, 5, 3, weight_norm=True, weight_scale=2, rng=rng),
        ],
        (6,),
        8,
    )
    x, labels = rng.uniform(-1, 1, (16, 6)).astype(np.float32), rng.integers(0, 3, 16)
    network(x, LayerMode(0, Mode.SAMPLE))
    network(x, LayerMode(0, Mode.FIT))
    output = network(x, LayerMode(0, mode))
    loss, grad = cross_entropy(output.mean(axis=-1), labels)
    network.backward(
        np.repeat(grad[..., None] / np.float32(output.shape[-1]), output.shape[-1], axis=-1)
    )
    Adam(network.parameters(), 1e-3).step()
    return loss, [p.data for p in network.parameters()]


def test_every_set_offers_the_same_functions_with_the_same_arguments():
    pytest.importorskip("numba", reason="the kernels need Numba")
    kernels = ops.resolve("numba")
    for name in ops.NAMES:
        wanted, got = (
            inspect.signature(getattr(module, name)).parameters.values()
            for module in (reference, kernels)
        )
        got, wanted = ([(p.name, p.default) for p in given] for given in (got, wanted))
        assert wanted[: len(got)] == got, name
        assert all(default is not inspect.Parameter.empty for _, default in wanted[len(got) :])


def test_use_chooses_within_its_block_and_restores_the_choice_before_it():
    before = ops.active()
    with ops.use("reference") as outer:
        assert ops.active() is outer is reference
        with ops.use(SimpleNamespace(dense_forward=max)) as inner:
            assert ops.active() is inner
            assert inner.dense_forward is max
        assert ops.active() is outer
    assert ops.active() is before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_use_restores_the_choice_after_an_exception(error):
    before = ops.active()
    with pytest.raises(error), ops.use(SimpleNamespace(dense_forward=max)):
        raise error
    assert ops.active() is before


def test_use_of_a_set_that_does_not_exist_changes_nothing():
    before = ops.active()
    with pytest.raises(RangeError, match="cuda"), ops.use("cuda"):
        pass
    assert ops.active() is before


def test_use_in_one_thread_leaves_the_others_alone():
    default, seen = ops.active(), []

    def look():
        with ops.use(SimpleNamespace(dense_forward=min)) as own:
            seen.append(ops.active() is own)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [True]
    assert ops.active() is default


@pytest.mark.parametrize("mode", [Mode.SNN, Mode.ANN])
def test_own_function_is_used_and_the_rest_comes_from_the_definition(mode):
    calls = []

    class Backend:
        def dense_forward(self, x, weight):
            calls.append(x.shape)
            return reference.dense_forward(x, weight)

    with ops.use("reference"):
        loss, parameters = train_one_step(mode)
    with ops.use(Backend()) as own:
        own_loss, own_parameters = train_one_step(mode)
    assert len(calls) == 6
    assert all(
        getattr(own, name) is getattr(reference, name)
        for name in ops.NAMES
        if name != "dense_forward"
    )
    assert own_loss == loss
    for got, want in zip(own_parameters, parameters, strict=True):
        np.testing.assert_array_equal(got, want)


@with_numba
@pytest.mark.parametrize("mode", list(Mode))
def test_definition_and_kernels_train_alike(mode):
    results = []
    for choice in ("reference", "numba"):
        with ops.use(choice):
            results.append(train_one_step(mode))
    (loss, parameters), (other_loss, other_parameters) = results
    assert abs(loss - other_loss) <= 1e-6
    for got, want in zip(other_parameters, parameters, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


PRINT_ACTIVE = "from refboot import ops; print(ops.active().__name__)"


def test_environment_chooses_the_definition_for_a_process():
    code = f"{PRINT_ACTIVE}; import sys; print('refboot.kernels' in sys.modules)"
    assert in_process(code, REFBOOT_OPS="reference")[0].split() == ["refboot.reference", "False"]


@with_numba
@pytest.mark.parametrize("env", [{}, {"REFBOOT_OPS": "numba"}])
def test_numba_is_chosen_where_it_is_installed_and_where_asked_for(env):
    assert in_process(PRINT_ACTIVE, **env)[0] == "refboot.kernels"


@with_numba
def test_context_outranks_the_environment():
    code = (
        "from refboot import ops\nwith ops.use('numba') as o: print(o.__name__)\n"
        "print(ops.active().__name__)"
    )
    assert in_process(code, REFBOOT_OPS="reference")[0].split() == [
        "refboot.kernels",
        "refboot.reference",
    ]


def test_environment_that_names_no_set_is_an_error_that_says_so():
    out, error = in_process(PRINT_ACTIVE, REFBOOT_OPS="nunba")
    assert out == ""
    assert "RangeError" in error
    assert "REFBOOT_OPS" in error
    assert "'nunba'" in error


def test_importing_refboot_does_not_import_numba():
    code = (
        "import sys, refboot, refboot.network, refboot.block, refboot.ops; "
        "print('numba' in sys.modules)"
    )
    assert in_process(code)[0] == "False"


def test_training_begins_without_what_only_files_need():
    code = """
import sys, refboot.training
from refboot.bench.tasks import Tutorial
from refboot.settings import Settings
Tutorial(Settings(data="digits", hidden=(8,)), None, steps=1)
print({"h5py", "urllib.request"} & set(sys.modules))
"""
    assert in_process(code, REFBOOT_OPS="reference") == ("set()", "")
