"""The same tasks done by the tutorial's network in plain PyTorch; to import this needs it.

Letters: N samples, C neurons, T steps. Time is the first axis here, (T, N, C), so that the neurons
of a step lie together.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from refboot import arrays
from refboot.bench.opponent import Opponent
from refboot.bench.tutorial import Tutorial
from refboot.block import Block
from refboot.neuron import cuba
from refboot.reference.fit import Curve
from refboot.reference.fixed_point import STATE_SCALE, WEIGHT_SCALE
from refboot.routine import Mode

SAMPLES_KEPT = 64  # steps


class TorchTutorial(Opponent):
    """The tutorial's network with the state of `twin`, trained by PyTorch's Adam on the same
    batches.

    Spikes are those of refboot in every bit, unless a weight is so near a tie that the last bit of
    its row's length, which PyTorch sums in float32, decides. The curves are those that the twin has
    at the beginning: this one samples, but does not fit.
    """

    def __init__(self, twin: Tutorial) -> None:
        super().__init__(twin)
        first, *dense = (block for block in twin.network.blocks if isinstance(block, Block))
        self.model = nn.ModuleList(
            [Input(**tensors(first)), *(Dense(**tensors(block)) for block in dense)]
        )
        self.pieces = [
            pieces(block.f.curve, block.f.eps)
            for block in (first, *dense)
            if block.f.curve is not None
        ]
        self.neuron = Neuron(
            arrays.instance("neuron", first.neuron, cuba.Neuron, "the tutorial's"),
            twin.settings.time_steps,
        )
        self.samples = [deque[tuple[Tensor, Tensor]](maxlen=SAMPLES_KEPT) for _ in self.pieces]
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=twin.settings.lr)

    def rates(self, x: Tensor, mode: Mode) -> Tensor:
        """The mean over time of the read-out (N, 10), for pictures x that stand still."""
        *hidden, read_out = self.model
        x = x.flatten(1)[None]
        for synapse, curve, samples in zip(hidden, self.pieces, self.samples, strict=True):
            z = synapse(x)
            x = self.neuron.spikes(z) if mode.spiking else Rate.apply(z, curve)
            if mode is Mode.SAMPLE:
                samples.append((z.detach().mean(0), x.detach().mean(0)))
        return read_out(x).mean(0)


class Input(nn.Module):  # type: ignore[misc]
    """One weight and one bias, each (1,), for all pixels. Spec: SYN-6."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """z of x's shape."""
        return Quantise.apply(x) * Quantise.apply(self.weight) + Quantise.apply(self.bias)


class Dense(nn.Module):  # type: ignore[misc]
    """A weight (O, I) as direction and length (O,). Spec: SYN-4, SYN-5."""

    def __init__(self, weight_v: Tensor, weight_g: Tensor) -> None:
        super().__init__()
        self.weight_v, self.weight_g = nn.Parameter(weight_v), nn.Parameter(weight_g)

    def forward(self, x: Tensor) -> Tensor:
        """z (T, N, O) for x (T, N, I)."""
        weight = torch._weight_norm(
            self.weight_v, self.weight_g[:, None], 0
        )  # what PyTorch's own weight norm calls
        return functional.linear(x, Quantise.apply(weight))


class Neuron:
    """The numbers of refboot's neuron in state units, run for `steps` steps.

    The integers are carried in float64: exact up to 2^41, far above the tutorial's 2^29 (LIF-11).
    """

    def __init__(self, neuron: cuba.Neuron, steps: int) -> None:
        decays = neuron.cx_current_decay, neuron.cx_voltage_decay
        self.i_keep, self.v_keep = (1 - decay.item() / STATE_SCALE for decay in decays)
        self.threshold = neuron.v_th_mant * STATE_SCALE // WEIGHT_SCALE
        self.tau, self.scale, self.steps = neuron.tau * STATE_SCALE, neuron.scale, steps

    def spikes(self, z: Tensor) -> Tensor:
        """Spikes (T, N, C) of z (T, N, C), or of z (1, N, C) held for all steps; sums of 8-bit
        weights are whole. Spec: LIF-4.
        """
        drive = (z * STATE_SCALE).double().expand(self.steps, -1, -1)
        voltage = leaky(leaky(drive, self.i_keep, math.inf), self.v_keep, self.threshold)
        return Spike.apply(voltage, self.threshold, self.tau, self.scale)


def leaky(drive: Tensor, keep: float, threshold: float) -> Tensor:
    """The states (T, N, C) before a reset. Spec: LIF-2, LIF-9."""
    if not keep:
        return drive
    first, *rest = drive.unbind()
    states = [first]
    for new in rest:
        states.append(Leak.apply(states[-1], new, keep, threshold))
    return torch.stack(states)


class Quantise(torch.autograd.Function):  # type: ignore[misc]
    """Eight bits, straight through going back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Spec: NUM-2."""
        rounded = torch.round(x * 32)
        clipped = rounded.clamp(-128, 127)
        ctx.save_for_backward(clipped != rounded)
        return clipped.div_(32)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """Spec: GRD-5."""
        (outside,) = ctx.saved_tensors
        return grad.masked_fill(outside, 0)


class Leak(torch.autograd.Function):  # type: ignore[misc]
    """A step of a leaky state, which starts again from zero where it was above the threshold."""

    @staticmethod
    def forward(ctx: Any, state: Tensor, drive: Tensor, keep: float, threshold: float) -> Tensor:
        """Spec: LIF-1, LIF-6."""
        ctx.keep = keep
        return state.masked_fill(state > threshold, 0).mul_(keep).trunc_().add_(drive)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Spec: GRD-2, GRD-3."""
        return grad * ctx.keep, grad, None, None


class Spike(torch.autograd.Function):  # type: ignore[misc]
    """A strict threshold, and a surrogate going back."""

    @staticmethod
    def forward(ctx: Any, voltage: Tensor, threshold: int, tau: float, scale: float) -> Tensor:
        """Spec: SPK-1."""
        ctx.save_for_backward(voltage)
        ctx.numbers = threshold, tau, scale
        return (voltage > threshold).float()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """Spec: SPK-6."""
        (voltage,), (threshold, tau, scale) = ctx.saved_tensors, ctx.numbers
        distance = (voltage - threshold).float().abs_()
        return distance.mul_(-1 / tau).exp_().mul_(scale / (2 * tau)).mul_(grad), None, None, None


class Pieces(NamedTuple):
    """A rate curve: `edges` (K,) between its K + 1 pieces, and of each where it starts, its rate
    there, its slope, its gradient.
    """

    edges: Tensor
    left: Tensor
    rate: Tensor
    slope: Tensor
    gradient: Tensor


def pieces(curve: Curve, eps: float) -> Pieces:
    """`curve` with a flat piece on either side. Spec: ACT-1, ACT-4, ACT-6."""
    left, rate = torch.tensor(
        np.pad(curve.knots, [(1, 0), (0, 0)]), dtype=torch.float32
    ).T.contiguous()
    slope = torch.tensor(np.pad(curve.slopes, 1), dtype=torch.float32)
    return Pieces(
        left[1:].contiguous(), left, rate, slope, slope * np.float32(curve.scale) + np.float32(eps)
    )


class Rate(torch.autograd.Function):  # type: ignore[misc]
    """A rate curve."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, curve: Pieces) -> Tensor:
        """Spec: ACT-2, ACT-3."""
        piece = torch.bucketize(z, curve.edges)
        ctx.save_for_backward(curve.gradient[piece])
        return curve.rate[piece] + curve.slope[piece] * (z - curve.left[piece])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Spec: ACT-4."""
        (gradient,) = ctx.saved_tensors
        return grad * gradient, None


def tensors(block: Block) -> dict[str, Tensor]:
    """Copies of the parameters of a block's synapse, by name."""
    return {
        name: torch.tensor(np.ascontiguousarray(p.data))
        for name, p in block.synapse.parameters().items()
    }
