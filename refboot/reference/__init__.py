"""The definition: Bootstrap SNN training in plain NumPy, forward beside backward; each function
names its clauses of the spec.

Read in this order. Numbers: numbers, draws. A spiking layer: leaky, spike, cuba, synapse.
Bootstrap: sampling, fit, pwl, modes, training. Then what the tutorial does not use: conv, pool,
norm, adaptive, loihi, rate_loss.
Arrays are float32 (real values), int64 (values on a grid) or, in a fit, float64; time is the last
axis. The names below are the operations that a set of operations (refboot.ops) may replace.
"""

from types import FunctionType

from refboot.reference.adaptive import adaptive_forward
from refboot.reference.conv import conv_backward, conv_forward
from refboot.reference.cuba import cuba_backward, cuba_forward
from refboot.reference.fit import band_medians, saturation
from refboot.reference.leaky import leaky_backward, leaky_decay_backward, leaky_forward
from refboot.reference.loihi import saturated_forward, wrapped_forward
from refboot.reference.modes import mean_rate_forward
from refboot.reference.norm import norm_backward, norm_forward, norm_statistics
from refboot.reference.numbers import quantize_8bit, quantize_8bit_backward
from refboot.reference.pool import average_backward, average_forward, pool_backward, pool_forward
from refboot.reference.pwl import pwl_backward, pwl_forward
from refboot.reference.rate_loss import (
    rate_error_backward,
    rate_error_forward,
    share_backward,
    share_forward,
    share_loss_backward,
    share_loss_forward,
)
from refboot.reference.spike import graded_backward, graded_forward, spike_backward, spike_forward
from refboot.reference.synapse import (
    dense_backward,
    dense_forward,
    input_backward,
    input_forward,
    weight_norm_backward,
    weight_norm_forward,
)
from refboot.reference.training import (
    adam_step,
    cross_entropy_backward,
    cross_entropy_forward,
    sgd_step,
)

OPERATIONS = tuple(name for name, value in vars().items() if isinstance(value, FunctionType))
