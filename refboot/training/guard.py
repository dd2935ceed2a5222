"""A watch over the numbers of a training: what goes wrong is told with its layer, epoch and step,
when it happens.
"""

from __future__ import annotations

import math

import numpy as np

from refboot import arrays
from refboot.block.base import Block
from refboot.errors import TroubleError
from refboot.network import Network
from refboot.routine import LayerMode

ACTIONS = ("stop", "strict", "warn")
# A gradient or weight beyond these has left the range of 8-bit weights, (-4, 4), by far.
GRADIENT_LIMIT, WEIGHT_LIMIT = 1e6, 1e3
DECAY_LIMIT = 1e5  # decays are kept as 4096 times what they are


class Guard:
    """Watches loss, gradients and weights, samples and fits.

    Numbers that are not finite or explode raise TroubleError; layers that are silent or saturated
    and fits on too few points are noted, for training may bring them to life. With the action
    "strict" both raise, with "warn" both are noted, and a step whose loss or gradients are bad
    leaves the weights as they were. `epoch` and `step` say where the training is; `notes` holds the
    first trouble of each layer since it was last emptied.
    """

    def __init__(self, action: str = "stop") -> None:
        self.action = arrays.choice("on_trouble", action, ACTIONS)
        self.epoch = self.step = 0
        self.notes: dict[str, str] = {}

    def broken(self, what: str, got: str, expected: str) -> None:
        """Tell that numbers went wrong; raises TroubleError unless the action is "warn"."""
        self._tell(what, got, expected, self.action != "warn")

    def weak(self, layer: str, got: str, expected: str) -> None:
        """Tell that `layer` cannot do its part; raises TroubleError if the action is "strict"."""
        self._tell(layer, got, expected, self.action == "strict")

    def _tell(self, what: str, got: str, expected: str, stop: bool) -> None:
        error = TroubleError(f"{what} in epoch {self.epoch}, step {self.step}", got, expected)
        if stop:
            raise error
        self.notes.setdefault(what, str(error))

    def passes(self, network: Network, loss: float) -> bool:
        """Whether a step with this loss and the network's gradients may change the weights; if not,
        that is trouble.
        """
        if not math.isfinite(loss):
            self.broken("the loss", f"{loss}", "a finite number")
            return False
        wrong = [
            (name, norm)
            for name, norm in network.grad_norms().items()
            if not norm <= GRADIENT_LIMIT
        ]
        for name, norm in wrong:
            kind = "exploding" if math.isfinite(norm) else "not finite"
            self.broken(
                f"the gradient of {name}",
                f"{kind} (length {norm:g})",
                f"of a length up to {GRADIENT_LIMIT:g}",
            )
        return not wrong

    def sampled(self, network: Network) -> None:
        """Before a fit: no layer was silent, or fired at every step, throughout the SAMPLE
        phase.
        """
        for _, name, block in _blocks(network):
            rates = block.f.a[block.f.count - block.f.fresh :]
            if len(rates) and not rates.any():
                self.weak(
                    name,
                    f"silent: no spike in {len(rates)} samples",
                    "a layer that fires now and then",
                )
            elif len(rates) and (rates == 1).all():
                self.weak(
                    name,
                    f"saturated: {len(rates)} samples all fire at each step",
                    "a layer that rests now and then",
                )

    def fitted(self, network: Network, mode: LayerMode) -> None:
        """After a fit: each curve stands on points in two bands at least."""
        for number, name, block in _blocks(network):
            curve = None if mode.of(number).spiking else block.f.curve
            if (
                curve is not None and curve.knots[1, 1] == 0
            ):  # a centre at rate 0 is none of the data's: bands begin above 0
                self.weak(
                    name,
                    "fitted to points in fewer than two bands of rates",
                    "more samples (--num-sample-iter), or livelier ones",
                )

    def weights(self, network: Network) -> None:
        """After a while of training: no parameter that is learned is beyond WEIGHT_LIMIT or not
        finite.
        """
        for name, p in network.named_parameters().items():
            if not p.trainable or not p.data.size:
                continue
            largest, limit = (
                float(np.abs(p.data).max()),
                DECAY_LIMIT if ".neuron." in name else WEIGHT_LIMIT,
            )
            if not largest <= limit:
                kind = "exploding" if math.isfinite(largest) else "not finite"
                self.broken(name, f"{kind} (as large as {largest:g})", f"within +-{limit:g}")


def _blocks(network: Network) -> list[tuple[int, str, Block]]:
    """Number, name and block of each layer that can be sampled."""
    return [(i, f"blocks.{i}", b) for i, b in enumerate(network.blocks) if isinstance(b, Block)]
