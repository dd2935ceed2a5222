"""A guard that checks the numbers of a training and reports trouble with layer, epoch and step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from refboot import arrays
from refboot.block.base import Block
from refboot.errors import RangeError, TroubleError
from refboot.network import Network
from refboot.routine import LayerMode

ACTIONS = ("stop", "strict", "warn")
# Beyond these, a gradient or weight is far outside the range of 8-bit weights, (-4, 4).
GRADIENT_LIMIT, WEIGHT_LIMIT = 1e6, 1e3
DECAY_LIMIT = 1e5  # decays are stored as 4096 times their value


class Guard:
    """Checks loss, gradients, weights, samples and fits.

    Numbers that are not finite or explode raise TroubleError. Silent or saturated layers and fits
    on too few points are only noted, for training may still repair them. With the action "strict"
    both raise. With "warn" both are noted, and a step with a bad loss or gradient leaves the
    weights unchanged. `epoch` and `step` say where the training is; `notes` holds the first trouble
    of each layer since it was last cleared.
    """

    def __init__(self, action: str = "stop") -> None:
        self.action = arrays.choice("on_trouble", action, ACTIONS)
        self.epoch = self.step = 0
        self.notes: dict[str, str] = {}

    @contextmanager
    def at(self, epoch: int, step: int) -> Iterator[None]:
        """Set `epoch` and `step`; a RangeError in the block becomes a TroubleError with both."""
        self.epoch, self.step = epoch, step
        try:
            yield
        except RangeError as error:
            raise TroubleError(
                f"{error.name} in epoch {epoch}, step {step}", error.got, error.expected
            ) from error

    def passes(self, loss: float, norms: Mapping[str, float]) -> bool:
        """True if the loss and the norms of the gradients by block are within limits."""
        if not math.isfinite(loss):
            self._trouble("the loss", f"{loss}", "a finite number")
            return False
        wrong = {name: norm for name, norm in norms.items() if not norm <= GRADIENT_LIMIT}
        for name, norm in wrong.items():
            self._trouble(
                f"the gradient of {name}",
                f"{_kind(norm)} (length {norm:g})",
                f"a length of at most {GRADIENT_LIMIT:g}",
            )
        return not wrong

    def sampled(self, network: Network) -> None:
        """Before a fit: check that no layer was always silent or always firing in the samples."""
        for _, name, block in _blocks(network):
            rates = block.f.a[block.f.count - block.f.fresh :]
            if len(rates) and not rates.any():
                got = f"silent: no spike in {len(rates)} samples"
                self._trouble(name, got, "a layer that fires sometimes", weak=True)
            elif len(rates) and (rates == 1).all():
                got = f"saturated: it fires at every step of all {len(rates)} samples"
                self._trouble(name, got, "a layer that rests sometimes", weak=True)

    def fitted(self, network: Network, mode: LayerMode) -> None:
        """After a fit: check that each curve has points in at least two bands of rates."""
        for number, name, block in _blocks(network):
            curve = None if mode.of(number).spiking else block.f.curve
            if curve is not None and curve.knots[1, 1] == 0:  # a band of the data begins above 0
                got = "fitted to points in fewer than two bands of rates"
                expected = "more samples (--num-sample-iter), or livelier ones"
                self._trouble(name, got, expected, weak=True)

    def weights(self, network: Network) -> None:
        """At the end of an epoch: check that the trainable parameters are finite and in range."""
        for name, p in network.named_parameters().items():
            limit = DECAY_LIMIT if ".neuron." in name else WEIGHT_LIMIT
            largest = float(np.abs(p.data).max()) if p.trainable and p.data.size else 0.0
            if not largest <= limit:
                got = f"{_kind(largest)} (as large as {largest:g})"
                self._trouble(name, got, f"within +-{limit:g}")

    def _trouble(self, what: str, got: str, expected: str, weak: bool = False) -> None:
        """Raise TroubleError or note it; `weak` trouble raises only with the action "strict"."""
        error = TroubleError(f"{what} in epoch {self.epoch}, step {self.step}", got, expected)
        if self.action == "strict" or (self.action == "stop" and not weak):
            raise error
        self.notes.setdefault(what, str(error))


def _kind(number: float) -> str:
    return "exploding" if math.isfinite(number) else "not finite"


def _blocks(network: Network) -> list[tuple[int, str, Block]]:
    """Number, name and block of each layer that can be sampled."""
    return [(i, f"blocks.{i}", b) for i, b in enumerate(network.blocks) if isinstance(b, Block)]
