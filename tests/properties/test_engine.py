"""The engine gives the bits of the plain path: losses, rates, gradients, their norms, weights,
curves and points, over whole trainings; what it does not know, it leaves to the plain path.
"""

import itertools
import multiprocessing
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refboot import block, engine, ops, threads
from refboot.network import Network
from refboot.neuron import Dropout
from refboot.neuron.norm import MeanOnlyBatchNorm
from refboot.optim import SGD, Adam
from refboot.routine import LayerMode, Mode
from refboot.stats import LearningStat
from refboot.training.step import evaluate, gradients, train_step

numba = pytest.importorskip("numba")

from refboot.engine import products, spiking, weights  # noqa: E402 (needs Numba)

TUTORIAL = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
LEAKY = {"threshold": 0.75, "current_decay": 0.3, "voltage_decay": 0.2}
TRAINING = [*[Mode.SAMPLE] * 2, Mode.FIT, Mode.ANN, Mode.SNN, Mode.ANN, Mode.SAMPLE, Mode.FIT]
FLOAT_KERNELS = [products.add_block, weights.through_norm, spiking.layer_backward]


def build(seed, sizes=(12, 9, 7, 4), time_steps=6, neuron=TUTORIAL, bias=0.25, **dense):
    """A network of the engine's kind, with weights on which nearly all layers spike."""
    rng = np.random.Generator(np.random.PCG64(seed))
    options = {"weight_norm": True, "weight_scale": 3.0, **dense}
    blocks = [block.cuba.Input(neuron, weight=1.1, bias=bias, rng=rng)]
    for inputs, outputs in itertools.pairwise(sizes[:-1]):
        blocks.append(block.cuba.Dense(neuron, inputs, outputs, rng=rng, **options))
    blocks.append(block.cuba.Affine(neuron, *sizes[-2:], rng=rng, **options))
    return Network(blocks, (sizes[0],), time_steps)


def batch(rng, network, samples):
    """Pictures, most of whose pixels are background, and labels."""
    shape = samples, network.input_shape[0]
    pixels = np.where(rng.random(shape) < 0.6, rng.uniform(-1.5, 1.5, shape), -0.9)
    return pixels.astype(np.float32), rng.integers(0, network.shapes[-1][0], samples)


def same(got, wanted):
    """True if both have the same type, shape and bits, signs of zeros too."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    bits = got.tobytes() == wanted.tobytes()  # in C order, however they lie in memory
    return got.dtype == wanted.dtype and got.shape == wanted.shape and bits


def check_step(plain, planned, optimizers, x, labels, mode):
    """One step of each network: all that it leaves is the same."""
    with ops.use("reference"):
        optimizers[0].zero_grad()
        wanted = gradients(plain, x, labels, mode)
        norms = plain.grad_norms()
        optimizers[0].step()
    plan = engine.plan(planned)
    found = plan.gradients(x, labels, mode)
    assert same(found[0], wanted[0])
    assert same(found[1], wanted[1])
    assert plan.grad_norms() == norms == planned.grad_norms()
    named = plain.named_parameters(), planned.named_parameters()
    for name, parameter in named[0].items():
        assert (named[1][name].grad is None) == (parameter.grad is None)
        assert parameter.grad is None or same(named[1][name].grad, parameter.grad), name
    plan.update(optimizers[1])
    assert planned.digest() == plain.digest()
    for one, other in zip(plain.blocks, planned.blocks, strict=True):
        assert same(other.f.points, one.f.points)
        assert other.f.fresh == one.f.fresh


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    hidden=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    inputs=st.integers(1, 50),
    samples=st.integers(1, 37),
    steps=st.integers(1, 9),
    neuron=st.sampled_from([TUTORIAL, LEAKY]),
    bias=st.sampled_from([0.25, 1.0]),  # with 1 the background spikes
    count=st.integers(1, 4),
    more=st.lists(st.sampled_from(list(Mode)), max_size=3),
)
def test_a_training_has_the_bits_of_the_plain_path(
    seed, hidden, inputs, samples, steps, neuron, bias, count, more
):
    plain, planned = (build(seed, (inputs, *hidden, 5), steps, neuron, bias) for _ in range(2))
    optimizers = [Adam(network.parameters(), lr=0.02) for network in (plain, planned)]
    rng = np.random.default_rng(seed)
    with threads.use(count):
        for mode in (*TRAINING, *more):
            check_step(plain, planned, optimizers, *batch(rng, plain, samples), LayerMode(0, mode))


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    samples=st.integers(1, 150),
    steps=st.integers(1, 20),
    mode=st.sampled_from([Mode.SNN, Mode.ANN]),
    count=st.integers(1, 4),
)
def test_an_evaluation_has_the_bits_of_the_plain_path(seed, samples, steps, mode, count):
    network, rng = build(seed, time_steps=steps), np.random.default_rng(seed)
    x, labels = batch(rng, network, samples)
    for fitted in (Mode.SAMPLE, Mode.FIT):
        network.forward(x, LayerMode(0, fitted))
    with threads.use(count):
        found = engine.plan(network).rates(x, LayerMode(0, mode))
    with ops.use("reference"):
        wanted = evaluate(network, [(x, labels)], LayerMode(0, mode), LearningStat())
    assert same(found, wanted)


def test_wide_layers_and_several_tasks_have_the_bits_of_the_plain_path():
    """More than one strip of outputs, several chunks of samples, the last with one of them."""
    plain, planned = (build(3, (70, 600, 40, 10), 5) for _ in range(2))
    optimizers = [Adam(network.parameters(), lr=0.01) for network in (plain, planned)]
    rng = np.random.default_rng(3)
    with threads.use(2):
        for mode in TRAINING[:6]:
            check_step(plain, planned, optimizers, *batch(rng, plain, 33), LayerMode(0, mode))


def train(seed, reference=False):
    """The digest of a network after a short training."""
    network, rng, stat = (
        build(seed, (80, 60, 50, 10), 5),
        np.random.default_rng(seed),
        LearningStat(),
    )
    optimizer = Adam(network.parameters(), lr=0.01)
    with ops.use("reference" if reference else "numba"):
        for mode in TRAINING:
            x, labels = batch(rng, network, 32)
            train_step(network, optimizer, x, labels, LayerMode(0, mode), stat)
    return network.digest()


def test_several_networks_at_once():
    wanted = [train(seed, reference=True) for seed in range(4)]
    found = [""] * 4

    def work(seed):
        found[seed] = train(seed)

    running = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert found == wanted


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_a_forked_process_goes_on():
    with threads.use(2):
        wanted = train(5)  # the pool of this process has its threads by now
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply_async(train, (5,)).get(timeout=120) == wanted


def test_a_plan_serves_as_long_as_the_network_stays_the_same():
    network = build(0)
    plan = engine.plan(network)
    assert engine.plan(network) is plan
    network.load_state(build(1).state())
    assert engine.plan(network) is plan
    network.time_steps = 7
    longer = engine.plan(network)
    assert longer is not plan
    network.blocks[1] = build(2).blocks[1]
    assert engine.plan(network) is not longer


def test_another_optimiser_makes_its_own_step():
    plain, planned = build(0), build(0)
    optimizers = [SGD(network.parameters(), lr=0.1, momentum=0.5) for network in (plain, planned)]
    rng = np.random.default_rng(0)
    for mode in (Mode.SNN, Mode.SNN):
        check_step(plain, planned, optimizers, *batch(rng, plain, 5), LayerMode(0, mode))


def own_method(network):
    """The network, one block of which has a method of its own."""
    network.blocks[1].run = network.blocks[1].run
    return network


class Own(block.cuba.Dense):
    """A subclass of a block."""


def with_block(number, made):
    """The usual network with another block in one place."""
    network = build(0)
    blocks = [*network.blocks[:number], made, *network.blocks[number + 1 :]]
    return Network(blocks, network.input_shape, network.time_steps)


def dense(kind=block.cuba.Dense, neuron=TUTORIAL, **options):
    """The first hidden block of the usual network, with other options."""
    rng = np.random.Generator(np.random.PCG64(0))
    return kind(neuron, 12, 9, rng=rng, **{"weight_norm": True, **options})


REFUSED = {
    "no norm of weights": lambda: build(0, weight_norm=False),
    "no quantisation": lambda: with_block(1, dense(pre_hook_fx=None)),
    "a mask": lambda: with_block(1, dense(mask=np.ones((9, 12), np.float32))),
    "a delay": lambda: with_block(1, dense(delay_shift=True)),
    "counted spikes": lambda: with_block(1, dense(count_log=True)),
    "a subclass": lambda: with_block(1, dense(Own)),
    "a method of its own": lambda: own_method(build(0)),
    "decays of each neuron": lambda: with_block(
        1, dense(neuron={**TUTORIAL, "shared_param": False})
    ),
    "a norm": lambda: with_block(1, dense(neuron={**TUTORIAL, "norm": MeanOnlyBatchNorm})),
    "dropout": lambda: with_block(
        1, dense(neuron={**TUTORIAL, "dropout": Dropout(0.5, np.random.default_rng(0))})
    ),
    "a state that stays": lambda: with_block(
        1, dense(neuron={**TUTORIAL, "persistent_state": True})
    ),
    "graded spikes": lambda: with_block(1, dense(neuron={**TUTORIAL, "graded_spike": True})),
    "another reset": lambda: with_block(1, dense(neuron={**TUTORIAL, "reset": "subtract"})),
    "limits of a chip": lambda: with_block(1, dense(neuron={**TUTORIAL, "loihi_limits": True})),
    "trained decays": lambda: with_block(1, dense(neuron={**TUTORIAL, "requires_grad": True})),
    "no hidden layer": lambda: build(0, (12, 4)),
    "many steps": lambda: build(0, time_steps=513),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_it_does_not_know_takes_the_plain_path(what):
    assert engine.plan(build(0)) is not None
    assert engine.plan(REFUSED[what]()) is None


def test_other_operations_take_the_plain_path():
    with ops.use("reference"):
        assert engine.plan(build(0)) is None


def changed(change):
    """The usual network after `change`, given its first hidden block's weight."""
    network = build(0)
    change(network.blocks[1].synapse.weight)
    return network


def infinite(weight):
    weight.v.data[0, 0] = np.inf


def unknown(weight):
    weight.g.data[0] = np.nan


LEFT = {
    "a moving input": (lambda: build(0), Mode.SNN, lambda x: np.repeat(x[..., None], 6, axis=-1)),
    "float64": (lambda: build(0), Mode.SNN, lambda x: x.astype(np.float64)),
    "a pixel that is not finite": (lambda: build(0), Mode.SAMPLE, lambda x: x * np.float32(np.inf)),
    "an infinite weight": (lambda: changed(infinite), Mode.SAMPLE, lambda x: x),
    "a length that is no number": (lambda: changed(unknown), Mode.SAMPLE, lambda x: x),
    "no curve": (lambda: build(0), Mode.ANN, lambda x: x),
    "sums beyond 16 bits": (
        lambda: build(0, (1100, 3, 4), weight_scale=1e4),
        Mode.SAMPLE,
        lambda x: x,
    ),
    "states beyond 32 bits": (
        lambda: build(
            0, time_steps=512, neuron={**TUTORIAL, "current_decay": 0, "voltage_decay": 0}
        ),
        Mode.SAMPLE,
        lambda x: x,
    ),
}


@pytest.mark.parametrize("what", LEFT)
def test_a_step_that_it_leaves_changes_nothing(what):
    make, mode, of = LEFT[what]
    network = make()
    x, labels = batch(np.random.default_rng(0), network, 4)
    plan, before = engine.plan(network), network.digest()
    assert plan.gradients(of(x), labels, LayerMode(0, mode)) is None
    assert all(p.grad is None for p in network.parameters())
    assert network.digest() == before
    assert not any(b.f.count for b in network.blocks)


@pytest.mark.parametrize("labels", [[0, 1, 2, 4], [0, -1, 2, 3], [0, 1, 2], [0.0, 1.0, 2.0, 3.0]])
def test_wrong_labels_are_left_to_the_plain_path(labels):
    network = build(0)
    x, _ = batch(np.random.default_rng(0), network, 4)
    assert engine.plan(network).gradients(x, np.array(labels), LayerMode(0, Mode.SAMPLE)) is None
    assert not any(b.f.count for b in network.blocks)


def test_hybrid_training_takes_the_plain_path():
    network = build(0)
    x, labels = batch(np.random.default_rng(0), network, 4)
    for mode in (Mode.SAMPLE, Mode.FIT):
        assert engine.plan(network).gradients(x, labels, LayerMode(0, mode)) is not None
    assert engine.plan(network).gradients(x, labels, LayerMode(1, Mode.ANN)) is None
    assert engine.plan(network).gradients(x, labels, LayerMode(1, Mode.SNN)) is not None


@pytest.mark.parametrize("steps", [1, 16, 512])
def test_long_sums_stay_exact(steps):
    """The means over time of the most steps that a plan takes."""
    plain, planned = (build(1, (5, 4, 3), steps) for _ in range(2))
    optimizers = [Adam(network.parameters(), lr=0.02) for network in (plain, planned)]
    rng = np.random.default_rng(1)
    for mode in (Mode.SAMPLE, Mode.FIT, Mode.ANN):
        check_step(plain, planned, optimizers, *batch(rng, plain, 2), LayerMode(0, mode))


@pytest.mark.parametrize("kernel", FLOAT_KERNELS, ids=lambda kernel: kernel.__name__)
def test_no_multiplication_is_fused_with_an_addition(kernel):
    """Numba's compiler leaves a * b + c as two operations, on processors that have one for both."""
    train(0)  # calls all but one from Python
    products.add_block(*[np.ones((4, 4), np.float32)] * 2, 0, 4, 0, 4, np.ones((4, 4), np.float32))
    fresh = numba.njit(nogil=True, error_model="numpy")(kernel.py_func)  # from no cache
    for signature in kernel.signatures:
        fresh.compile(signature)
    text = "".join(fresh.inspect_asm().values())
    assert "mul" in text
    assert not any(fused in text for fused in ("fmadd", "fmla", "fmsub"))
