"""Exchange files (`.net`): networks from lava-dl's and refboot's own, run as floats or as Loihi's
integers.
"""

from refboot.exchange import read, write
from refboot.io.netx.build import build, load
from refboot.io.netx.loihi import decide, simulate

__all__ = ["build", "decide", "load", "read", "simulate", "write"]
