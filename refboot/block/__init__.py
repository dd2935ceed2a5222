"""Blocks: the layers a network is made of."""

from refboot.block import cuba
from refboot.block.base import Block

__all__ = ["Block", "cuba"]
