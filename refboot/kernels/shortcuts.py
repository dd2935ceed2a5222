"""What this set of operations offers beside the functions of the definition: ways around to the same results (`ops.shortcuts`)."""

from refboot.kernels.coded import coded_backward, coded_forward, encode
from refboot.kernels.events import rows_of
from refboot.kernels.magnitude import largest

__all__ = ["coded_backward", "coded_forward", "encode", "largest", "rows_of"]
