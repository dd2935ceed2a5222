"""The loss, with its gradient."""

from __future__ import annotations

from refboot import arrays, ops
from refboot.arrays import Floats


def cross_entropy(logits: Floats, labels: object) -> tuple[float, Floats]:
    """Mean cross-entropy of logits (N, K) and labels (N,), and its gradient for the logits (N, K), float32.

    Raises ShapeError, TypeMismatchError, RangeError (NaN, a label outside [0, K)).
    """
    logits = arrays.floats("logits", logits, ("N", "K"))
    classes = arrays.labels("labels", labels, *logits.shape)
    loss, softmax = ops.active().cross_entropy_forward(logits, classes)
    return loss, ops.active().cross_entropy_backward(softmax, classes)
