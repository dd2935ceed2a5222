"""The definition: Bootstrap SNN training in plain NumPy, forward beside backward, one module per chapter of the spec.

Read in this order: fixed_point, leaky, spike, cuba, synapse, fit, pwl, loss, optim. Arrays are float32 (real values) or
int64 (values on a grid); time is the last axis.
"""

from refboot.reference.cuba import cuba_backward, cuba_forward
from refboot.reference.fit import band_medians, saturation
from refboot.reference.fixed_point import quantize_8bit, quantize_8bit_backward
from refboot.reference.leaky import leaky_backward, leaky_decay_backward, leaky_forward
from refboot.reference.loss import cross_entropy_backward, cross_entropy_forward
from refboot.reference.optim import adam_step, sgd_step
from refboot.reference.pwl import pwl_backward, pwl_forward
from refboot.reference.spike import graded_backward, graded_forward, spike_backward, spike_forward
from refboot.reference.synapse import (
    dense_backward,
    dense_forward,
    input_backward,
    input_forward,
    weight_norm_backward,
    weight_norm_forward,
)

__all__ = [
    "adam_step",
    "band_medians",
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
    "pwl_backward",
    "pwl_forward",
    "quantize_8bit",
    "quantize_8bit_backward",
    "saturation",
    "sgd_step",
    "spike_backward",
    "spike_forward",
    "weight_norm_backward",
    "weight_norm_forward",
]
