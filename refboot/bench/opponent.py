"""What every network on PyTorch does in the benchmark: the tasks of the network it is compared
with, on the same batches.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from refboot.arrays import extra
from refboot.bench.tutorial import Tutorial
from refboot.routine import Mode


class Opponent(ABC):
    """A network on PyTorch that does the tasks of `twin`; a subclass makes `model`, a module, and
    `optimizer`.
    """

    model: Any
    optimizer: Any

    def __init__(self, twin: Tutorial) -> None:
        self.torch = extra("torch", "bench")
        self.twin = twin

    @abstractmethod
    def rates(self, x: Any, mode: Mode) -> Any:
        """The read-out's rates (N, 10) of x (N, 1, 28, 28) or (N, 784)."""

    def step(self, mode: Mode) -> None:
        """One training step."""
        self.model.train()
        x, labels = (self.torch.tensor(a) for a in self.twin.next())
        loss = self.torch.nn.functional.cross_entropy(self.rates(x, mode), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def infer(self, x: np.ndarray, size: int) -> np.ndarray:
        """The rates of x as a spiking network, `size` at a time."""
        self.model.eval()
        with self.torch.no_grad():
            parts = [
                self.rates(self.torch.tensor(x[i : i + size]), Mode.SNN)
                for i in range(0, len(x), size)
            ]
        return self.torch.cat(parts).numpy()
