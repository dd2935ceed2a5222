"""The classifier of spike trains by their rates: rate, confidence and prediction, with the
gradients of the first two.
"""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints

MODES = ("probability", "softmax", "logsoftmax")


class Rate:
    """Reads a class from spikes (N, ..., T): the one that fires most over all steps; space counts
    as classes. Has no state.
    """

    def __call__(self, spikes: Floats) -> Ints:
        """See `predict`."""
        return self.predict(spikes)

    @staticmethod
    def rate(spikes: Floats) -> Floats:
        """The mean over time of spikes (N, ..., T), float32; raises ShapeError, TypeMismatchError,
        RangeError.
        """
        return _checked(spikes).mean(axis=-1)

    @staticmethod
    def rate_backward(grad: Floats, steps: int) -> Floats:
        """Gradient of `rate` for the spikes (N, ..., T), T = `steps`, given that of the rates (N,
        ...): an equal share for each step.
        """
        grad, steps = arrays.floats("grad", grad), arrays.whole("steps", steps)
        return np.repeat((grad / np.float32(steps))[..., None], steps, axis=-1)

    @staticmethod
    def confidence(spikes: Floats, mode: str = "probability", eps: float = 1e-6) -> Floats:
        """How sure the rates of spikes (N, ..., T) are of each class (N, K), float32.

        `mode` "probability": the rate's share of the sample's sum (plus `eps`); "softmax" or
        "logsoftmax" of the rates. Raises as `rate`.
        """
        rates = _flat(Rate.rate(spikes))
        if _mode(mode) == "probability":
            return ops.active().share_forward(rates, eps)
        softmax = _softmax(rates)
        return softmax if mode == "softmax" else np.log(softmax)

    @staticmethod
    def confidence_backward(
        grad: Floats, spikes: Floats, mode: str = "probability", eps: float = 1e-6
    ) -> Floats:
        """Gradient of `confidence` for the spikes (N, ..., T), given that of the confidence (N, K);
        float32.
        """
        spikes = _checked(spikes)
        rates = _flat(Rate.rate(spikes))
        grad = arrays.floats("grad", grad, rates.shape)
        if _mode(mode) == "probability":
            gr = ops.active().share_backward(grad, rates, eps)
        elif mode == "softmax":
            p = _softmax(rates)
            gr = p * (grad - (grad * p).sum(axis=1, keepdims=True))
        else:
            gr = grad - _softmax(rates) * grad.sum(axis=1, keepdims=True)
        return Rate.rate_backward(gr.reshape(spikes.shape[:-1]), spikes.shape[-1])

    @staticmethod
    def predict(spikes: Floats) -> Ints:
        """The class with the highest rate, the first of equals, for each sample (N,), int64; raises
        as `rate`.
        """
        return _flat(Rate.rate(spikes)).argmax(axis=1)


def _checked(spikes: Floats) -> Floats:
    spikes = arrays.floats("spikes", spikes)
    arrays.check_shape("spikes", spikes, ("N", *["K"] * max(1, spikes.ndim - 2), "T"))
    return spikes


def _flat(rates: Floats) -> Floats:
    return rates.reshape(len(rates), -1)


def _softmax(rates: Floats) -> Floats:
    return ops.active().cross_entropy_forward(rates, np.zeros(len(rates), np.int64))[1]


def _mode(mode: str) -> str:
    return arrays.choice("mode", mode, MODES)
