"""Losses, each with its gradient."""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints
from refboot.errors import RangeError
from refboot.reference.modes import mean_rate_backward

REDUCTIONS = ("sum", "mean")
MODES = ("probability", "softmax")


def cross_entropy(logits: Floats, labels: object) -> tuple[float, Floats]:
    """Mean cross-entropy of logits (N, K) and labels (N,), and its gradient (N, K), float32.

    The gradient is with respect to the logits. Raises ShapeError, TypeMismatchError, RangeError
    (NaN, a label outside [0, K)).
    """
    logits = arrays.floats("logits", logits, ("N", "K"))
    classes = arrays.labels("labels", labels, *logits.shape)
    loss, softmax = ops.active().cross_entropy_forward(logits, classes)
    return loss, ops.active().cross_entropy_backward(softmax, classes)


class SpikeRate:
    """Squared distance of each class's rate to `true_rate` (the label's) or `false_rate` (others').

    `reduction` "sum" adds up all samples and classes, "mean" takes their mean. Raises RangeError,
    TypeMismatchError.
    """

    def __init__(self, true_rate: float, false_rate: float, reduction: str = "sum") -> None:
        self.true_rate = arrays.number("true_rate", true_rate, 0, 1)
        self.false_rate = arrays.number("false_rate", false_rate, 0, 1)
        self.reduction = arrays.choice("reduction", reduction, REDUCTIONS)

    def __call__(self, spikes: Floats, labels: object) -> tuple[float, Floats]:
        """The loss of spikes (N, ..., T) with labels (N,), and its gradient in their shape.

        Space counts as classes. Raises ShapeError, TypeMismatchError, RangeError.
        """
        (rates, classes), o = _rates(spikes, labels), ops.active()
        loss, error = o.rate_error_forward(rates, classes, self.true_rate, self.false_rate)
        count = rates.size if self.reduction == "mean" else 1
        return loss / count, _over_time(o.rate_error_backward(error), np.shape(spikes), count)


class SpikeMax:
    """Negative log-likelihood of the label.

    The likelihood is the label's share of all spikes (`mode` "probability"; a silent label counts
    as a rate of 1/1024), or the softmax of the rates ("softmax"). `reduction` "sum" adds up the
    samples, "mean" takes their mean. Raises RangeError.
    """

    def __init__(self, mode: str = "probability", reduction: str = "sum") -> None:
        self.mode = arrays.choice("mode", mode, MODES)
        self.reduction = arrays.choice("reduction", reduction, REDUCTIONS)

    def __call__(self, spikes: Floats, labels: object) -> tuple[float, Floats]:
        """The loss of spikes (N, ..., T) with labels (N,), and its gradient in their shape.

        Space counts as classes. Raises ShapeError, TypeMismatchError, RangeError (in mode
        "probability" also for spikes below zero).
        """
        (rates, classes), o = _rates(spikes, labels), ops.active()
        samples = len(rates)
        if self.mode == "softmax":
            mean, softmax = o.cross_entropy_forward(rates, classes)
            loss = mean * samples
            grad = o.cross_entropy_backward(softmax, classes) * np.float32(samples)
        else:
            if rates.min() < 0:
                raise RangeError("the rates", rates.min(), "at least 0, as rates are")
            loss, grad = o.share_loss_forward(rates, classes), o.share_loss_backward(rates, classes)
        count = samples if self.reduction == "mean" else 1
        return loss / count, _over_time(grad, np.shape(spikes), count)


def _rates(spikes: Floats, labels: object) -> tuple[Floats, Ints]:
    """The rates (N, K) of spikes (N, ..., T), space counting as classes, and the checked labels."""
    spikes = arrays.floats("spikes", spikes)
    arrays.check_shape("spikes", spikes, ("N", *["K"] * max(1, spikes.ndim - 2), "T"))
    rates = ops.active().mean_rate_forward(spikes.reshape(len(spikes), -1, spikes.shape[-1]))[
        ..., 0
    ]
    return rates, arrays.labels("labels", labels, *rates.shape)


def _over_time(grad: Floats, shape: tuple[int, ...], count: int) -> Floats:
    """Gradient of a loss divided by `count`, from that of the rates to that of the spikes."""
    return mean_rate_backward((grad / np.float32(count))[..., None], shape[-1]).reshape(shape)
