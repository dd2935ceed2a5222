"""The definition once more, in Numba: the same names, the same bits, many numbers at a time.

Each module has the twins of the module of the same name in refboot.reference. The operations that
are missing here are fast enough as the definition has them.
"""

from types import FunctionType

from refboot.kernels.conv import conv_backward, conv_forward
from refboot.kernels.cuba import cuba_backward, cuba_forward, spike_backward
from refboot.kernels.fit import band_medians, saturation
from refboot.kernels.leaky import leaky_backward, leaky_decay_backward, leaky_forward
from refboot.kernels.norm import mean_rate_forward, norm_backward, norm_statistics
from refboot.kernels.numbers import quantize_8bit, quantize_8bit_backward
from refboot.kernels.pool import pool_backward, pool_forward
from refboot.kernels.pwl import pwl_backward, pwl_forward
from refboot.kernels.synapse import (
    dense_backward,
    dense_forward,
    input_backward,
    weight_norm_backward,
    weight_norm_forward,
)
from refboot.kernels.training import adam_step, sgd_step

OPERATIONS = tuple(name for name, value in vars().items() if isinstance(value, FunctionType))
