"""refboot: the golden reference of Bootstrap SNN training, in NumPy and Numba."""

__version__ = "0.1.0"
