"""Losses and the classifier on the edges: silent labels, bad arguments, maps as classes."""

import numpy as np
import pytest

from refboot.classifier import Rate
from refboot.errors import RangeError, ShapeError, TypeMismatchError
from refboot.loss import SpikeMax, SpikeRate


def test_a_silent_label_costs_a_finite_loss_and_is_pushed_to_fire():
    spikes = np.zeros((1, 3, 8), np.float32)
    spikes[0, 1] = 1
    loss, grad = SpikeMax()(spikes, np.array([0]))
    assert loss == pytest.approx(np.log(1024), rel=1e-5)
    assert np.isfinite(grad).all()
    assert (grad[0, 0] < 0).all()
    assert (grad[0, 1] > 0).all()


def test_a_single_spike_in_1024_steps_is_not_touched_by_the_floor():
    spikes = np.zeros((1, 2, 1024), np.float32)
    spikes[0, 0, 5] = 1
    spikes[0, 1] = 1
    loss, _ = SpikeMax()(spikes, np.array([0]))
    assert loss == pytest.approx(np.log(1025), rel=1e-5)


def test_all_silent_is_finite():
    loss, grad = SpikeMax()(np.zeros((2, 3, 4), np.float32), np.array([0, 1]))
    assert np.isfinite(loss)
    assert np.isfinite(grad).all()
    assert Rate.confidence(np.zeros((2, 3, 4), np.float32)).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("loss", [SpikeRate(1, 0), SpikeMax(), SpikeMax("softmax")])
def test_space_counts_as_classes(loss):
    spikes = (np.random.default_rng(0).random((2, 2, 1, 3, 8)) < 0.5).astype(np.float32)
    value, grad = loss(spikes, np.array([4, 0]))
    flat, flat_grad = loss(spikes.reshape(2, 6, 8), np.array([4, 0]))
    assert value == flat
    np.testing.assert_array_equal(grad, flat_grad.reshape(spikes.shape))


@pytest.mark.parametrize("loss", [SpikeRate(1, 0), SpikeMax(), SpikeMax("softmax")])
@pytest.mark.parametrize(
    ("spikes", "labels", "error"),
    [
        (np.zeros((2, 3)), [0, 1], ShapeError),
        (np.zeros((2, 3, 4)), [0, 3], RangeError),
        (np.zeros((2, 3, 4)), [0.5, 1], TypeMismatchError),
        (np.full((2, 3, 4), np.nan), [0, 1], RangeError),
        (np.zeros((2, 3, 4), complex), [0, 1], TypeMismatchError),
    ],
)
def test_bad_spikes_and_labels_are_refused(loss, spikes, labels, error):
    with pytest.raises(error):
        loss(spikes, labels)


def test_bad_choices_are_refused():
    for make in (
        lambda: SpikeRate(1.5, 0),
        lambda: SpikeRate(1, 0, "max"),
        lambda: SpikeMax("both"),
        lambda: SpikeMax(reduction="none"),
    ):
        with pytest.raises(RangeError):
            make()
    with pytest.raises(RangeError, match="mode"):
        Rate.confidence(np.zeros((1, 2, 3)), "sure")
    with pytest.raises(RangeError, match="at least 0"):
        SpikeMax()(np.full((1, 2, 3), -1.0), [0])


def test_the_first_of_equals_is_predicted():
    assert Rate()(np.ones((3, 4, 5), np.float32)).tolist() == [0, 0, 0]
