"""Draws from a seed: the raw words of PCG64, and what is made of them."""

from __future__ import annotations

import numpy as np

from refboot.reference import draws, sampling

Array = np.ndarray


def generator(seed: int) -> np.random.Generator:
    """NUM-15: PCG64, seeded by NumPy's SeedSequence."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


def draw_words(seed: int, count: int) -> Array:
    """NUM-15: the first words, their 64 bits read as two's complement."""
    return draws.words(generator(seed), count).view(np.int64)


def draw_uniform(seed: int, low: float, high: float, count: int) -> Array:
    """NUM-15: numbers from [low, high), float64."""
    return draws.uniform(generator(seed), low, high, count)


def draw_permutation(seed: int, count: int) -> Array:
    """NUM-15: a permutation of 0 .. count - 1."""
    return draws.permutation(generator(seed), count)


def draw_half(seed: int, count: int) -> Array:
    """NUM-15, SAM-4: 1 for each of `count` points that stays, else 0."""
    return sampling.half(generator(seed), count).astype(np.int64)
