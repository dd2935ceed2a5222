"""Where arrays are large, kernels work in parts, on threads and by events: still they compute what
the definition computes.

As in test_reference_equals_kernels, but on arrays that hypothesis would take too long to draw: one
seed decides each.
"""

import kernel_cases
import numpy as np
import pytest
from kernel_bounds import ulps
from small_networks import ANN, FIT, SAMPLE, SNN, build, fitted, images_ni

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
    "graded_backward": [
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
    """What a function gives for a case, or what it made of the parameter it was to change; as a
    list of arrays.
    """
    args = CASES[name][number](np.random.default_rng([number, len(name)]))
    result = getattr(module, name)(*args)
    if name in IN_PLACE:
        return [a for a in args if isinstance(a, np.ndarray)]
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize(("name", "number"), IDS)
def test_kernel_equals_the_definition_on_one_thread_and_on_two(name, number):
    want = run(reference, name, number)
    with threads.use(1):
        alone = run(kernels, name, number)
    with threads.use(2):
        shared = run(kernels, name, number)
    bounds = [0] * len(want)
    if name in kernel_cases.BOUNDED:
        bounds = kernel_cases.BOUNDED[name][1](
            *CASES[name][number](np.random.default_rng([number, len(name)]))
        )
    for w, a, s, bound in zip(want, alone, shared, bounds, strict=True):
        np.testing.assert_array_equal(a, s)
        assert a.dtype == w.dtype
        assert (np.abs(a.astype(np.float64) - w) <= bound).all()


@pytest.mark.parametrize("shape", [(N, C, T), (300, 200, 1), (2, 40, 3)])
def test_sums_of_real_inputs_are_within_one_ulp_of_the_sum_of_magnitudes_per_term(shape):
    rng = np.random.default_rng(1)
    x, w = reals(rng, *shape), weights(rng, 64, shape[1])
    want, got = reference.dense_forward(x, w).astype(np.float64), kernels.dense_forward(x, w)
    bound = ulps(shape[1], reference.dense_forward(np.abs(x), np.abs(w)))
    assert (np.abs(got - want) <= bound).all()


WIDE = (80, 40, 33, 5)
PICTURES = 64  # together more pixels than the way around for still pictures asks for


def by_block(network, x, mode):
    """The network's blocks on every pixel, one after the other."""
    x = network.over_time(x, mode)
    for b, m in zip(network.blocks, mode, strict=False):
        x = b.forward(x, m)
    return x


def pictures(background):
    """Still pictures, most of which is background."""
    x = images_ni(4, PICTURES, WIDE[0])
    x[np.random.default_rng(5).random(x.shape) < 0.6] = background
    return x


def twins():
    return [fitted(build(4, WIDE), images_ni(4, 4, WIDE[0])) for _ in range(2)]


@pytest.mark.parametrize("background", [-1, 1])
def test_definition_and_kernels_spike_the_same_on_still_and_on_moving_pictures(background):
    x = pictures(background)
    moving = np.random.default_rng(4).uniform(-1, 3, (PICTURES, WIDE[0], 6)).astype(np.float32)
    answers = []
    for choice in ("reference", "numba"):
        with ops.use(choice):
            answers.append([build(4, WIDE)(x, SNN), build(4, WIDE)(moving, SNN)])
    for want, got in zip(*answers, strict=True):
        assert np.unique(want).size > 10, "a silent network shows nothing"
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("background", [-1, 1])
@pytest.mark.parametrize("way", ["backward", "backward_parameters"])
@pytest.mark.parametrize("crossover", range(5))
@pytest.mark.parametrize("base", [Mode.ANN, Mode.FIT, Mode.SNN])
def test_a_network_gives_by_the_short_way_for_still_pictures_what_its_blocks_give_one_by_one(
    crossover, base, way, background
):
    (short, long), x = twins(), pictures(background)
    mode = LayerMode(crossover, base)
    got, want = short(x, mode), by_block(long, x, mode)
    if mode.of(3).spiking:
        np.testing.assert_array_equal(got, want)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    dy = np.random.default_rng(0).normal(size=got.shape).astype(np.float32)
    gx, wx = getattr(short, way)(dy), dy
    for b in reversed(long.blocks):
        wx = b.backward(wx)
    if way == "backward":
        np.testing.assert_allclose(gx, wx, rtol=1e-3, atol=1e-4)
    for (name, p), q in zip(
        short.named_parameters().items(), long.named_parameters().values(), strict=True
    ):
        if p.trainable:
            np.testing.assert_allclose(
                p.grad, q.grad, rtol=1e-3, atol=1e-3 * np.abs(q.grad).max(), err_msg=name
            )


def test_sampling_still_pictures_takes_every_pixel():
    (short, long), x = twins(), pictures(-1)
    for network in (short, long):
        for b in network.blocks[:-1]:
            b.f.clear()
    np.testing.assert_array_equal(short(x, SAMPLE), by_block(long, x, SAMPLE))
    for b, c in zip(short.blocks[:-1], long.blocks[:-1], strict=True):
        assert b.f.count == PICTURES * b.f.count // PICTURES == c.f.count
        np.testing.assert_array_equal(np.sort(b.f.z), np.sort(c.f.z))
        np.testing.assert_array_equal(np.sort(b.f.a), np.sort(c.f.a))
    for network in (short, long):
        network(x, FIT)
    np.testing.assert_allclose(short(x, ANN), by_block(long, x, ANN), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_splitting_a_large_batch_changes_nothing_whatever_way_its_parts_go(cut):
    network, x = build(4, WIDE), pictures(-1)
    whole = network(x, SNN)
    order = np.random.default_rng(1).permutation(PICTURES)
    np.testing.assert_array_equal(
        np.concatenate([network(x[:cut], SNN), network(x[cut:], SNN)]), whole
    )
    np.testing.assert_array_equal(network(x[order], SNN), whole[order])
