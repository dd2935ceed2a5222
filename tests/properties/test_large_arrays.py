"""On large arrays, too, the kernels compute what the definition computes, in every bit, with any
number of threads; and a network does so with either of them.

As in test_reference_equals_kernels, but on arrays that hypothesis would take too long to draw: one
seed decides each.
"""

import numpy as np
import pytest
from small_networks import FIT, SAMPLE, SNN, build, fitted, images_ni, movies_nit

from refboot import ops, reference, threads
from refboot.reference.fit import Curve
from refboot.routine import LayerMode, Mode

kernels = pytest.importorskip("refboot.kernels", reason="Numba is not installed")
N, C, T = 20, 100, 24  # more elements than one thread is asked to do alone
DECAYS = np.array([4096]), np.array([123])
ADAM = 7, 1e-3, 0.9, 0.999, 1e-8
CURVE = Curve(
    np.array([[-0.5, 0.0], [0.0, 0.2], [0.4, 0.7], [1.0, 1.0]]), np.array([0.4, 1.25, 0.5])
)


def reals(rng, *shape, size=1):
    return (size * rng.normal(size=shape)).astype(np.float32)


def on_steps(x):
    """The same values with the channels side by side in memory, as kernels leave them."""
    return np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1)


def spikes(rng, *shape, rate=0.1):
    return (rng.random(shape) < rate).astype(np.float32)


def bursts(rng, *shape):
    """Few spikes, but for one sample in which all neurons fire."""
    x = spikes(rng, *shape)
    x[1] = 1
    return x


def weights(rng, *shape, size=0.5):
    return reference.quantize_8bit(reals(rng, *shape, size=size))


def states(rng, size):
    return rng.integers(-size, size, (N, C))


CASES = {
    "quantize_8bit": [
        lambda rng: (reals(rng, 300, 200, size=3),),
        lambda rng: (reals(rng, 200, 300).T,),
    ],
    "quantize_8bit_backward": [lambda rng: (reals(rng, 300, 200), reals(rng, 300, 200, size=3))],
    "mean_rate_forward": [lambda rng: (reals(rng, N, C, T),), lambda rng: (spikes(rng, N, C, T),)],
    "pwl_forward": [
        lambda rng: (reals(rng, N, C, T), *CURVE),
        lambda rng: (on_steps(reals(rng, N, C, T)), *CURVE),
    ],
    "pwl_backward": [
        lambda rng: (reals(rng, N, C, T), on_steps(reals(rng, N, C, T)), *CURVE, CURVE.scale, 1e-5)
    ],
    "cuba_forward": [
        lambda rng: (reals(rng, N, C, T), *DECAYS, 5120, states(rng, 5000), states(rng, 5000)),
        lambda rng: (
            on_steps(reals(rng, N, C, T)),
            rng.integers(0, 4097, C),
            rng.integers(0, 4097, C),
            64,
            *[states(rng, 9)] * 2,
        ),
        lambda rng: (
            reals(rng, N, C, T, size=2**15),
            DECAYS[0],
            np.array([0]),
            5120,
            states(rng, 5000),
            states(rng, 5000),
        ),
        lambda rng: (
            reals(rng, N, C, T, size=2**24),
            *DECAYS,
            5120,
            states(rng, 2**40),
            states(rng, 2**40),
        ),
        lambda rng: (
            reals(rng, N, C // 4, 2, 2, T),
            *DECAYS,
            5120,
            *(states(rng, 9).reshape(N, -1, 2, 2) for _ in range(2)),
        ),
    ],
    "cuba_backward": [
        lambda rng: (reals(rng, N, C, T), reals(rng, N, C, T), *DECAYS, 1.25, 1.0, 0.1),
        lambda rng: (
            on_steps(reals(rng, N, C, T)),
            reals(rng, N, C, T),
            *(rng.integers(0, 4097, C) for _ in range(2)),
            1.25,
            125.0,
            0.1,
        ),
        lambda rng: (
            reals(rng, N, C // 4, 2, 2, T),
            reals(rng, N, C // 4, 2, 2, T),
            *DECAYS,
            1.25,
            125.0,
            0.1,
        ),
    ],
    "spike_backward": [
        lambda rng: (reals(rng, N, C, T), on_steps(reals(rng, N, C, T)), 1.25, 0.3, 0.1)
    ],
    "dense_forward": [
        lambda rng: (spikes(rng, N, C, T), weights(rng, 64, C)),
        lambda rng: (on_steps(spikes(rng, N, C, T, rate=0.02)), weights(rng, C, 64).T),
        lambda rng: (spikes(rng, N, C, T, rate=0.6), weights(rng, 64, C)),
        lambda rng: (spikes(rng, N, C, T), weights(rng, 10, C)),
        lambda rng: (
            spikes(rng, N, 255, T),
            np.full((64, 255), -4, np.float32),
        ),  # sums just within 16 bits
        lambda rng: (bursts(rng, N, 300, T), np.full((64, 300), -4, np.float32)),  # and beyond
        lambda rng: (
            spikes(rng, N, C, T),
            np.full((64, C), 4, np.float32),
        ),  # on the grid, but no byte
        lambda rng: (np.ones((N, 1000, 1), np.float32), weights(rng, 64, 1000, size=9)),
    ],
    "dense_backward": [
        lambda rng: (reals(rng, N, 64, T), spikes(rng, N, C, T), weights(rng, 64, C)),
        lambda rng: (
            on_steps(reals(rng, N, 64, T)),
            spikes(rng, N, C, T, rate=0.6),
            weights(rng, 64, C),
        ),
        lambda rng: (reals(rng, N, 10, T), reals(rng, N, C, T), weights(rng, 10, C)),
        lambda rng: (reals(rng, 64, 200, 1), reals(rng, 64, 300, 1), weights(rng, 200, 300)),
    ],
    "weight_norm_forward": [lambda rng: (reals(rng, 200, 300), reals(rng, 200))],
    "weight_norm_backward": [
        lambda rng: (reals(rng, 200, 300), reals(rng, 300, 200).T, reals(rng, 200))
    ],
    "sgd_step": [
        lambda rng: (reals(rng, 200, 300), reals(rng, 300, 200).T, reals(rng, 200, 300), 0.1, 0.9)
    ],
    "adam_step": [
        lambda rng: (
            *(reals(rng, 200, 300) for _ in range(3)),
            np.abs(reals(rng, 200, 300)),
            *ADAM,
        ),
        lambda rng: (
            reals(rng, 300, 200).T,
            reals(rng, 200, 300),
            reals(rng, 200, 300),
            reals(rng, 300, 200).T ** 2,
            *ADAM,
        ),
    ],
}
IN_PLACE = {"sgd_step", "adam_step"}
IDS = [(name, i) for name, makers in CASES.items() for i in range(len(makers))]


def run(module, name, number):
    """What a function gives for a case, or what it made of arrays it was to change, as bytes."""
    args = CASES[name][number](np.random.default_rng([number, len(name)]))
    result = getattr(module, name)(*args)
    if name in IN_PLACE:
        result = tuple(a for a in args if isinstance(a, np.ndarray))
    found = result if isinstance(result, tuple) else (result,)
    return [(r.dtype, r.shape, r.tobytes()) for r in map(np.asarray, found)]


@pytest.mark.parametrize(("name", "number"), IDS)
@pytest.mark.parametrize("count", [1, 2])
def test_kernel_equals_the_definition_in_every_bit_on_any_number_of_threads(name, number, count):
    with threads.use(count):
        assert run(kernels, name, number) == run(reference, name, number)


WIDE = (80, 40, 33, 5)
PICTURES = 32


def everything(choice, x, mode):
    """What a network gives with a set of operations, forward and backward: output, gradients with
    respect to x and the parameters, and the points of its samplers.
    """
    with ops.use(choice):
        network = fitted(build(4, WIDE), images_ni(4, 4, WIDE[0]))
        y = network(x, mode)
        gx = network.backward(np.random.default_rng(0).normal(size=y.shape).astype(np.float32))
    grads = {n: p.grad for n, p in network.named_parameters().items() if p.grad is not None}
    points = {f"points {i}": b.f.points for i, b in enumerate(network.blocks)}
    assert len(grads) == 8
    return {"y": y, "gx": gx, **grads, **points}


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("crossover", [0, 2])
@pytest.mark.parametrize("base", Mode)
def test_a_network_gives_the_same_bits_with_the_definition_and_with_the_kernels(
    base, crossover, moving
):
    x = images_ni(4, PICTURES, WIDE[0])
    if moving:
        x = 2 * movies_nit(4, PICTURES, WIDE[0], 9) + 1  # bright enough to reach the read-out
    want, got = (everything(choice, x, LayerMode(crossover, base)) for choice in ops.MODULES)
    assert want.keys() == got.keys()
    for name, array in want.items():
        assert array.any() or not array.size, f"{name} shows nothing"
        assert got[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_splitting_a_large_batch_changes_nothing(cut):
    network, x = build(4, WIDE), images_ni(4, PICTURES, WIDE[0])
    whole = network(x, SNN)
    order = np.random.default_rng(1).permutation(PICTURES)
    parts = np.concatenate([network(x[:cut], SNN), network(x[cut:], SNN)])
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_array_equal(network(x[order], SNN), whole[order])


def test_sampling_takes_every_neuron_of_every_picture():
    network, x = build(4, WIDE), images_ni(4, PICTURES, WIDE[0])
    network(x, SAMPLE)
    counts = [b.f.count for b in network.blocks]
    assert counts == [PICTURES * size for size in WIDE[:3]] + [0]
    network(x, FIT)
    assert [b.f.count for b in network.blocks] == [count - count // 2 for count in counts]
