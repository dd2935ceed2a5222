"""The same tasks done by lava-dl, where it can be imported."""

from __future__ import annotations

import sys
from itertools import pairwise
from types import ModuleType
from typing import Any

from refboot.arrays import extra
from refboot.bench.opponent import Opponent
from refboot.bench.tutorial import Tutorial
from refboot.routine import Mode


class LavaTutorial(Opponent):
    """lava-dl's network of the tutorial with the parameters of `twin`, trained by PyTorch's Adam on
    the same batches.
    """

    def __init__(self, twin: Tutorial) -> None:
        super().__init__(twin)
        _, self.bootstrap = imported()
        s = twin.settings
        neuron = {
            name: getattr(s, name)
            for name in ("threshold", "current_decay", "voltage_decay", "tau_grad", "scale_grad")
        }
        make = self.bootstrap.block.cuba
        sizes = [784, *s.hidden]
        dense = {"weight_norm": s.weight_norm, "weight_scale": s.weight_scale}
        hidden = [make.Dense(neuron, a, b, **dense) for a, b in pairwise(sizes)]
        self.model = self.torch.nn.ModuleList(
            [
                make.Input(neuron, weight=1, bias=0),
                *hidden,
                make.Affine(neuron, sizes[-1], 10, **dense),
            ]
        )
        self.model.train()
        self.rates(self.torch.tensor(twin.batches[0][0]), Mode.SNN)
        self.take_over()
        self.optimizer = self.torch.optim.Adam(self.model.parameters(), lr=s.lr)

    def take_over(self) -> None:
        """The parameters of the twin, by name."""
        theirs = dict(self.model.named_parameters())
        with self.torch.no_grad():
            for name, parameter in self.twin.network.named_parameters().items():
                target = theirs.get(name.removeprefix("blocks."))
                if target is not None:
                    target.copy_(self.torch.tensor(parameter.data).reshape(target.shape))

    def rates(self, x: Any, mode: Mode) -> Any:
        """The tutorial's forward pass, and the mean over time."""
        x = x.reshape(len(x), -1, 1)
        x = x.repeat(1, 1, self.twin.settings.time_steps) if mode.spiking else x
        theirs = self.bootstrap.Mode[mode.name]
        for block in self.model:
            x = block(x, mode=theirs)
        return x.mean(dim=-1).reshape(len(x), -1)

    def fit(self, samples: int = 10) -> Any:
        """Sample `samples` times; returns the step that fits."""
        for _ in range(samples):
            self.step(Mode.SAMPLE)
        return lambda: self.step(Mode.FIT)


def imported() -> tuple[ModuleType, ModuleType]:
    """PyTorch and lava-dl's bootstrap; its object detection, which needs OpenCV and is not used
    here, is left out.
    """
    torch = extra("torch", "bench")
    if "lava.lib.dl.slayer.object_detection" not in sys.modules:
        sys.modules["lava.lib.dl.slayer.object_detection"] = ModuleType("object_detection")
    return torch, extra("lava.lib.dl.bootstrap", "bench")
