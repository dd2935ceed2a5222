"""Data: MNIST and the UCI digits, transforms of image batches, and the loader of batches."""

from refboot.data.dataset import Dataset, load_digits
from refboot.data.loader import DataLoader
from refboot.data.mnist import load_mnist, read_idx
from refboot.data.transforms import Compose, Normalize, RandomAffine, ToTensor

__all__ = [
    "Compose",
    "DataLoader",
    "Dataset",
    "Normalize",
    "RandomAffine",
    "ToTensor",
    "load_digits",
    "load_mnist",
    "read_idx",
]
