"""Files: the state of a network in HDF5."""

from refboot.io.state import load, read, save

__all__ = ["load", "read", "save"]
