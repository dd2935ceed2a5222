"""Bad input gets the right refboot error, which names the thing and says what it was, before any
work.
"""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from refboot import block, errors, ops, synapse
from refboot.ann_sampler import AnnSampler
from refboot.loss import cross_entropy
from refboot.network import Network
from refboot.neuron import Dropout
from refboot.neuron.cuba import Neuron
from refboot.optim import SGD, Adam, Parameter
from refboot.routine import LayerMode, Mode, Scheduler

NAN, INF = float("nan"), float("inf")
PARAMS = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
Shape, Type, Range, Order = (
    errors.ShapeError,
    errors.TypeMismatchError,
    errors.RangeError,
    errors.OrderError,
)


def rng():
    return np.random.default_rng(0)


def ones(*shape):
    return np.ones(shape, np.float32)


def with_one(value, *shape):
    x = ones(*shape)
    x.flat[-1] = value
    return x


def neuron(**changes):
    return Neuron(**{**PARAMS, **changes})


def sampler():
    found = AnnSampler()
    found.fit()
    return found


def run_back(layer, x, grad):
    layer.forward(x)
    layer.backward(grad)


def dense(**options):
    return block.cuba.Dense(PARAMS, 3, 2, **{"rng": rng(), **options})


def input_block(**options):
    return block.cuba.Input(PARAMS, 1, 0, **{"rng": rng(), **options})


def network(**options):
    blocks = [input_block(), dense(), block.cuba.Affine(PARAMS, 2, 2, rng=rng())]
    return Network(**{"blocks": blocks, "input_shape": (3,), "time_steps": 4, **options})


def spiking(x):
    return network()(x, LayerMode(0, Mode.SNN))


def back(thing, x, grad, mode=None):
    """`backward` with this gradient after `forward` with this input."""
    thing.forward(x, mode)
    return thing.backward(grad)


def spiking_back(grad):
    return back(network(), ones(2, 3), grad, LayerMode(0, Mode.SNN))


def stepped(optimizer):
    parameter = Parameter(ones(2))
    parameter.grad = ones(2)
    return optimizer([parameter]).step()


NEURON = [
    (lambda: neuron(threshold=0), Range, "threshold", "0"),
    (lambda: neuron(threshold=-1.5), Range, "threshold", "-1.5"),
    (lambda: neuron(threshold=NAN), Range, "threshold", "nan"),
    (lambda: neuron(threshold=INF), Range, "threshold", "inf"),
    (lambda: neuron(threshold=0.01), Range, "threshold", "0.01"),
    (lambda: neuron(threshold=2**21), Range, "threshold", "2097152"),
    (lambda: neuron(threshold="1.25"), Type, "threshold", "'1.25'"),
    (lambda: neuron(threshold=None), Type, "threshold", "None"),
    (lambda: neuron(threshold=True), Type, "threshold", "True"),
    (lambda: neuron(threshold=1j), Type, "threshold", "1j"),
    (lambda: neuron(current_decay=-0.1), Range, "current_decay", "-0.1"),
    (lambda: neuron(current_decay=1.001), Range, "current_decay", "1.001"),
    (lambda: neuron(current_decay=NAN), Range, "current_decay", "nan"),
    (lambda: neuron(voltage_decay=-0.1), Range, "voltage_decay", "-0.1"),
    (lambda: neuron(voltage_decay=1.001), Range, "voltage_decay", "1.001"),
    (lambda: neuron(voltage_decay="fast"), Type, "voltage_decay", "'fast'"),
    (lambda: neuron(tau_grad=0), Range, "tau_grad", "0"),
    (lambda: neuron(scale_grad=-2), Range, "scale_grad", "-2"),
    (lambda: neuron().forward([[["a"]]]), Type, "z", "dtype"),
    (lambda: neuron().forward([1.0, 2.0]), Shape, "z", "(2,)"),
    (lambda: neuron().forward(ones(2, 3, 0)), Shape, "z", "(2, 3, 0)"),
    (lambda: sampler().forward(["a"]), Type, "z", "dtype"),
    (lambda: run_back(sampler(), ones(2, 3), ones(2, 1)), Shape, "grad", "(2, 1)"),
    (lambda: Dropout(1, rng()), Range, "dropout p", "1"),
    (lambda: Dropout(-0.1, rng()), Range, "dropout p", "-0.1"),
    (lambda: Dropout(0.5, 7), Type, "dropout rng", "7"),
    (lambda: Dropout(0.5, np.random.RandomState(1)), Type, "dropout rng", "RandomState"),
    (
        lambda: block.cuba.Input({**PARAMS, "treshold": 1}, rng=rng()),
        Range,
        "key of neuron_params",
        "'treshold'",
    ),
    (
        lambda: block.cuba.Input({"threshold": 1}, rng=rng()),
        Range,
        "neuron_params",
        "['current_decay', 'voltage_decay']",
    ),
    (lambda: block.cuba.Dense({}, 3, 2, rng=rng()), Range, "neuron_params", "threshold"),
    (lambda: block.cuba.Dense(None, 3, 2, rng=rng()), Type, "neuron_params", "None"),
    (lambda: neuron(dropout=0.5), Type, "dropout", "0.5"),
]
BLOCKS = [
    (lambda: dense(rng=None), Type, "rng", "None"),
    (lambda: dense(rng=np.random), Type, "rng", "module"),
    (lambda: input_block(rng=1), Type, "rng", "1"),
    (lambda: block.cuba.Dense(PARAMS, 0, 2, rng=rng()), Range, "in_neurons", "0"),
    (lambda: block.cuba.Dense(PARAMS, 3, 2.0, rng=rng()), Type, "out_neurons", "2.0"),
    (lambda: dense(weight_scale=0), Range, "weight_scale", "0"),
    (lambda: dense(weight_scale=NAN), Range, "weight_scale", "nan"),
    (lambda: dense(mask=ones(3, 2)), Shape, "mask", "(3, 2)"),
    (lambda: dense(mask=with_one(NAN, 2, 3)), Range, "mask", "nan at (1, 2)"),
    (lambda: dense(mask="all"), Type, "mask", "dtype"),
    (lambda: dense(pre_hook_fx=np.round), Type, "pre_hook_fx", "round"),
    (lambda: block.cuba.Input(PARAMS, weight="1", rng=rng()), Type, "weight", "'1'"),
    (lambda: block.cuba.Input(PARAMS, bias=INF, rng=rng()), Range, "bias", "inf"),
    (
        lambda: synapse.Dense(3, 2, rng=rng()).backward(ones(1, 2, 1)),
        Order,
        "Dense.backward",
        "called first",
    ),
    (
        lambda: synapse.Scalar(1, 0).backward(ones(1, 2, 1)),
        Order,
        "Scalar.backward",
        "called first",
    ),
    (lambda: neuron().backward(ones(1, 2, 1)), Order, "Neuron.backward", "called first"),
    (lambda: dense().backward(ones(1, 2, 1)), Order, "Dense.backward", "called first"),
    (
        lambda: block.cuba.Flatten().backward(ones(1, 2, 1)),
        Order,
        "Flatten.backward",
        "called first",
    ),
    (lambda: dense()(ones(1, 3, 1), Mode.ANN), Order, "ANN mode", "before any fit"),
    (lambda: input_block()(ones(1, 3, 1), Mode.ANN), Order, "ANN mode", "before any fit"),
    (lambda: dense()(ones(1, 4, 2), Mode.SNN), Shape, "x", "(1, 4, 2)"),
    (lambda: dense()(ones(3, 2), Mode.SNN), Shape, "x", "(3, 2)"),
    (lambda: dense()(ones(0, 3, 2), Mode.SNN), Shape, "x", "(0, 3, 2)"),
    (lambda: dense()(ones(1, 3, 0), Mode.SNN), Shape, "x", "(1, 3, 0)"),
    (lambda: dense()(ones(1, 3, 2).astype(np.complex64), Mode.SNN), Type, "x", "complex64"),
    (lambda: dense()(np.full((1, 3, 2), "1"), Mode.SNN), Type, "x", "<U1"),
    (lambda: dense()(np.full((1, 3, 2), None), Mode.SNN), Type, "x", "object"),
    (lambda: dense()([[[1.0], [1.0, 2.0], [1.0]]], Mode.SNN), Shape, "x", "ragged"),
    (lambda: dense()(with_one(NAN, 1, 3, 2), Mode.SNN), Range, "x", "nan at (0, 2, 1)"),
    (lambda: dense()(with_one(-INF, 1, 3, 2), Mode.SNN), Range, "x", "-inf at (0, 2, 1)"),
    (lambda: dense()(np.full((1, 3, 2), 1e39), Mode.SNN), Range, "x", "inf at (0, 0, 0)"),
    (
        lambda: dense()(np.full((1, 3, 2), 2.0**38, np.float32), Mode.SNN),
        Range,
        "weighted input",
        "180388626432",
    ),
    (
        lambda: neuron().forward(np.full((1, 1, 64), 2.0**28, np.float32)),
        Range,
        "weighted input",
        "268435456",
    ),
    (lambda: neuron().forward(with_one(NAN, 1, 1, 2)), Range, "weighted input", "nan"),
    (lambda: input_block()(ones(3), Mode.SNN), Shape, "x", "(3,)"),
    (lambda: input_block()(ones(2, 3), Mode.SNN), Shape, "x", "(2, 3)"),
    (lambda: input_block()(ones(2, 3, 0), Mode.SNN), Shape, "x", "(2, 3, 0)"),
    (lambda: input_block()(ones(0, 3, 1), Mode.SNN), Shape, "x", "(0, 3, 1)"),
    (lambda: input_block()(ones(2, 3, 0), Mode.FIT), Shape, "x", "(2, 3, 0)"),
    (lambda: input_block()(with_one(NAN, 2, 3, 1), Mode.FIT), Range, "x", "nan at (1, 2, 0)"),
    (lambda: block.cuba.Flatten()(ones(3)), Shape, "x", "(3,)"),
    (lambda: block.cuba.Flatten()(ones(0, 3, 1)), Shape, "x", "(0, 3, 1)"),
    (lambda: neuron().trace(ones(3)), Shape, "z", "(3,)"),
    (lambda: back(dense(), ones(2, 3, 4), ones(2, 2, 3), Mode.SNN), Shape, "grad", "(2, 2, 3)"),
    (lambda: back(dense(), ones(2, 3, 4), ones(2, 2, 4), Mode.FIT), Shape, "grad", "(2, 2, 4)"),
    (lambda: back(dense(), ones(2, 3, 1), ones(2, 3, 1), Mode.FIT), Shape, "grad", "(2, 3, 1)"),
    (
        lambda: back(block.cuba.Flatten(), ones(2, 3, 4), ones(2, 3, 5), Mode.SNN),
        Shape,
        "grad",
        "(2, 3, 5)",
    ),
]
NETWORK = [
    (lambda: network(blocks=[]), Range, "blocks", "[]"),
    (lambda: network(time_steps=0), Range, "time_steps", "0"),
    (lambda: network(time_steps=-3), Range, "time_steps", "-3"),
    (lambda: network(time_steps=4.0), Type, "time_steps", "4.0"),
    (lambda: network(time_steps=True), Type, "time_steps", "True"),
    (lambda: network(input_shape=(0,)), Range, "input_shape", "0"),
    (lambda: spiking(ones(2, 4)), Shape, "x", "(2, 4)"),
    (lambda: spiking(ones(3)), Shape, "x", "(3,)"),
    (lambda: spiking(np.float32(1)), Shape, "x", "()"),
    (lambda: spiking(ones(0, 3)), Shape, "x", "(0, 3)"),
    (lambda: spiking(ones(2, 3, 0)), Shape, "x", "(2, 3, 0)"),
    (lambda: spiking(with_one(NAN, 2, 3)), Range, "x", "nan at (1, 2)"),
    (lambda: spiking([[1, 2, 3], [4, 5]]), Shape, "x", "ragged"),
    (lambda: network()(ones(2, 3), LayerMode(0, Mode.ANN)), Order, "ANN mode", "before any fit"),
    (lambda: network()(ones(2, 3), LayerMode(1, Mode.ANN)), Order, "ANN mode", "before any fit"),
    (lambda: network().backward(ones(2, 2, 1)), Order, "Affine.backward", "called first"),
    (lambda: spiking_back(ones(2, 2, 1)), Shape, "grad", "(2, 2, 1)"),
    (lambda: spiking_back(ones(2, 2)), Shape, "grad", "(2, 2)"),
    (lambda: spiking_back(ones(2, 2, 4).astype(complex)), Type, "grad", "complex128"),
    (lambda: spiking_back(with_one(NAN, 2, 2, 4)), Range, "grad", "nan at (1, 1, 3)"),
]
SAMPLER = [
    (lambda: AnnSampler(num_centers=0), Range, "num_centers", "0"),
    (lambda: AnnSampler(num_centers=2000), Range, "num_centers", "2000"),
    (lambda: AnnSampler(num_centers=5.0), Type, "num_centers", "5.0"),
    (lambda: AnnSampler(sample_range=(0.9, 0.1)), Range, "sample_range", "(0.9, 0.1)"),
    (lambda: AnnSampler(sample_range=(0.5, 0.5)), Range, "sample_range", "(0.5, 0.5)"),
    (lambda: AnnSampler(sample_range=(-0.1, 0.9)), Range, "sample_range", "-0.1"),
    (lambda: AnnSampler(sample_range=(0.1, NAN)), Range, "sample_range", "nan"),
    (lambda: AnnSampler(eps=0), Range, "eps", "0"),
    (lambda: AnnSampler(capacity=0), Range, "capacity", "0"),
    (lambda: AnnSampler().append(ones(2, 3, 4), ones(2, 3, 5)), Shape, "a", "(2, 3, 4)"),
    (lambda: AnnSampler().append(np.float32(1), np.float32(1)), Shape, "a", "()"),
    (lambda: AnnSampler().append(with_one(NAN, 2, 3), ones(2, 3)), Range, "a", "nan at (1, 2)"),
    (lambda: AnnSampler().append(ones(2, 3), with_one(INF, 2, 3)), Range, "z", "inf at (1, 2)"),
    (lambda: AnnSampler().append(ones(2, 3), ones(2, 3).astype(complex)), Type, "z", "complex128"),
    (lambda: AnnSampler().append(ones(2, 0), ones(2, 0)), Shape, "a", "(2, 0)"),
    (lambda: AnnSampler().forward(ones(2)), Order, "ANN mode", "before any fit"),
    (lambda: AnnSampler().backward(ones(2)), Order, "AnnSampler.backward", "called first"),
    (lambda: AnnSampler().soft_clear(), Order, "soft_clear", "without a generator"),
    (lambda: AnnSampler(rng=7), Type, "rng", "7"),
    (lambda: AnnSampler().soft_clear(7), Type, "rng", "7"),
    (lambda: AnnSampler(capacity=2).restore(ones(2, 3)), Range, "points", "3"),
    (lambda: AnnSampler().restore(ones(3, 3)), Shape, "points", "(3, 3)"),
]
LOSS_AND_OPTIMISERS = [
    (lambda: cross_entropy(ones(2, 3), [0, 3]), Range, "labels", "3"),
    (lambda: cross_entropy(ones(2, 3), [0, -1]), Range, "labels", "-1"),
    (lambda: cross_entropy(ones(2, 3), [0.0, 1.0]), Type, "labels", "float64"),
    (lambda: cross_entropy(ones(2, 3), ["0", "1"]), Type, "labels", "<U1"),
    (lambda: cross_entropy(ones(2, 3), [0, 1, 2]), Shape, "labels", "(3,)"),
    (lambda: cross_entropy(ones(2, 3), [[0], [1]]), Shape, "labels", "(2, 1)"),
    (lambda: cross_entropy(ones(2, 3, 1), [0, 1]), Shape, "logits", "(2, 3, 1)"),
    (lambda: cross_entropy(ones(0, 3), []), Shape, "logits", "(0, 3)"),
    (lambda: cross_entropy(with_one(NAN, 2, 3), [0, 1]), Range, "logits", "nan at (1, 2)"),
    (lambda: Adam([], lr=0), Range, "lr", "0"),
    (lambda: Adam([], lr=-1e-3), Range, "lr", "-0.001"),
    (lambda: Adam([], lr=NAN), Range, "lr", "nan"),
    (lambda: Adam([], lr=10**400), Range, "lr", ""),
    (lambda: Adam([], lr="1e-3"), Type, "lr", "'1e-3'"),
    (lambda: Adam([], betas=(0.9, 1)), Range, "betas", "1"),
    (lambda: Adam([], eps=0), Range, "eps", "0"),
    (lambda: SGD([], lr=0), Range, "lr", "0"),
    (lambda: SGD([], lr=1, momentum=1), Range, "momentum", "1"),
    (lambda: Adam([Parameter(ones(2))]).step(), Order, "step", "without a gradient"),
    (lambda: SGD([Parameter(ones(2))], lr=1).step(), Order, "step", "without a gradient"),
    (lambda: Adam(network().parameters()).step(), Order, "step", "without a gradient"),
]
SCHEDULE_AND_OPS = [
    (lambda: Scheduler(num_sample_iter=-1), Range, "num_sample_iter", "-1"),
    (lambda: Scheduler(sample_period=0), Range, "sample_period", "0"),
    (lambda: Scheduler(sample_period=2.5), Type, "sample_period", "2.5"),
    (lambda: Scheduler(crossover_epochs=[3, -1]), Range, "crossover_epochs", "-1"),
    (lambda: Scheduler(crossover_epochs=["3"]), Type, "crossover_epochs", "'3'"),
    (lambda: Scheduler().mode(-1, 0), Range, "epoch", "-1"),
    (lambda: Scheduler().mode(0, 0.5), Type, "iteration", "0.5"),
    (lambda: ops.resolve("cuda"), Range, "set of operations", "'cuda'"),
    (lambda: ops.resolve(SimpleNamespace(quantise=abs)), Type, "set of operations", "quantise"),
    (
        lambda: ops.resolve(SimpleNamespace(dense_forward=3)),
        Type,
        "set of operations",
        "dense_forward=3",
    ),
    (lambda: ops.resolve(None), Type, "set of operations", "None"),
]
GROUPS = {
    "neuron": NEURON,
    "blocks": BLOCKS,
    "network": NETWORK,
    "sampler": SAMPLER,
    "loss and optimisers": LOSS_AND_OPTIMISERS,
    "schedule and operations": SCHEDULE_AND_OPS,
}
CASES = [
    pytest.param(*case, id=f"{group} {i}: {case[2]} {case[3]}")
    for group, cases in GROUPS.items()
    for i, case in enumerate(cases)
]


@pytest.mark.parametrize(("call", "error", "name", "got"), CASES)
def test_bad_input_raises_the_right_error_with_name_and_value(call, error, name, got):
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert name in caught.value.name
    assert re.search(
        rf"{re.escape(name)}.* is .*{re.escape(got)}.*, expected ", str(caught.value)
    ), str(caught.value)


def test_the_same_calls_with_good_input_pass():
    assert neuron(dropout=Dropout(0, rng())).forward(ones(1, 2, 3)).shape == (1, 2, 3)
    assert dense(mask=ones(2, 3))(ones(1, 3, 2), Mode.SNN).shape == (1, 2, 2)
    assert spiking(ones(2, 3)).shape == spiking(ones(2, 3, 4)).shape == (2, 2, 4)
    assert input_block()(ones(2, 3, 1), Mode.FIT).shape == (2, 3, 1)
    assert cross_entropy(ones(2, 3), [0, 2])[1].shape == (2, 3)
    stepped(Adam)
    stepped(lambda parameters: SGD(parameters, lr=1))


def test_parameters_are_as_they_were_after_a_step_that_failed():
    parameter = Parameter(ones(2))
    optimizer = Adam([parameter])
    with pytest.raises(Order):
        optimizer.step()
    assert (parameter.data.tolist(), optimizer.steps) == ([1, 1], 0)


def test_a_sampler_takes_nothing_of_points_that_are_wrong():
    sampler = AnnSampler()
    sampler.append(ones(2, 3), ones(2, 3))
    with pytest.raises(Range):
        sampler.append(ones(2, 3), with_one(NAN, 2, 3))
    assert sampler.count == 2


def test_bools_and_integers_are_numbers_to_a_block():
    x = np.array([[[0, 1], [1, 1], [1, 0]]])
    expected = dense()(x.astype(np.float32), Mode.SNN)
    for kind in (bool, np.int8, np.uint16, np.int64, np.float16, np.float64):
        np.testing.assert_array_equal(dense()(x.astype(kind), Mode.SNN), expected)


def test_only_weights_that_the_state_could_not_hold_are_refused():
    """At the edge: T^2 |z| just below 2^39 passes, with the state at its largest short of
    overflow.
    """
    steps, largest = 8, np.nextafter(np.float32(2.0**39 / 64), np.float32(0))
    z = np.full((1, 1, steps), -largest, np.float32)
    trace = Neuron(1.25, 0, 0).trace(z)
    exact = [-int(np.float64(largest) * 4096) * (t + 1) * (t + 2) // 2 for t in range(steps)]
    assert trace.v[0, 0].tolist() == exact
    with pytest.raises(Range, match="weighted input"):
        Neuron(1.25, 0, 0).trace(z * np.float32(1.01))
