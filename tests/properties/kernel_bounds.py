"""By how much a kernel may differ from the definition where it is not equal in every bit: as the
docstrings of the kernels say.

Each bound gets the arguments of the function and gives one array per result. Sums are measured by
the sum of the magnitudes of their terms, gradients by what they would be if nothing cancelled.
"""

import numpy as np

from refboot import reference

U = 2.0**-24  # half a unit in the last place of 1, float32
TINY = float(np.finfo(np.float32).tiny)


def ulps(count, size):
    """`count` units in the last place of numbers of this size."""
    return count * np.maximum(2 * U * np.abs(size.astype(np.float64)), TINY)


def total(x, y, axes):
    """The sum of the magnitudes of products, which bounds every order of summation."""
    return np.tensordot(np.abs(x.astype(np.float64)), np.abs(y.astype(np.float64)), axes)


def decay_bound(gx, y, shared):
    products = np.abs(gx[..., 1:] * (y[..., :-1] / 4096.0))
    return [ulps(4, products.sum(axis=None if shared else (0, *range(2, products.ndim))) / 4096)]


def underflow(grad, slope):
    """What is lost where one exponential is the last above zero, and the other zero."""
    return TINY * slope * float(np.abs(grad).max())


def surrogate_bound(grad, voltage, threshold, tau, scale):
    return [
        ulps(4, reference.spike_backward(grad, voltage, threshold, tau, scale))
        + underflow(grad, scale / (2 * tau))
    ]


def graded_bound(grad, voltage, threshold, tau, scale):
    return [
        ulps(4, reference.graded_backward(grad, voltage, threshold, tau, scale))
        + underflow(grad, scale)
    ]


def cuba_bound(grad, voltage, i_decay, v_decay, threshold, tau, scale):
    """4 ulps of the gradient that |grad| would give, in which nothing cancels."""
    size = reference.cuba_backward(np.abs(grad), voltage, i_decay, v_decay, threshold, tau, scale)
    return [ulps(4, size) + underflow(grad, scale / (2 * tau)) * grad.shape[-1] ** 2]


def dense_bounds(grad, x, weight):
    (n, o, t), i = grad.shape, weight.shape[1]
    gx = total(weight, grad, ((0,), (1,))).transpose(1, 0, 2)
    return ulps(o, gx), ulps(n * t, total(grad, x, ((0, 2), (0, 2))).reshape(o, i))


def norm_bounds(v, g):
    return [ulps(4, reference.weight_norm_forward(v, g))]


def norm_backward_bounds(grad, v, g):
    per_row = (-1, *[1] * (v.ndim - 1))
    norm = reference.synapse.row_norm(v)
    along = total(grad.reshape(len(v), -1), v.reshape(len(v), -1), ((1,), (1,))).diagonal() / norm
    parts = np.abs(grad) + np.abs(v) * (along / norm).reshape(per_row)
    return ulps(4, np.abs(g / norm).reshape(per_row) * parts), ulps(4, along)


def input_bounds(grad, x, weight):
    return (
        ulps(0, grad),
        ulps(4, np.abs(grad * x).sum(keepdims=True).reshape(1)),
        ulps(4, np.abs(grad).sum(keepdims=True).reshape(1)),
    )


def entropy_bounds(logits, labels):
    loss, softmax = reference.cross_entropy_forward(logits, labels)
    return ulps(4, np.maximum(1, np.float64(loss))), ulps(4, softmax)


def saturation_bound(a, high):
    return [1e-12 * np.maximum(1, reference.saturation(a, high))]
