"""The way around for a network whose layers are to be fitted: all at once, by all threads. One fit
does not depend on another, but for the
order of what they draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from refboot import ops
from refboot.ann_sampler import AnnSampler
from refboot.block.cuba import Affine, Average, Conv, Dense, Flatten, Input, Pool
from refboot.reference.fit import curve_through
from refboot.routine import LayerMode, Mode

FITTED, OTHERS = (Input, Dense, Conv, Pool), (Affine, Average, Flatten)
OWN = {
    "fit",
    "run",
    "soft_clear",
    "draw",
    "keep",
}  # what an object may have got methods of its own for


@contextmanager
def fit_together(blocks: Sequence[Any], mode: LayerMode) -> Iterator[LayerMode]:
    """Fit those of the blocks that are to be fitted, and give the mode in which they run within the
    `with` block, while points are moved; or leave both to each of them.

    To each where one of them all is not refboot's own, or draws for something else on its way
    (dropout).
    """
    samplers = _to_be_fitted(blocks, mode)
    if not samplers:
        yield mode
        return
    ways, points = ops.shortcuts(), [sampler.points for sampler in samplers]
    fitted = [
        (sampler, own)
        for sampler, own in zip(samplers, points, strict=True)
        if sampler.count or sampler.curve is None
    ]
    with ways.Medians(
        [own for _, own in fitted],
        [(sampler.num_centers, *sampler.sample_range) for sampler, _ in fitted],
    ) as medians:
        keeping = ways.Keeping(
            [
                (own, sampler.draw(), sampler.room)
                for sampler, own in zip(samplers, points, strict=True)
            ]
        )
    try:
        keeping.leave()
        for (sampler, _), own in zip(fitted, medians.found(), strict=True):
            sampler.curve = curve_through(
                own.medians, own.top, own.levels, sampler.curve, sampler.alpha, sampler.eps
            )
        del medians  # and what was needed to count
        yield LayerMode(mode.crossover, Mode.ANN)
    finally:
        keeping.join()
        for sampler, count in zip(samplers, keeping.counts.tolist(), strict=True):
            sampler.kept(count)


def _to_be_fitted(blocks: Sequence[Any], mode: LayerMode) -> list[AnnSampler]:
    """The samplers of the blocks that are to be fitted at once; none where there is none, or each
    is to be fitted by itself.
    """
    if (
        type(mode) is not LayerMode
        or mode.base_mode is not Mode.FIT
        or ops.shortcuts() is None
        or not all(map(_allows, blocks))
    ):
        return []
    samplers = [
        block.f
        for block, m in zip(blocks, mode, strict=False)
        if m is Mode.FIT and type(block) not in OTHERS
    ]
    return samplers if len(set(map(id, samplers))) == len(samplers) else []


def _allows(block: Any) -> bool:
    """Whether all that the block draws, and does before it runs, is to fit its own sampler and to
    drop half of the points.
    """
    if type(block) in OTHERS:
        return True
    if (
        type(block) not in FITTED
        or type(block.f) is not AnnSampler
        or type(block.f.rng) is not np.random.Generator
    ):
        return False
    return (
        block.neuron.drop is None and OWN.isdisjoint(vars(block)) and OWN.isdisjoint(vars(block.f))
    )
