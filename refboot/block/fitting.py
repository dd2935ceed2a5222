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
    stay: list[np.ndarray] = []
    fits = [sampler.fit for sampler in sorted(samplers, key=lambda sampler: sampler.count)]
    _share([lambda: stay.extend(sampler.draw() for sampler in samplers), *fits])
    _share([partial(sampler.keep, own) for sampler, own in zip(samplers, stay, strict=True)])
    return LayerMode(mode.crossover, Mode.ANN)


def _share(tasks: Sequence[Callable[[], object]]) -> None:
    """Call each, with the operations that are in use here, on all threads."""
    threads.share([partial(copy_context().run, task) for task in tasks])


def _allows(block: Any) -> bool:
    """Whether all that the block draws, and does before it runs, is to fit its own sampler and to drop half of the points."""
    if type(block) in OTHERS:
        return True
    if type(block) not in FITTED or type(block.f) is not AnnSampler or type(block.f.rng) is not np.random.Generator:
        return False
    return block.neuron.drop is None and OWN.isdisjoint(vars(block)) and OWN.isdisjoint(vars(block.f))
