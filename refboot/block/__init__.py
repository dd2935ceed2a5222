"""Blocks: the layers of a network."""

from refboot.block import cuba
from refboot.block.base import Block, Layer

__all__ = ["Block", "Layer", "cuba"]
