"""The tasks of the benchmark, by refboot's public parts only, so that any checkout can run them.

Run as a program, this file times the tasks named on its input: see refboot.bench.checkout.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from refboot import data, ops, training
from refboot.arrays import Floats, Ints
from refboot.block import cuba
from refboot.errors import FormatError
from refboot.network import Network
from refboot.optim import Adam
from refboot.routine import LayerMode, Mode
from refboot.settings import DIGITS, Settings
from refboot.stats import LearningStat

Action = Callable[[], Any]
Prepare = Callable[[], Action]
BATCH, IMAGES = 32, 10000
NEURON = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
SAMPLES, NEURONS = 32, 512  # of the LIF layer
FITS = 6  # after so many, a sampler has as many points as in a long run
PAUSE, SHORT = 0.02, 0.2  # seconds


class Time(NamedTuple):
    """Seconds an action took: by the clock, and processor time of all threads."""

    clock: float
    processor: float


def timed(action: Action) -> Time:
    """Run the action once."""
    used, begun = time.process_time(), time.perf_counter()
    action()
    return Time(time.perf_counter() - begun, time.process_time() - used)


def settled(action: Action, once: bool = False) -> Time:
    """Time the action as in a long run of its own.

    A pause lets the threads of other programs stop spinning. Then, unless `once`, a short action
    is repeated untimed for 20 ms.
    """
    time.sleep(PAUSE)
    begun = time.perf_counter()
    first = timed(action)
    if once or first.clock >= SHORT:
        return first
    while time.perf_counter() < begun + PAUSE:
        action()
    return timed(action)


class Tutorial:
    """The tutorial's network in training: MNIST if it is in `root`, else enlarged digits."""

    def __init__(self, settings: Settings, root: str | None, steps: int = 300) -> None:
        rng = np.random.Generator(np.random.PCG64(settings.seed))
        self.settings, self.root = settings, root
        self.network: Network = training.build(settings, rng)
        self.batches = batches(images(settings, root), 64 * BATCH)
        self.turn = 0
        self.optimizer = Adam(self.network.parameters(), lr=settings.lr)
        for mode in ([Mode.SAMPLE] * 10 + [Mode.FIT]) * FITS + [Mode.ANN] * steps:
            self.step(mode)
        self.state = self.network.state()

    def again(self) -> None:
        """Restore the network: trained on a few batches for long, it would spike ever more."""
        self.network.load_state(self.state)
        self.optimizer = Adam(self.network.parameters(), lr=self.settings.lr)

    def next(self) -> tuple[Floats, Ints]:
        """The next batch."""
        self.turn += 1
        return self.batches[self.turn % len(self.batches)]

    def step(self, mode: Mode) -> None:
        """One training step in `mode`."""
        self.network.train()
        batch, stat = self.next(), LearningStat()
        training.train_step(self.network, self.optimizer, *batch, LayerMode(0, mode), stat)

    def prepared(self, mode: Mode) -> Action:
        """A training step in `mode`, of the restored network; before a fit, it samples 10 times."""
        self.again()
        for _ in range(10 if mode is Mode.FIT else 0):
            self.step(Mode.SAMPLE)
        return lambda: self.step(mode)

    def inference(self, size: int = 500) -> Action:
        """10,000 images through the spiking network, `size` at a time."""
        self.again()
        parts = batches(images(self.settings, self.root, train=False), IMAGES, size)
        mode = LayerMode(0, Mode.SNN)
        return lambda: training.evaluate(self.network, parts, mode, LearningStat())

    def rates(self) -> dict[str, float]:
        """Spikes per neuron and step in each spiking layer, on one batch."""
        self.again()
        self.network.eval()
        h, found = self.network.over_time(self.next()[0], LayerMode(0, Mode.SNN)), {}
        for i, block in enumerate(self.network.blocks[:-1]):
            h = block.forward(h, Mode.SNN)
            found[f"blocks.{i}"] = float(h.mean())
        return found


def images(settings: Settings, root: str | None, train: bool = True) -> data.Dataset:
    """The images that `settings` names; without MNIST the digits, enlarged to its size."""
    digits = data.load_digits(train=train)
    if settings.data == "digits":
        return digits
    try:
        return data.load_mnist(root, train=train)
    except FormatError:
        large = digits.images.repeat(3, axis=2).repeat(3, axis=3)
        large = np.pad(large, [(0, 0), (0, 0), (2, 2), (2, 2)])
        name = f"{digits.name}, enlarged"
        return data.Dataset(large, digits.labels, name, 10, digits.scale)


def batches(dataset: data.Dataset, count: int, size: int = BATCH) -> list[tuple[Floats, Ints]]:
    """`count` images in batches of `size`, in order and over again, pixels in [-1, 1]."""
    pixels = dataset.images.astype(np.float32) / np.float32(dataset.scale)
    pixels = (pixels - np.float32(0.5)) / np.float32(0.5)
    rows = (np.arange(i, i + size) % len(dataset) for i in range(0, count, size))
    return [(pixels[chosen], dataset.labels[chosen]) for chosen in rows]


def moving_step(
    rng: np.random.Generator,
    steps: int = 16,
    batch: int = 32,
    width: int = 512,
    depth: int = 2,
    rate: float = 0.15,
) -> Action:
    """A spiking training step on random spikes, through `depth` dense layers of one width."""
    options: dict[str, Any] = {"weight_norm": True, "weight_scale": 2, "rng": rng}
    blocks: list[Any] = [cuba.Dense(NEURON, width, width, **options) for _ in range(depth)]
    blocks.append(cuba.Affine(NEURON, width, 10, **options))
    return _spiking_step(rng, Network(blocks, (width,), steps), batch, rate)


def conv_step(rng: np.random.Generator, steps: int = 16) -> Action:
    """A spiking training step on 16 random pictures through convolution, pooling and read-out."""
    blocks: list[Any] = [cuba.Conv(NEURON, 1, 8, 5, 1, 2, rng=rng), cuba.Pool(NEURON, 2, rng=rng)]
    blocks += [cuba.Flatten(), cuba.Affine(NEURON, 8 * 14 * 14, 10, rng=rng)]
    return _spiking_step(rng, Network(blocks, (1, 28, 28), steps), 16, 0.15)


def _spiking_step(rng: np.random.Generator, network: Network, batch: int, rate: float) -> Action:
    x = rng.random((batch, *network.input_shape, network.time_steps)) < rate
    given = x.astype(np.float32), rng.integers(0, 10, batch), LayerMode(0, Mode.SNN)
    optimizer = Adam(network.parameters(), lr=1e-6)
    return lambda: training.train_step(network, optimizer, *given, LearningStat())


def lif_layer(rng: np.random.Generator, steps: int) -> Action:
    """A layer of 512 LIF neurons, 32 samples, forward and backward over `steps` steps."""
    z = rng.normal(0, 0.5, (SAMPLES, NEURONS, steps)).astype(np.float32)
    grad, decays = np.ones_like(z), (np.array([4096]), np.array([round(4096 * 0.03)]))
    rest = np.zeros(z.shape[:2], np.int64)

    def action() -> None:
        o = ops.active()
        _, voltage, _, _ = o.cuba_forward(z, *decays, 5120, rest, rest)
        o.cuba_backward(grad, voltage, *decays, 1.25, 125, 0.1)

    return action


def tasks(root: str | None) -> dict[str, Prepare]:
    """What prepares each task for being timed, by the task's name."""
    rng = np.random.Generator(np.random.PCG64(0))
    tutorial = cache(lambda: Tutorial(Settings(), root))
    digits = cache(lambda: Tutorial(Settings(**DIGITS), root))
    found: dict[str, Prepare] = {}
    for mode in (Mode.ANN, Mode.SNN, Mode.SAMPLE, Mode.FIT):
        found[f"{mode.name} step"] = partial(lambda mode: tutorial().prepared(mode), mode)
    found["inference of 10,000 images"] = lambda: tutorial().inference()
    for mode in (Mode.ANN, Mode.SNN):
        found[f"digits {mode.name} step"] = partial(lambda mode: digits().prepared(mode), mode)
    found["dense step, moving input"] = cache(lambda: moving_step(rng))
    found["conv step"] = cache(lambda: conv_step(rng))
    for steps in (16, 100, 1000):
        found[f"LIF layer, T = {steps}"] = cache(partial(lif_layer, rng, steps))
    return found


def serve(root: str | None) -> None:
    """Time each task that a line of standard input names; print clock and processor seconds."""
    known = tasks(root)
    for line in sys.stdin:
        name = line.strip()
        print(json.dumps(settled(known[name](), once=name == "FIT step")), flush=True)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
