"""The way around for a network whose layers are to be fitted: all at once, by all threads. One fit does not depend on another, but for the
order of what they draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

import numpy as np

from refboot import ops, threads
from refboot.ann_sampler import AnnSampler
from refboot.block.cuba import Affine, Average, Conv, Dense, Flatten, Input, Pool
from refboot.reference.fit import curve_through, levels_to
from refboot.routine import LayerMode, Mode

FITTED, OTHERS = (Input, Dense, Conv, Pool), (Affine, Average, Flatten)
OWN = {"fit", "run", "soft_clear", "draw", "keep"}  # what an object may have got methods of its own for


def fit_together(blocks: Sequence[Any], mode: LayerMode) -> LayerMode:
    """Fit those of the blocks that are to be fitted, and return the mode in which they then run; or leave both to each of them.

    To each where one of them all is not refboot's own, or draws for something else on its way (dropout).
    """
    if type(mode) is not LayerMode or mode.base_mode is not Mode.FIT or ops.shortcuts() is None:
        return mode
    if not all(map(_allows, blocks)):
        return mode
    samplers = [block.f for block, m in zip(blocks, mode, strict=False) if m is Mode.FIT and type(block) not in OTHERS]
    if len(set(map(id, samplers))) < len(samplers):
        return mode
    few_first = sorted(samplers, key=lambda sampler: sampler.count)  # nobody helps until the first is begun
    fits = [_Fit(sampler) for sampler in few_first if sampler.count or sampler.curve is None]
    stay = _count(fits, samplers)
    keep = [partial(sampler.keep, own) for sampler, own in zip(samplers, stay, strict=True)]
    last = [partial(fit.draw, fit.found()) for fit in fits[-1:]]
    _share([*keep[:1], *last, *keep[1:]])  # a curve keeps Python's lock: drawn first, it would keep others from beginning
    return LayerMode(mode.crossover, Mode.ANN)


class _Fit:
    """The fit of one sampler, as by `AnnSampler.fit`: medians as they are counted by `begin`, then the curve through them."""

    def __init__(self, sampler: AnnSampler) -> None:
        self.sampler = sampler

    def begin(self) -> None:
        own, points = self.sampler, self.sampler.points
        self.top = ops.active().saturation(points[1], own.sample_range[1])
        self.levels = levels_to(self.top, own.num_centers, own.sample_range)
        self.medians = ops.shortcuts().Medians(points[0], points[1], self.levels)

    def found(self) -> np.ndarray:
        """The medians, when all is counted; what was needed to count is let go."""
        found: np.ndarray = self.medians.found()
        del self.medians
        return found

    def draw(self, medians: np.ndarray) -> None:
        own = self.sampler
        own.curve = curve_through(medians, self.top, self.levels, own.curve, own.alpha, own.eps)


def _count(fits: Sequence[_Fit], samplers: Sequence[AnnSampler]) -> list[np.ndarray]:
    """Begin one fit after the other: while others count for it, draw the curve of that before, begin the next, and draw which points of one
    sampler stay. The last curve is not drawn yet."""
    left = iter(samplers)
    stay: list[np.ndarray] = []
    if fits:
        fits[0].begin()
    for i, fit in enumerate(fits):
        with fit.medians:
            if i > 0:
                fits[i - 1].draw(fits[i - 1].found())
            if i + 1 < len(fits):
                fits[i + 1].begin()
            stay.append(next(left).draw())
    return stay + [sampler.draw() for sampler in left]


def _share(tasks: Sequence[Callable[[], object]]) -> None:
    """Call each, with the operations that are in use here, on all threads."""
    threads.share([partial(copy_context().run, task) for task in tasks])


def _allows(block: Any) -> bool:
    """Whether all that the block draws, and does before it runs, is to fit its own sampler and to drop half of the points."""
    if type(block) in OTHERS:
        return True
    if type(block) not in FITTED or type(block.f) is not AnnSampler or type(block.f.rng) is not np.random.Generator:
        return False
    few = block.f.num_centers <= ops.shortcuts().MOST
    return few and block.neuron.drop is None and OWN.isdisjoint(vars(block)) and OWN.isdisjoint(vars(block.f))
