"""What this set of operations offers beside the functions of the definition: ways around
(`ops.shortcuts`).
"""

from refboot.kernels.chain import Entry, Layer, Pieces, chain_backward, chain_forward
from refboot.kernels.coded import coded_backward, coded_forward, encode
from refboot.kernels.coded_rates import rates_backward, rates_forward
from refboot.kernels.cuba import cuba_within
from refboot.kernels.events import rows_of
from refboot.kernels.jit import COMPILED
from refboot.kernels.magnitude import largest, squares
from refboot.kernels.medians import Keeping, Medians
from refboot.kernels.optim import adam_steps, sgd_steps
from refboot.kernels.passes import NormedRows
from refboot.kernels.rates import mean_over_time
from refboot.kernels.running import coded_spikes, dense_spikes
from refboot.kernels.spiking_chain import Neurons, Source, spiking_backward, spiking_forward
from refboot.kernels.through import spikes_through
from refboot.kernels.weight import normed_8bit, normed_8bit_backward

__all__ = [
    "COMPILED",
    "Entry",
    "Keeping",
    "Layer",
    "Medians",
    "Neurons",
    "NormedRows",
    "Pieces",
    "Source",
    "adam_steps",
    "chain_backward",
    "chain_forward",
    "coded_backward",
    "coded_forward",
    "coded_spikes",
    "cuba_within",
    "dense_spikes",
    "encode",
    "largest",
    "mean_over_time",
    "normed_8bit",
    "normed_8bit_backward",
    "rates_backward",
    "rates_forward",
    "rows_of",
    "sgd_steps",
    "spikes_through",
    "spiking_backward",
    "spiking_forward",
    "squares",
]
