"""Chapters 10 and 11, clause by clause: modes, schedule, hybrid training, loss, optimisers, the
step.
"""

import hashlib
import math
from itertools import product

import numpy as np
import pytest
import spec_plain as plain

from refboot.block import cuba
from refboot.errors import OrderError, RangeError, ShapeError, TypeMismatchError
from refboot.loss import cross_entropy
from refboot.network import Network
from refboot.neuron import Dropout
from refboot.ops import Ops
from refboot.optim import SGD, Adam, Parameter
from refboot.reference import fit, numbers
from refboot.reference.draws import permutation, uniform, words
from refboot.reference.sampling import half
from refboot.reference.synapse import row_norm
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.settings import Settings
from refboot.stats import LearningStat
from refboot.synapse import Dense
from refboot.training import build, train_step

Rng = np.random.Generator
NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
ULP = 2.0**-23
T = 8


def dense(rng, inputs=6, outputs=4, **options):
    """A dense block that has a curve."""
    block = cuba.Dense(NEURON, inputs, outputs, weight_scale=3, **options, rng=rng)
    block.f.curve = fit.draw(np.array([[0.2, 0.1], [1.0, 0.6]]), 1.0)
    return block


def spikes(rng, *shape):
    return np.float32(rng.integers(0, 2, shape))


def fired(block, x):
    """The spikes of a block's neurons for x (N, I, T), by the plain neuron."""
    W = block.synapse.weight.quantised()
    return [
        [plain.neuron(row, 4096, 123, 80)[0] for row in np.matmul(W, sample).tolist()]
        for sample in x
    ]


def moved(rows, by=1):
    return [[[0] * by + row[: len(row) - by] for row in sample] for sample in rows]


@pytest.mark.parametrize("mode", [Mode.SNN, Mode.SAMPLE])
@pytest.mark.parametrize("shift", [False, True])
def test_spiking_block(rng: Rng, mode: Mode, shift: bool):
    """MOD-1, MOD-2, MOD-7: the points are those of the spikes that are not shifted."""
    block, x = dense(rng, delay_shift=shift), spikes(rng, 3, 6, T)
    expected = fired(block, x)
    assert block.forward(x, mode).tolist() == (moved(expected) if shift else expected)
    assert block.f.a.tolist() == (
        [sum(row) / T for sample in expected for row in sample] if mode is Mode.SAMPLE else []
    )
    assert sum(map(sum, (row for sample in expected for row in sample))) > 10


def test_the_shift_is_off_unless_asked_for(rng: Rng):
    """MOD-7."""
    shifts = [
        block.delay_shift
        for block in (
            cuba.Input(NEURON, 1, 0, rng=rng),
            cuba.Dense(NEURON, 2, 2, rng=rng),
            cuba.Affine(NEURON, 2, 2, rng=rng),
        )
    ]
    assert shifts == [False] * 3
    block, x = cuba.Input(NEURON, 2, 0, delay_shift=True, rng=rng), np.ones((1, 1, 4), np.float32)
    assert block.forward(x, Mode.SNN).tolist() == [[[0, 1, 1, 1]]]


def test_dropout_acts_on_spikes_and_on_rates(rng: Rng):
    """MOD-1, MOD-4, NRM-10."""
    block, x = dense(rng), spikes(rng, 3, 6, T)
    for mode, given in ((Mode.SNN, x), (Mode.ANN, x[..., :1])):
        whole = block.forward(given, mode)
        block.neuron.drop = Dropout(0.5, np.random.default_rng(3))
        drawn = uniform(np.random.default_rng(3), 0, 1, (3, 4))
        mask = np.where(drawn >= 0.5, 2, 0)[..., None]
        assert block.forward(given, mode).tolist() == (whole * mask).tolist()
        block.training = False
        assert block.forward(given, mode).tolist() == whole.tolist()
        block.training, block.neuron.drop = True, None


def test_fit_mode_fits_then_runs_as_rates(rng: Rng):
    """MOD-3."""
    block, x = dense(rng), spikes(rng, 16, 6, T)
    before = block.f.curve
    block.forward(x, Mode.SAMPLE)
    expected = fit.fit_curve(block.f.z, block.f.a, before)
    y = block.forward(x[..., :1], Mode.FIT)
    assert block.f.curve is not None
    assert block.f.curve.knots.tolist() == expected.knots.tolist()
    assert block.f.count == 32
    assert y.tolist() == block.forward(x[..., :1], Mode.ANN).tolist()


def test_rate_block(rng: Rng, o: Ops):
    """MOD-4, MOD-12: the mean of several steps is the input."""
    block, x = dense(rng, delay_shift=True), spikes(rng, 3, 6, T)
    rates = np.float32(x.sum(axis=-1, keepdims=True) / T)
    y = block.forward(x, Mode.ANN)
    assert y.shape == (3, 4, 1)
    z = o.dense_forward(rates, block.synapse.weight.quantised())
    np.testing.assert_allclose(
        y, o.pwl_forward(z, block.f.curve.knots, block.f.curve.slopes), rtol=0, atol=1e-6
    )
    assert block.forward(rates, Mode.ANN).tolist() == y.tolist()


@pytest.mark.parametrize("mode", list(Mode))
def test_affine_is_its_synapse(rng: Rng, mode: Mode):
    """MOD-5."""
    affine, x = cuba.Affine(NEURON, 6, 3, rng=rng), spikes(rng, 2, 6, T)
    z = np.matmul(affine.synapse.weight.quantised(), x)
    y = affine.forward(x, mode)
    assert y.tolist() == (z if mode.spiking else z.mean(axis=-1, keepdims=True)).tolist()


@pytest.mark.parametrize("mode", list(Mode))
def test_flatten_is_row_major(rng: Rng, mode: Mode):
    """MOD-6."""
    x, flatten = np.float32(rng.normal(0, 1, (2, 3, 4, 5, 6))), cuba.Flatten()
    y = flatten.forward(x, mode)
    assert all(
        y[n, (c * 4 + h) * 5 + w].tolist() == x[n, c, h, w].tolist()
        for n, c, h, w in product(range(2), range(3), range(4), range(5))
    )
    assert flatten.backward(y).tolist() == x.tolist()


@pytest.mark.parametrize(("samples", "period"), [(10, 10), (2, 3), (0, 1), (1, 1)])
def test_schedule(samples: int, period: int):
    """MOD-8, MOD-9."""
    scheduler = Scheduler(samples, period)
    for epoch, i, train in product(range(12), range(13), (True, False)):
        assert scheduler.mode(epoch, i, train).base_mode.name == plain.mode(
            epoch, i, train, period, samples
        )
    assert Scheduler().mode(10, 10).base_mode is Mode.FIT


@pytest.mark.parametrize(("base", "crossover"), list(product(Mode, range(4))))
def test_mode_of_each_layer(base: Mode, crossover: int):
    """MOD-10."""
    mode = LayerMode(crossover, base)
    expected = [
        base if base is Mode.SAMPLE or layer >= crossover else Mode.SNN for layer in range(5)
    ]
    assert (
        [m for m, _ in zip(mode, range(5), strict=False)]
        == [mode.of(layer) for layer in range(5)]
        == expected
    )


def test_asking_changes_nothing():
    """MOD-11."""
    scheduler, epochs = Scheduler(crossover_epochs=[3, 1, 3]), [4, 1, 1, 0, 3, 2, 3]
    assert [scheduler.mode(epoch, 0).crossover for epoch in epochs] == [
        len({1, 3} & set(range(epoch + 1))) for epoch in epochs
    ]


def test_bridge_and_held_input(rng: Rng):
    """MOD-12, MOD-13, GRD-12: spiking layers see T steps, the first rate layer their mean;
    backwards the same way.
    """
    first, second = dense(rng), dense(rng, 4, 2)
    net, x, gy = (
        Network([first, second], (6,), T),
        np.float32(rng.normal(0, 1, (3, 6))),
        np.float32(rng.normal(0, 1, (3, 2, 1))),
    )
    hybrid = net.forward(x, LayerMode(1, Mode.ANN))
    grad = net.backward(gy)
    s = first.forward(np.repeat(x[..., None], T, axis=-1), Mode.SNN)
    assert hybrid.tolist() == second.forward(s.mean(axis=-1, keepdims=True), Mode.ANN).tolist()
    assert (
        grad.tolist()
        == first.backward(np.repeat(second.backward(gy) / np.float32(T), T, axis=-1)).tolist()
    )
    moving = np.float32(rng.normal(0, 1, (3, 6, 5)))
    for mode, shape in ((Mode.SNN, (3, 4, 5)), (Mode.ANN, (3, 4, 1))):
        assert Network([first], (6,), T).forward(moving, LayerMode(0, mode)).shape == shape
    assert net.over_time(x, LayerMode(0, Mode.ANN)).shape == (3, 6, 1)


def test_calls_out_of_order_are_rejected(rng: Rng):
    """MOD-14."""
    block = cuba.Dense(NEURON, 6, 4, rng=rng)
    with pytest.raises(OrderError):
        block.forward(spikes(rng, 1, 6, 1), Mode.ANN)
    with pytest.raises(OrderError):
        cuba.Dense(NEURON, 6, 4, rng=rng).backward(spikes(rng, 1, 4, 1))


@pytest.mark.parametrize("mode", [Mode.SNN, Mode.ANN])
def test_backward_is_that_of_the_last_mode(rng: Rng, o: Ops, mode: Mode):
    """MOD-15."""
    block, x = dense(rng, delay_shift=True), spikes(rng, 3, 6, T)
    y = block.forward(x, mode)
    gy = np.float32(rng.normal(0, 1, y.shape))
    W = block.synapse.weight.quantised()
    if mode is Mode.SNN:
        voltage = np.float32(
            [
                [
                    [v / 4096 for v in plain.neuron(row, 4096, 123, 80)[1]]
                    for row in np.matmul(W, sample).tolist()
                ]
                for sample in x
            ]
        )
        gs = np.concatenate([gy[..., 1:], 0 * gy[..., :1]], axis=-1)
        gz = o.cuba_backward(gs, voltage, np.array([4096]), np.array([123]), 1.25, 125.0, 0.1)
        expected = np.matmul(W.T, gz)
    else:
        curve = block.f.curve
        gz = o.pwl_backward(
            gy,
            o.dense_forward(x.mean(axis=-1, keepdims=True), W),
            curve.knots,
            curve.slopes,
            curve.scale,
            1e-5,
        )
        expected = np.repeat(np.matmul(W.T, gz) / np.float32(T), T, axis=-1)
    found = block.backward(gy)
    np.testing.assert_allclose(found, expected, rtol=0, atol=32 * ULP * np.abs(expected).max())


def test_cross_entropy_and_its_gradient(o: Ops, rng: Rng):
    """TRN-1, TRN-2."""
    x, labels = np.float32(rng.normal(0, 3, (7, 5))), rng.integers(0, 5, 7)
    x[0] += 500
    soft = [
        [math.exp(v - max(row)) / sum(math.exp(w - max(row)) for w in row) for v in row]
        for row in x.tolist()
    ]
    loss, p = o.cross_entropy_forward(x, labels)
    assert abs(loss + sum(math.log(soft[n][k]) for n, k in enumerate(labels)) / 7) <= 4 * ULP * max(
        1, loss
    )
    expected = [[(soft[n][k] - (k == labels[n])) / 7 for k in range(5)] for n in range(7)]
    np.testing.assert_allclose(
        o.cross_entropy_backward(p, labels), expected, rtol=0, atol=4 * ULP / 7
    )


def test_adam(o: Ops, rng: Rng):
    """TRN-4."""
    p, m, v = np.float32(rng.normal(0, 1, 9)), np.zeros(9, np.float32), np.zeros(9, np.float32)
    true_p, true_m, true_v = (x.astype(np.float64) for x in (p, m, v))
    for t in range(1, 6):
        g = np.float32(rng.normal(0, 1, 9))
        o.adam_step(p, g, m, v, t, 0.01, 0.9, 0.999, 1e-8)
        true_m, true_v = 0.9 * true_m + 0.1 * g, 0.999 * true_v + 0.001 * g.astype(np.float64) ** 2
        true_p = true_p - 0.01 / (1 - 0.9**t) * true_m / (np.sqrt(true_v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(p, true_p, rtol=0, atol=5 * 4 * ULP)
    assert (Adam([]).lr, Adam([]).beta1, Adam([]).beta2, Adam([]).eps) == (0.001, 0.9, 0.999, 1e-8)


def test_adam_has_no_subnormal_moments(o: Ops):
    """TRN-4."""
    tiny = np.float32(2.0**-126)
    p, g = np.ones(4, np.float32), np.zeros(4, np.float32)
    m, v = np.float32([1.5, -1.05, 1.2, 0]) * tiny, np.float32([1.5, 1.0005, 3, 0]) * tiny
    o.adam_step(p, g, m, v, 1, 0.01, 0.9, 0.999, 1e-8)
    assert (m / tiny).tolist() == [
        np.float32(1.5) * np.float32(0.9),
        0,
        np.float32(1.2) * np.float32(0.9),
        0,
    ]
    assert (v / tiny).tolist() == [
        np.float32(1.5) * np.float32(0.999),
        0,
        np.float32(3) * np.float32(0.999),
        0,
    ]
    for t in range(2, 1000):
        o.adam_step(p, g, m, v, t, 0.01, 0.9, 0.999, 1e-8)
    assert not m.any()


def test_gradient_descent(o: Ops, rng: Rng):
    """TRN-5."""
    p, velocity, g = (np.float32(rng.normal(0, 1, 9)) for _ in range(3))
    expected = np.float32(0.9) * velocity + g
    after = p - np.float32(0.01) * expected
    o.sgd_step(p, g, velocity, 0.01, 0.9)
    assert (velocity.tolist(), p.tolist()) == (expected.tolist(), after.tolist())


@pytest.mark.parametrize("mode", list(Mode))
def test_one_step_in_every_mode(rng: Rng, mode: Mode):
    """TRN-3, TRN-6: the gradient of before is cleared, the logits are the mean, and the weights
    move.
    """
    net = Network([dense(rng), cuba.Affine(NEURON, 4, 3, rng=rng)], (6,), T)
    x, labels = np.float32(rng.normal(0, 1, (5, 6))), rng.integers(0, 3, 5)
    parameters = net.parameters()
    parameters[0].add_grad(np.full((4, 6), 1e9, np.float32))
    before = [p.data.copy() for p in parameters]
    loss = train_step(net, SGD(parameters, lr=0.5), x, labels, LayerMode(0, mode), LearningStat())
    grads = [p.grad for p in parameters]
    for p, old in zip(parameters, before, strict=True):
        assert p.grad is not None
        assert p.data.tolist() == (old - np.float32(0.5) * p.grad).tolist()
        p.data[...] = old
    y = net.forward(x, LayerMode(0, mode if mode.spiking else Mode.ANN))
    expected, grad = cross_entropy(y.mean(axis=-1), labels)
    assert loss == pytest.approx(expected, abs=1e-6)
    net.zero_grad()
    net.backward(np.repeat(grad[..., None] / np.float32(y.shape[-1]), y.shape[-1], axis=-1))
    assert all(
        np.allclose(p.grad, g, rtol=0, atol=1e-6) for p, g in zip(parameters, grads, strict=True)
    )


def test_initial_weights_and_the_order_of_draws():
    """TRN-7, TRN-8."""
    net, rng = (
        build(Settings(data="digits", hidden=(5, 4), weight_scale=1.5), np.random.default_rng(8)),
        np.random.default_rng(8),
    )
    for block, (outputs, inputs) in zip(net.blocks[1:], ((5, 64), (4, 5), (10, 4)), strict=True):
        drawn = 1.5 * rng.uniform(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), (outputs, inputs))
        weight = block.synapse.weight
        np.testing.assert_array_equal(weight.v.data, drawn.astype(np.float32))
        np.testing.assert_array_equal(weight.g.data, row_norm(weight.v.data))


def test_draws_of_a_pass_come_block_by_block(rng: Rng):
    """TRN-8: the half of a block's fit, then its mask, then the next block."""
    own, twin = (np.random.Generator(np.random.PCG64(0)) for _ in range(2))
    blocks = [dense(rng), dense(rng, 4, 4)]
    for block in blocks:
        block.neuron.drop, block.f.rng = Dropout(0.5, own), own
    network, x = Network(blocks, (6,), T), np.ones((3, 6), np.float32)
    network.eval()  # no masks yet
    network.forward(x, LayerMode(0, Mode.SAMPLE))
    network.train()
    points = [block.f.points.copy() for block in blocks]
    network.forward(x, LayerMode(0, Mode.FIT))
    for block, before in zip(blocks, points, strict=True):
        assert block.f.points.tolist() == before[:, half(twin, 12)].tolist()
        uniform(twin, 0, 1, (3, 4))
    assert own.bit_generator.random_raw() == twin.bit_generator.random_raw()


def test_draws_are_made_of_raw_words():
    """NUM-15, written out once more in Python's whole numbers."""

    def seeded() -> Rng:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(11)))

    raw = [int(word) for word in np.random.PCG64(np.random.SeedSequence(11)).random_raw(40)]
    assert [int(word) for word in words(seeded(), 40)] == raw
    assert uniform(seeded(), -1, 3, 40).tolist() == [-1 + 4 * ((w >> 11) / 2**53) for w in raw]
    assert permutation(seeded(), 40).tolist() == sorted(range(40), key=lambda i: raw[i])
    stay = [raw[0] >> i & 1 for i in range(40)]
    for word in raw[1:]:
        surplus = sum(stay) - 20
        if surplus and stay[word % 40] == (surplus > 0):
            stay[word % 40] ^= 1
    assert half(seeded(), 40).tolist() == [bool(s) for s in stay]


def test_subnormal_numbers_are_kept():
    """NUM-14: nothing in this process flushes them to zero."""
    assert numbers.check_subnormals()


def test_digest_is_of_names_sizes_and_bytes(rng: Rng):
    """TRN-15: any change of a value, and only that, changes the digest."""
    network = Network([dense(rng), cuba.Affine(NEURON, 4, 2, rng=rng)], (6,), T)
    total = hashlib.sha256()
    for name in sorted(state := network.state()):
        sizes = "x".join(str(n) for n in state[name].shape)
        total.update(name.encode() + b"\0" + sizes.encode() + b"\0" + state[name].tobytes())
    first = network.digest()
    assert first == total.hexdigest()[:16]
    network.forward(np.ones((3, 6), np.float32), LayerMode(0, Mode.ANN))
    assert network.digest() == first
    network.parameters()[0].data[0, 0] += np.float32(1e-3)
    assert network.digest() != first


@pytest.mark.parametrize("requires_grad", [False, True])
def test_what_is_trained(rng: Rng, requires_grad: bool):
    """TRN-9."""
    neuron = NEURON | {"requires_grad": requires_grad}
    net = Network(
        [
            cuba.Input(neuron, 1, 0, rng=rng),
            cuba.Dense(neuron, 2, 2, weight_norm=True, rng=rng),
            cuba.Affine(neuron, 2, 2, rng=rng),
        ],
        (2,),
    )
    names = {name.split(".", 2)[2] for name, p in net.named_parameters().items() if p.trainable}
    decays = {"neuron.current_decay", "neuron.voltage_decay"} if requires_grad else set()
    assert names - decays == {
        "weight",
        "bias",
        "synapse.weight",
        "synapse.weight_g",
        "synapse.weight_v",
    }
    assert decays <= names | {"current_decay", "voltage_decay"}


def short_run() -> tuple[list[float], list[str], bytes]:
    """Losses, modes and final weights of a run over two epochs."""
    settings = Settings(
        data="digits", hidden=(12,), time_steps=T, num_sample_iter=2, sample_period=2
    )
    rng, net = np.random.default_rng(4), build(settings, np.random.default_rng(3))
    optimizer, scheduler, losses, modes = Adam(net.parameters(), lr=0.01), Scheduler(2, 2), [], []
    x, labels = np.float32(rng.uniform(-1, 1, (4, 16, 64))), rng.integers(0, 10, (4, 16))
    for epoch, i in product(range(2), range(4)):
        mode = scheduler.mode(epoch, i)
        modes.append(mode.base_mode.name)
        losses.append(train_step(net, optimizer, x[i], labels[i], mode, LearningStat()))
    return losses, modes, b"".join(p.data.tobytes() for p in net.parameters())


def test_same_seed_same_bits():
    """TRN-10, TRN-12."""
    first, second = short_run(), short_run()
    assert first == second
    assert first[1] == ["SAMPLE", "SAMPLE", "FIT", "ANN"] + ["ANN"] * 4
    assert len(set(first[0])) == 8


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_steps_without_gradients(kind):
    """TRN-11."""
    idle, busy = Parameter(np.ones(2, np.float32)), Parameter(np.ones(2, np.float32))
    optimizer = kind([idle, busy], lr=0.1)
    with pytest.raises(OrderError):
        optimizer.step()
    busy.add_grad(np.ones(2, np.float32))
    optimizer.step()
    assert idle.data.tolist() == [1, 1]
    assert (busy.data < 1).all()


def test_first_of_the_largest_is_predicted(rng: Rng):
    """TRN-13: two equal logits, of which the first is right, then the second."""
    net = Network([cuba.Affine(NEURON, 1, 3, rng=rng)], (1,), T)
    net.parameters()[0].data[...] = [[0.25], [0.5], [0.5]]
    for label, right in ((1, 1), (2, 0)):
        stat = LearningStat()
        train_step(
            net,
            SGD(net.parameters(), lr=1e-30),
            np.float32([[1]]),
            np.array([label]),
            LayerMode(0, Mode.ANN),
            stat,
        )
        assert stat.correct_samples == right


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([3], RangeError),
        ([-1], RangeError),
        ([0.0], TypeMismatchError),
        ([0, 1], ShapeError),
        ([[0]], ShapeError),
    ],
)
def test_labels_that_are_rejected(labels, kind):
    """TRN-14."""
    with pytest.raises(kind):
        cross_entropy(np.zeros((1, 3)), labels)


def test_dense_draws_once(rng: Rng):
    """TRN-7: nothing else is drawn."""
    Dense(3, 2, rng=rng)
    other = np.random.default_rng(20261124)
    other.uniform(0, 1, (2, 3))
    assert rng.random() == other.random()
