"""The benchmark as a whole: every task in turn by refboot and by those it is compared with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np

from refboot import threads, training
from refboot.arrays import extra
from refboot.bench import growth, neurons
from refboot.bench.lava import LavaTutorial
from refboot.bench.limits import limit
from refboot.bench.machine import machine, roofline
from refboot.bench.measure import PAUSE, Action, Time, compare, in_turn, summaries, summary, timed
from refboot.bench.opponent import Opponent
from refboot.bench.start import starts
from refboot.bench.tutorial import BATCH, Tutorial, batches, images
from refboot.data import DataLoader
from refboot.routine import LayerMode, Mode
from refboot.settings import Settings
from refboot.stats import LearningStat

INFERENCE_BATCHES = (32, 100, 500, 2000)
STEPS = (16, 100, 1000)
FITS = 6  # after which there are at most 2 % more points than in the long run
Report = Callable[[str, Any], None]


def run(
    against: Sequence[str] = (),
    rounds: int = 30,
    root: str | os.PathLike[str] | None = None,
    seed: int = 0,
    growing: bool = False,
    count: int | None = None,
    report: Report = lambda task, result: None,
) -> dict[str, Any]:
    """Time every task `rounds` times (fewer where it takes long), `report(task, result)` behind
    each; returns all results.

    `against` names what is compared: "lava-dl", "pytorch", "snntorch", "norse", "spikingjelly";
    `root` is MNIST's folder; `growing` adds the growth of the cost; `count` threads work, PyTorch's
    included (default: as many as each takes by itself). Times are milliseconds, ratios how many
    times as long the other takes. Raises what its parts raise.
    """
    found: dict[str, Any] = {}
    with threads.use(threads.count() if count is None else count):
        if count is not None and against:
            extra("torch", "bench").set_num_threads(count)
        bench = Bench(tuple(against), rounds, root, seed)
        for task, measure in (
            bench.tasks() | ({"growth": bench.growth} if growing else {})
        ).items():
            found[task] = measure()
            report(task, found[task])
    return found


class Bench:
    """The tasks, on one network and its twins in lava-dl and plain PyTorch."""

    def __init__(
        self, against: tuple[str, ...], rounds: int, root: str | os.PathLike[str] | None, seed: int
    ) -> None:
        self.against, self.rounds, self.root = against, rounds, root
        self.rng = np.random.default_rng(seed)
        self.ours = Tutorial(Settings(seed=seed), images(root))
        self.ours.settle(300)
        self.sides: dict[str, Any] = {"refboot": self.ours}
        self.alone: dict[
            str, tuple[Callable[[], Action], dict[str, float]]
        ] = {}  # what prepares ours, and the others' milliseconds
        if "lava-dl" in against:
            self.sides["lava-dl"] = LavaTutorial(self.ours)
            for _ in range(3):
                self.sides["lava-dl"].step(Mode.SAMPLE)
            self.sides["lava-dl"].step(Mode.FIT)
        if "pytorch" in against:
            self.sides["pytorch"] = pytorch(self.ours)

    def tasks(self) -> dict[str, Callable[[], Any]]:
        """By name, in order."""
        return {
            "machine": machine,
            "roofline": lambda: roofline(self.rng, self.rounds),
            "spike rates": self.rates,
            "ANN step": lambda: self.step(Mode.ANN),
            "SNN step": lambda: self.step(Mode.SNN),
            "SAMPLE step": lambda: self.step(Mode.SAMPLE),
            "FIT step": self.fit,
            "parts of a step": self.parts,
            "inference of 10,000 images": self.inference,
            "limits": self.limits,
            "batch with augmentation": self.augmentation,
            "evaluation": self.evaluation,
            "LIF layer": self.neurons,
            "start": lambda: starts(3),
        }

    def rates(self) -> dict[str, float]:
        """Spikes per neuron and step of each spiking layer, on one batch."""
        network, x = self.ours.network, self.ours.next()[0]
        network.eval()
        h, found = network.over_time(x, LayerMode(0, Mode.SNN)), {}
        for i, block in enumerate(network.blocks[:-1]):
            h = block.forward(h, Mode.SNN)
            found[f"blocks.{i}"] = float(h.mean())
        return found

    def step(self, mode: Mode) -> dict[str, Any]:
        """A training step, of the network whose spike rates are told: each round begins with its
        weights.
        """
        actions: dict[str, Action] = {
            name: (lambda s=side: s.step(mode)) for name, side in self.sides.items()
        }  # type: ignore[misc]
        rounds = self.rounds * 3 if mode is Mode.ANN else self.rounds
        return self._kept(
            f"{mode.name} step", actions, compare(actions, rounds, 60, before=self.ours.again)
        )

    def fit(self) -> dict[str, Any]:
        """The step that fits, after ten that sample, with as many points as in a long run; the
        network in plain PyTorch has none.
        """
        sides = {name: side for name, side in self.sides.items() if hasattr(side, "fit")}
        times: dict[str, list[Time]] = {name: [] for name in sides}
        for side in sides.values():
            settled_fit(side)()
        for _ in range(max(3, self.rounds // 4)):
            for name, side in sides.items():
                time.sleep(PAUSE)
                fit = side.fit()
                times[name].append(timed(fit))
        found = summaries(times)
        self.alone["FIT step"] = (
            lambda: settled_fit(self.ours),
            {name: found[name]["median_ms"] for name in sides if name != "refboot"},
        )
        return found | {"points kept": self.ours.points()}

    def parts(self) -> dict[str, Any]:
        """Where the time of a step goes."""
        self.ours.again()
        return {
            mode.name: compare_parts(self.ours.parts(mode), self.rounds)
            for mode in (Mode.SNN, Mode.ANN)
        }

    def inference(self) -> dict[str, Any]:
        """10,000 images through the spiking network; each side with its best size of batch."""
        self.ours.again()
        x = np.concatenate(
            [pixels for pixels, _ in batches(images(self.root, train=False), 100, 100)]
        ).reshape(10000, -1)
        best = {}
        for name, side in self.sides.items():
            sizes: dict[str, Action] = {
                str(n): (lambda s=side, n=n: s.infer(x[: max(INFERENCE_BATCHES)], n))
                for n in INFERENCE_BATCHES
            }  # type: ignore[misc]
            tried = {size: min(times) for size, times in in_turn(sizes, 3, 10, warm=1).items()}
            best[name] = int(min(tried, key=lambda size: tried[size]))
        actions: dict[str, Action] = {
            name: (lambda s=side, n=name: s.infer(x, best[n])) for name, side in self.sides.items()
        }  # type: ignore[misc]
        return self._kept("inference", actions, compare(actions, max(3, self.rounds // 6), 60)) | {
            "batch": best
        }

    def _kept(
        self, task: str, actions: dict[str, Action], result: dict[str, Any]
    ) -> dict[str, Any]:
        def again() -> Action:
            actions["refboot"]()
            return actions["refboot"]

        self.alone[task] = (
            again,
            {name: result[name]["median_ms"] for name in actions if name != "refboot"},
        )
        return result

    def limits(self) -> dict[str, Any]:
        """What the kernels of the tasks so far take by themselves."""
        found = {}
        for task, (ours, others) in self.alone.items():
            self.ours.again()
            found[task] = limit(ours, max(3, self.rounds // 3), others)
        return found

    def augmentation(self) -> dict[str, Any]:
        """Shuffling, augmenting and scaling a batch, by the batch."""
        loader, _ = training.loaders(Settings(), self.rng, self.root) if self.root else (None, None)
        if loader is None:
            return {}
        small = DataLoader(
            loader.dataset, BATCH, shuffle=True, transform=loader.transform, rng=self.rng
        )
        batch = chain.from_iterable(repeat(small))
        return compare({"refboot": lambda: next(batch)}, self.rounds * 3, 10)

    def evaluation(self) -> dict[str, Any]:
        """The test images in both modes, by the image."""
        if not self.root:
            return {}
        loader = training.evaluation_loader(Settings(), self.root)
        modes = {mode.name: LayerMode(0, mode) for mode in (Mode.ANN, Mode.SNN)}
        actions: dict[str, Action] = {
            name: (lambda m=mode: training.evaluate(self.ours.network, loader, m, LearningStat()))  # type: ignore[misc]
            for name, mode in modes.items()
        }
        return compare(actions, 3, 60, len(loader.dataset))

    def neurons(self) -> dict[str, Any]:
        """A LIF layer alone, forward and backward."""
        found = {}
        for steps in STEPS:
            actions = neurons.actions(steps, self.rng, self.against)
            found[f"T = {steps}"] = compare(actions, self.rounds if steps < 1000 else 3, 30, 1)
        return found

    def growth(self) -> dict[str, Any]:
        """How the cost grows."""
        return growth.growth(self.rng, max(3, self.rounds // 4))


def pytorch(twin: Tutorial) -> Opponent:
    """The twin in plain PyTorch; raises MissingExtraError where that is not installed."""
    extra("torch", "bench")
    from refboot.bench.pytorch import TorchTutorial  # noqa: PLC0415 (needs PyTorch)

    return TorchTutorial(twin)


def settled_fit(side: Any) -> Action:
    """The next step that fits, when half of the points has been dropped so often that there are no
    longer fewer or more each time.
    """
    for _ in range(FITS):
        side.fit()()
    fit: Action = side.fit()
    return fit


def compare_parts(actions: dict[str, Action], rounds: int) -> dict[str, Any]:
    """Times of the parts of a step, done in order, and their share of it."""
    times = in_turn(actions, rounds * 2, 20)
    found: dict[str, Any] = {name: summary(t) for name, t in times.items()}
    total = sum(part["median_ms"] for part in found.values())
    return {name: part | {"share": part["median_ms"] / total} for name, part in found.items()}
