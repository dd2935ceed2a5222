"""The same tasks by other programs: lava-dl's tutorial, and LIF layers of snnTorch, Norse and
SpikingJelly.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np

from refboot.arrays import extra
from refboot.bench.tasks import IMAGES, NEURONS, SAMPLES, Action, Prepare, Tutorial, batches, images
from refboot.routine import Mode

PACKAGES = {"lava-dl": "lava.lib.dl.bootstrap", "snntorch": "snntorch", "norse": "norse"}
PACKAGES |= {"spikingjelly": "spikingjelly"}
DECAY, THRESHOLD = 0.03, 1.25


def installed(name: str) -> bool:
    """True if the program `name` can be imported."""
    try:
        return importlib.util.find_spec(PACKAGES[name]) is not None
    except ModuleNotFoundError:
        return False


class LavaTutorial:
    """lava-dl's network of the tutorial, with the weights of `twin` and on the same batches."""

    def __init__(self, twin: Tutorial) -> None:
        self.twin = twin
        self.torch, self.bootstrap = _lava()
        s = twin.settings
        names = ("threshold", "current_decay", "voltage_decay", "tau_grad", "scale_grad")
        neuron = {name: getattr(s, name) for name in names}
        make, sizes = self.bootstrap.block.cuba, [784, *s.hidden]
        dense = {"weight_norm": s.weight_norm, "weight_scale": s.weight_scale}
        hidden = [make.Dense(neuron, a, b, **dense) for a, b in pairwise(sizes)]
        read_out = make.Affine(neuron, sizes[-1], 10, **dense)
        first = make.Input(neuron, weight=1, bias=0)
        self.model = self.torch.nn.ModuleList([first, *hidden, read_out])
        self.rates(self.torch.tensor(twin.batches[0][0]), Mode.SNN)
        parameters = twin.network.named_parameters()
        with self.torch.no_grad():
            for name, target in self.model.named_parameters():
                data = parameters[f"blocks.{name}"].data
                target.copy_(self.torch.tensor(data).reshape(target.shape))
        self.optimizer = self.torch.optim.Adam(self.model.parameters(), lr=s.lr)
        for mode in [Mode.SAMPLE] * 3 + [Mode.FIT]:
            self.step(mode)

    def rates(self, x: Any, mode: Mode) -> Any:
        """The tutorial's forward pass, and the mean over time."""
        x = x.reshape(len(x), -1, 1)
        x = x.repeat(1, 1, self.twin.settings.time_steps) if mode.spiking else x
        for block in self.model:
            x = block(x, mode=self.bootstrap.Mode[mode.name])
        return x.mean(dim=-1).reshape(len(x), -1)

    def step(self, mode: Mode) -> None:
        """One training step."""
        self.model.train()
        x, labels = (self.torch.tensor(array) for array in self.twin.next())
        loss = self.torch.nn.functional.cross_entropy(self.rates(x, mode), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def infer(self, parts: list[Any]) -> None:
        """The rates of every part as a spiking network."""
        self.model.eval()
        with self.torch.no_grad():
            for x, _ in parts:
                self.rates(self.torch.tensor(x), Mode.SNN)

    def tasks(self) -> dict[str, Prepare]:
        """What prepares each task, named as in refboot.bench.tasks."""

        def prepared(mode: Mode) -> Action:
            for _ in range(10 if mode is Mode.FIT else 0):
                self.step(Mode.SAMPLE)
            return lambda: self.step(mode)

        def inference() -> Action:
            tested = images(self.twin.settings, self.twin.root, train=False)
            parts = batches(tested, IMAGES, 500)
            return lambda: self.infer(parts)

        found: dict[str, Prepare] = {"inference of 10,000 images": inference}
        for mode in (Mode.ANN, Mode.SNN, Mode.SAMPLE, Mode.FIT):
            found[f"{mode.name} step"] = lambda mode=mode: prepared(mode)  # type: ignore[misc]
        return found


def _lava() -> tuple[ModuleType, ModuleType]:
    """PyTorch and lava-dl's bootstrap, without its object detection, which needs OpenCV."""
    torch = extra("torch", "bench")
    name = "lava.lib.dl.slayer.object_detection"
    sys.modules.setdefault(name, ModuleType("object_detection"))
    return torch, extra("lava.lib.dl.bootstrap", "bench")


def lif_layer(name: str, rng: np.random.Generator, steps: int) -> Action:
    """The LIF layer of refboot.bench.tasks by the program `name`, with its nearest neuron."""
    torch = extra("torch", "bench")
    z = rng.normal(0, 0.5, (steps, SAMPLES, NEURONS)).astype(np.float32)
    if name == "lava-dl":
        _lava()
        z = np.ascontiguousarray(z.transpose(1, 2, 0))
    x = torch.tensor(z, requires_grad=True)
    forward = {"lava-dl": _lava_lif, "snntorch": _snntorch, "norse": _norse}
    layer = (forward | {"spikingjelly": _spikingjelly})[name](torch)

    def action() -> None:
        x.grad = None
        layer(x).sum().backward()

    return action


def _lava_lif(torch: Any) -> Callable[[Any], Any]:
    neuron: Any = extra("lava.lib.dl.slayer", "bench").neuron.cuba.Neuron(THRESHOLD, 1, DECAY)
    return neuron  # type: ignore[no-any-return]


def _snntorch(torch: Any) -> Callable[[Any], Any]:
    options: dict[str, Any] = {"threshold": THRESHOLD, "reset_mechanism": "zero"}
    cell = extra("snntorch", "bench").Leaky(1 - DECAY, **options)
    return lambda x: torch.stack(_stepped(cell, x, cell.init_leaky()))


def _norse(torch: Any) -> Callable[[Any], Any]:
    module, tensor = extra("norse.torch", "bench"), torch.tensor
    parameters = module.LIFParameters(tau_mem_inv=tensor(1000 * DECAY), v_th=tensor(THRESHOLD))
    cell = module.LIFCell(parameters)
    return lambda x: torch.stack(_stepped(cell, x, None))


def _spikingjelly(torch: Any) -> Callable[[Any], Any]:
    options: dict[str, Any] = {"decay_input": False, "v_threshold": THRESHOLD, "v_reset": 0.0}
    neuron = extra("spikingjelly.activation_based.neuron", "bench")
    node = neuron.LIFNode(tau=1 / DECAY, step_mode="m", **options)

    def forward(x: Any) -> Any:
        node.reset()
        return node(x)

    return forward


def _stepped(cell: Callable[[Any, Any], tuple[Any, Any]], x: Any, state: Any) -> list[Any]:
    """The spikes of each step of x, from a cell that is called step by step."""
    spikes = []
    for step in x:
        spike, state = cell(step, state)
        spikes.append(spike)
    return spikes
