"""The definition once more, in Numba: the same functions under the same names, equal to those of
refboot.reference.

Each module says how equal: exactly where the maths is integer or one operation per element, else to
a stated bound.
"""

from refboot.kernels.adaptive import adaptive_forward
from refboot.kernels.conv import conv_backward, conv_forward
from refboot.kernels.cuba import cuba_backward, cuba_forward
from refboot.kernels.fit import band_medians, saturation
from refboot.kernels.fixed_point import quantize_8bit, quantize_8bit_backward
from refboot.kernels.leaky import leaky_backward, leaky_decay_backward, leaky_forward
from refboot.kernels.loihi import saturated_forward, wrapped_forward
from refboot.kernels.loss import cross_entropy_backward, cross_entropy_forward
from refboot.kernels.norm import norm_backward, norm_forward, norm_statistics
from refboot.kernels.optim import adam_step, sgd_step
from refboot.kernels.pool import average_backward, average_forward, pool_backward, pool_forward
from refboot.kernels.pwl import pwl_backward, pwl_forward
from refboot.kernels.rate_loss import (
    rate_error_backward,
    rate_error_forward,
    share_backward,
    share_forward,
    share_loss_backward,
    share_loss_forward,
)
from refboot.kernels.spike import graded_backward, graded_forward, spike_backward, spike_forward
from refboot.kernels.synapse import (
    dense_backward,
    dense_forward,
    input_backward,
    input_forward,
    weight_norm_backward,
    weight_norm_forward,
)

__all__ = [
    "adam_step",
    "adaptive_forward",
    "average_backward",
    "average_forward",
    "band_medians",
    "conv_backward",
    "conv_forward",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "cuba_backward",
    "cuba_forward",
    "dense_backward",
    "dense_forward",
    "graded_backward",
    "graded_forward",
    "input_backward",
    "input_forward",
    "leaky_backward",
    "leaky_decay_backward",
    "leaky_forward",
    "norm_backward",
    "norm_forward",
    "norm_statistics",
    "pool_backward",
    "pool_forward",
    "pwl_backward",
    "pwl_forward",
    "quantize_8bit",
    "quantize_8bit_backward",
    "rate_error_backward",
    "rate_error_forward",
    "saturated_forward",
    "saturation",
    "sgd_step",
    "share_backward",
    "share_forward",
    "share_loss_backward",
    "share_loss_forward",
    "spike_backward",
    "spike_forward",
    "weight_norm_backward",
    "weight_norm_forward",
    "wrapped_forward",
]
