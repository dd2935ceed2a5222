"""The classifier of spike trains by their rates: rate, confidence, prediction, and gradients."""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints
from refboot.reference import modes, numbers

MODES = ("probability", "softmax", "logsoftmax")


class Rate:
    """Predicts the class that fires most over all steps of spikes (N, ..., T).

    All axes but the first and the last count as classes. All methods raise ShapeError,
    TypeMismatchError or RangeError for bad input.
    """

    @staticmethod
    def rate(spikes: Floats) -> Floats:
        """The mean over time of spikes (N, ..., T), summed in the order of the steps; float32."""
        spikes = arrays.floats("spikes", spikes)
        arrays.check_shape("spikes", spikes, ("N", *["K"] * max(1, spikes.ndim - 2), "T"))
        return ops.active().mean_rate_forward(spikes)[..., 0]

    @staticmethod
    def rate_backward(grad: Floats, steps: int) -> Floats:
        """Gradient of `rate` with respect to the spikes (N, ..., T), T = `steps`: grad / T each."""
        steps, grad = arrays.whole("steps", steps), arrays.floats("grad", grad)[..., None]
        return modes.mean_rate_backward(grad, steps)

    @staticmethod
    def confidence(spikes: Floats, mode: str = "probability", eps: float = 1e-6) -> Floats:
        """How sure the rates of spikes (N, ..., T) are of each class, (N, K) float32.

        `mode` "probability": rate / (sum of the sample's rates + `eps`); "softmax" or "logsoftmax"
        of the rates.
        """
        rate = Rate.rate(spikes).reshape(len(spikes), -1)
        if arrays.choice("mode", mode, MODES) == "probability":
            return ops.active().share_forward(rate, eps)
        p = ops.active().cross_entropy_forward(rate, np.zeros(len(rate), np.int64))[1]
        return p if mode == "softmax" else numbers.log(p)

    @staticmethod
    def confidence_backward(
        grad: Floats, spikes: Floats, mode: str = "probability", eps: float = 1e-6
    ) -> Floats:
        """Gradient of `confidence` with respect to the spikes (N, ..., T); `grad` is (N, K)."""
        rate = Rate.rate(spikes)
        flat = rate.reshape(len(rate), -1)
        grad = arrays.floats("grad", grad, flat.shape)
        if arrays.choice("mode", mode, MODES) == "probability":
            gr = ops.active().share_backward(grad, flat, eps)
        else:
            p = Rate.confidence(spikes, "softmax")
            if mode == "softmax":
                gr = p * (grad - numbers.total((grad * p).T)[:, None])
            else:
                gr = grad - p * numbers.total(grad.T)[:, None]
        return Rate.rate_backward(gr.reshape(rate.shape), np.shape(spikes)[-1])

    @staticmethod
    def predict(spikes: Floats) -> Ints:
        """The class with the highest rate of each sample, the first of equals; int64 (N,)."""
        return Rate.rate(spikes).reshape(len(spikes), -1).argmax(axis=1)

    def __call__(self, spikes: Floats) -> Ints:
        """See `predict`."""
        return self.predict(spikes)
