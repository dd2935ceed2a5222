"""Numbers and neurons over PyTorch, from chapters 1 to 3 and 8: every gradient is autograd's, but
where the spec asks for another.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

BIG = 2.0**39


class Refused(ValueError):
    """What must be rejected; `kind` tells the kit why."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def tensor(x, dtype=None) -> Tensor:
    """A tensor of an array, in float64 or int64: what is rounded is rounded where the spec says."""
    found = x if isinstance(x, Tensor) else torch.as_tensor(np.array(x))
    return found.to(dtype or (torch.float64 if found.is_floating_point() else torch.int64))


def leaf(x) -> Tensor:
    """A tensor that autograd finds the gradient for."""
    return tensor(x).requires_grad_()


def single(x: Tensor) -> np.ndarray:
    """A result, rounded to float32 once."""
    return x.detach().to(torch.float32).numpy()


def pull(y: Tensor, grad, *inputs: Tensor) -> tuple[np.ndarray, ...]:
    """The gradients of `inputs`, given that of y."""
    found = torch.autograd.grad(y, inputs, tensor(grad, y.dtype), allow_unused=True)
    return tuple(
        single(torch.zeros_like(x) if g is None else g) for x, g in zip(inputs, found, strict=True)
    )


class Quantise(torch.autograd.Function):
    """NUM-2, and GRD-5 going back."""

    @staticmethod
    def forward(ctx, x):
        rounded = torch.round(x * 32) / 32
        ctx.save_for_backward((rounded >= -4) & (rounded <= 3.96875))
        return rounded.clamp(-4, 3.96875)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0]


class Spike(torch.autograd.Function):
    """SPK-1, and SPK-6 going back."""

    @staticmethod
    def forward(ctx, voltage, threshold, tau, scale):
        ctx.save_for_backward(voltage)
        ctx.numbers = threshold, tau, scale
        return (voltage > threshold).to(voltage.dtype)

    @staticmethod
    def backward(ctx, grad):
        (voltage,), (threshold, tau, scale) = ctx.saved_tensors, ctx.numbers
        return (
            grad * scale / (2 * tau) * torch.exp(-(voltage - threshold).abs() / tau),
            None,
            None,
            None,
        )


class Graded(torch.autograd.Function):
    """SPK-2, and SPK-7 going back."""

    @staticmethod
    def forward(ctx, voltage, threshold, tau, scale):
        ctx.save_for_backward(voltage)
        ctx.numbers = threshold, tau, scale
        return torch.where(voltage > threshold, voltage, 0)

    @staticmethod
    def backward(ctx, grad):
        (voltage,), (threshold, tau, scale) = ctx.saved_tensors, ctx.numbers
        return grad * scale * torch.exp((voltage - threshold).clamp(max=0) / tau), None, None, None


def valued(shadow: Tensor, value: Tensor) -> Tensor:
    """The value of one tensor with the gradient of another (GRD-15)."""
    return shadow + (value - shadow).detach()


def by_channel(decay: Tensor, axes: int) -> Tensor:
    """LIF-3."""
    return decay.reshape(1, -1, *[1] * (axes - 2))


def real(state: Tensor) -> Tensor:
    """NUM-7, in float64: PyTorch would make float32 of an integer and a number, and lose bits
    beyond 2^24 before the comparison.
    """
    return state.double() / 4096


def shift0(a: Tensor) -> Tensor:
    """NUM-8."""
    return torch.sign(a) * (a.abs() >> 12)


def leaky(
    drive: Tensor, decay: Tensor, state: Tensor, threshold: int | None
) -> tuple[Tensor, Tensor]:
    """LIF-1, LIF-2 on int64."""
    keep, steps = 4096 - by_channel(decay, state.ndim), []
    for x in drive.unbind(-1):
        state = shift0(state * keep) + x
        steps.append(state)
        state = state if threshold is None else torch.where(state > threshold, 0, state)
    return torch.stack(steps, -1), state


def shadow(x: Tensor, decay: Tensor, values: Tensor | None = None) -> Tensor:
    """The recurrence of GRD-2 in real numbers, for autograd; each step may be given its value."""
    keep, y, steps = 1 - by_channel(decay, x.ndim - 1) / 4096, None, []
    for t, new in enumerate(x.unbind(-1)):
        y = new if y is None else keep * y + new
        y = y if values is None else valued(y, values[..., t])
        steps.append(y)
    return torch.stack(steps, -1)


def quantize_8bit(x):
    return single(Quantise.apply(tensor(x)))


def quantize_8bit_backward(grad, x):
    x = leaf(x)
    return pull(Quantise.apply(x), grad, x)[0]


def threshold_mantissa(threshold):
    return math.trunc(threshold * 64)


def decay_mantissa(decay):
    return torch.round(tensor(decay).clamp(0, 4096)).to(torch.int64).numpy()


def to_state(x):
    return torch.trunc(tensor(x) * 4096).to(torch.int64).numpy()


def to_real(state):
    return single(real(tensor(state)))


def shift_to_zero(product):
    return shift0(tensor(product)).numpy()


def leaky_forward(drive, decay, state, threshold=None, subtract=False):
    if subtract:
        raise NotImplementedError("a reset by subtraction")
    y, last = leaky(tensor(drive), tensor(decay), tensor(state), threshold)
    return y.numpy(), last.numpy()


def leaky_backward(grad, decay):
    x = torch.zeros(grad.shape, dtype=torch.float32, requires_grad=True)
    return pull(shadow(x, tensor(decay).to(torch.float32)), grad, x)[0]


def leaky_decay_backward(gx, y, shared):
    y, decay = real(tensor(y)), leaf(np.zeros(1 if shared else y.shape[1]))
    before, after = y[..., :-1], tensor(gx)[..., 1:]
    return pull(((1 - by_channel(decay, y.ndim) / 4096) * before * after).sum(), 1.0, decay)[0]


def spike_forward(voltage, threshold):
    return single((tensor(voltage) > threshold).double())


def graded_forward(voltage, threshold):
    return single(Graded.apply(real(tensor(voltage)), threshold / 4096, 1, 1))


def spike_backward(grad, voltage, threshold, tau, scale):
    v = leaf(voltage)
    return pull(Spike.apply(v, threshold, tau, scale), grad, v)[0]


def graded_backward(grad, voltage, threshold, tau, scale):
    v = leaf(voltage)
    return pull(Graded.apply(v, threshold, tau, scale), grad, v)[0]


def cuba_forward(z, i_decay, v_decay, threshold, u, v):
    currents, u_last = leaky(tensor(to_state(z)), tensor(i_decay), tensor(u), None)
    voltages, v_last = leaky(currents, tensor(v_decay), tensor(v), threshold)
    return (
        single((voltages > threshold).double()),
        single(real(voltages)),
        u_last.numpy(),
        v_last.numpy(),
    )


def cuba_backward(grad, voltage, i_decay, v_decay, threshold, tau, scale):
    z = leaf(np.zeros(grad.shape))
    v = shadow(shadow(z, tensor(i_decay)), tensor(v_decay), tensor(voltage))
    return pull(Spike.apply(v, threshold, tau, scale), grad, z)[0]


def neuron_numbers(threshold, current_decay, voltage_decay):
    """LIF-12, NUM-4, NUM-5: threshold mantissa and decay mantissas."""
    if isinstance(threshold, str):
        raise Refused("dtype")
    if threshold < 1 / 64 or not 0 <= current_decay <= 1 or not 0 <= voltage_decay <= 1:
        raise Refused("range")
    decays = (
        torch.round(torch.tensor([4096 * d], dtype=torch.float32)).long()
        for d in (current_decay, voltage_decay)
    )
    return threshold_mantissa(threshold), *decays


def checked(x, *shape):
    """NUM-9: x, if its shape fits (None: any size) and all of it is finite in float32."""
    if shape and (
        x.ndim != len(shape) or any(s not in (None, n) for s, n in zip(shape, x.shape, strict=True))
    ):
        raise Refused("shape")
    if not bool(torch.isfinite(tensor(x).to(torch.float32)).all()):
        raise Refused("range")
    return tensor(x)


def neuron_forward(z, threshold, current_decay, voltage_decay, graded, calls):
    mantissa, i, w = neuron_numbers(threshold, current_decay, voltage_decay)
    z = checked(z)
    u = v = torch.zeros(z.shape[:-1], dtype=torch.int64)
    found = []
    for piece in z.chunk(calls, -1):
        if (
            not piece.shape[-1] ** 2 * (piece.abs().max() + (u.abs().max() + v.abs().max()) / 4096)
            < BIG
        ):
            raise Refused("range")
        currents, u = leaky(torch.trunc(piece * 4096).long(), i, u, None)
        voltages, v = leaky(currents, w, v, 64 * mantissa)
        found.append((graded_forward if graded else spike_forward)(voltages.numpy(), 64 * mantissa))
    return np.concatenate(found, -1)


def neuron_backward(grad, z, threshold, current_decay, voltage_decay, tau_grad, scale_grad, graded):
    mantissa, i, w = neuron_numbers(threshold, current_decay, voltage_decay)
    x, i_real, w_real = leaf(z), leaf(i.double()), leaf(w.double())
    s, _ = fired(x, i_real, w_real, mantissa, tau_grad, scale_grad, Graded if graded else Spike)
    return pull(s, grad, x, i_real, w_real)


def fired(z, i_decay, v_decay, mantissa, tau_grad=1.0, scale_grad=1.0, kind=Spike):
    """LIF-4 from rest with gradients: spikes and real voltages of the tensor z."""
    rest, i, w = (
        torch.zeros(z.shape[:-1], dtype=torch.int64),
        i_decay.detach().long(),
        v_decay.detach().long(),
    )
    currents, _ = leaky(torch.trunc(z.detach() * 4096).long(), i, rest, None)
    voltages, _ = leaky(currents, w, rest, 64 * mantissa)
    u = shadow(z, i_decay, real(currents))
    v = shadow(u, v_decay, real(voltages))
    threshold = mantissa / 64
    return kind.apply(v, threshold, 100 * tau_grad * threshold, 0.1 * scale_grad), v
