"""Hybrid training: spiking blocks run T steps, the first rate block gets their mean, gradients go
back through the bridge.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import SAMPLE, TUTORIAL, build, fitted, images_ni
from strategies import seeds

from refboot.block import Layer
from refboot.block.cuba import Flatten
from refboot.network import Network
from refboot.neuron import Dropout
from refboot.routine import LayerMode, Mode

N, IN, OUT, T = 3, 6, 3, 8
BLOCKS = 4
bases = st.sampled_from([Mode.ANN, Mode.FIT])


class Watched(Layer):
    """A layer around a block that notes what it was given: the steps and the mode."""

    def __init__(self, block):
        self.block, self.seen = block, None

    def build(self, shape):
        return self.block.build(shape)

    def run(self, x, mode):
        self.seen = x.shape[-1], mode
        return self.block.run(x, mode)

    def backward(self, grad):
        return self.block.backward(grad)


def networks(seed, count, **options):
    return [
        fitted(build(seed, (IN, 5, 4, OUT), T, **options), images_ni(seed, 16, IN))
        for _ in range(count)
    ]


def grads(network):
    return {name: p.grad for name, p in network.named_parameters().items() if p.trainable}


def by_hand(network, x, crossover, base, dy):
    """Spiking blocks on T steps, their mean over time, rate blocks on one; and the gradient the way
    back.
    """
    spiking, rating = network.blocks[:crossover], network.blocks[crossover:]
    h = np.repeat(x[..., None], T if spiking else 1, axis=-1)
    for b in spiking:
        h = b.forward(h, Mode.SNN)
    rate = (h.sum(axis=-1, keepdims=True) / np.float32(h.shape[-1])).astype(np.float32)
    y = rate if rating else h
    for b in rating:
        y = b.forward(y, base)
    grad = dy[..., : y.shape[-1]]
    for b in reversed(rating):
        grad = b.backward(grad)
    if rating and spiking:
        grad = np.repeat(grad / np.float32(T), T, axis=-1)
    for b in reversed(spiking):
        grad = b.backward(grad)
    return y, grad


@given(seeds, st.integers(0, BLOCKS), bases, st.booleans())
def test_hybrid_pass_equals_spiking_blocks_then_their_mean_then_rate_blocks(
    seed, crossover, base, delay_shift
):
    whole, parts = networks(seed, 2, delay_shift=delay_shift)
    x, dy = (
        images_ni(seed + 1, N, IN),
        np.random.default_rng(seed).normal(size=(N, OUT, T)).astype(np.float32),
    )
    y, gx = by_hand(parts, x, crossover, base, dy)
    np.testing.assert_array_equal(whole(x, LayerMode(crossover, base)), y)
    np.testing.assert_array_equal(whole.backward(dy[..., : y.shape[-1]]), gx)
    got, want = grads(whole), grads(parts)
    assert got.keys() == want.keys()
    for name in got:
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)


@given(seeds, st.integers(0, BLOCKS + 2), st.sampled_from(Mode))
def test_spiking_blocks_see_all_steps_and_rate_blocks_after_the_bridge_one(seed, crossover, base):
    network = Network([Watched(b) for b in networks(seed, 1)[0].blocks], (IN,), T)
    mode = LayerMode(crossover, base)
    y = network(images_ni(seed, N, IN), mode)
    spiking = [m.spiking for m, _ in zip(mode, network.blocks, strict=False)]
    steps = [block.seen[0] for block in network.blocks]
    first_rate = spiking.index(False) if False in spiking else BLOCKS
    assert [block.seen[1] for block in network.blocks] == [mode.of(i) for i in range(BLOCKS)]
    assert steps[:first_rate] == [T] * first_rate
    assert steps[first_rate : first_rate + 1] in ([], [T if first_rate else 1])
    assert steps[first_rate + 1 :] == [1] * len(steps[first_rate + 1 :])
    assert y.shape == (N, OUT, T if spiking[-1] else 1)


@pytest.mark.parametrize("crossover", range(BLOCKS + 1))
def test_every_parameter_before_and_after_the_bridge_learns(crossover):
    """Without a gradient through the bridge, a hybrid net would train its rate layers alone."""
    network = fitted(build(5, (IN, 12, 12, OUT), T), images_ni(5, 16, IN))
    y = network(images_ni(6, 8, IN), LayerMode(crossover, Mode.ANN))
    network.backward(np.random.default_rng(5).normal(size=y.shape).astype(np.float32))
    assert [name for name, g in grads(network).items() if g is None or not np.any(g)] == []


@given(seeds, st.integers(0, BLOCKS))
def test_sampling_takes_every_layer_whatever_the_crossover(seed, crossover):
    one, other = (build(seed, (IN, 5, 4, OUT), T) for _ in range(2))
    x = images_ni(seed, N, IN)
    np.testing.assert_array_equal(one(x, LayerMode(crossover, Mode.SAMPLE)), other(x, SAMPLE))
    for b, c in zip(one.blocks[:-1], other.blocks[:-1], strict=True):
        assert b.f.count == c.f.count > 0
        np.testing.assert_array_equal(b.f.z, c.f.z)
        np.testing.assert_array_equal(b.f.a, c.f.a)


@given(seeds)
def test_fit_mode_fits_and_then_answers_as_ann_mode(seed):
    network, x = build(seed, (IN, 5, 4, OUT), T), images_ni(seed, N, IN)
    network(x, SAMPLE)
    before = [b.f.count for b in network.blocks[:-1]]
    answer = network(x, LayerMode(0, Mode.FIT))
    assert [b.f.count for b in network.blocks[:-1]] == [n - n // 2 for n in before]
    np.testing.assert_array_equal(network(x, LayerMode(0, Mode.ANN)), answer)


@given(seeds, st.integers(0, BLOCKS), st.sampled_from(Mode))
def test_blocks_between_which_only_the_shape_changes_may_stand_anywhere(seed, crossover, base):
    plain, with_flatten = networks(seed, 2)
    images = Network([Flatten(), *with_flatten.blocks], (2, IN // 2), T)
    x = images_ni(seed, N, IN)
    np.testing.assert_array_equal(
        images(x.reshape(N, 2, IN // 2), LayerMode(crossover + 1, base)),
        plain(x, LayerMode(crossover, base)),
    )


@pytest.mark.parametrize("base", [Mode.ANN, Mode.SNN])
def test_dropout_acts_in_training_alone_and_the_same_seed_drops_the_same(base):
    def network():
        return networks(
            3, 1, neuron={**TUTORIAL, "dropout": Dropout(0.5, np.random.default_rng(3))}
        )[0]

    x, mode = images_ni(3, 32, IN), LayerMode(0, base)
    one, other = network(), network()
    first = one(x, mode)
    np.testing.assert_array_equal(first, other(x, mode))
    assert not np.array_equal(first, one(x, mode))
    one.eval()
    np.testing.assert_array_equal(one(x, mode), one(x, mode))
