"""The dense synapse: every output hears every input."""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.errors import OrderError, ShapeError
from refboot.parameter import Parameter
from refboot.synapse.hook import PreHook, quantize_8bit
from refboot.synapse.still import Still
from refboot.synapse.weight import Weight


class Dense:
    """Weighted sums of `in_neurons` inputs for `out_neurons` outputs; weight (out, in), no bias.
    See Weight for the other arguments.
    """

    def __init__(
        self,
        in_neurons: int,
        out_neurons: int,
        weight_scale: float = 1,
        weight_norm: bool = False,
        pre_hook_fx: PreHook | None = quantize_8bit,
        mask: Floats | None = None,
        *,
        rng: np.random.Generator,
    ) -> None:
        self.in_neurons = arrays.whole("in_neurons", in_neurons)
        self.out_neurons = arrays.whole("out_neurons", out_neurons)
        self.weight = Weight(
            (out_neurons, in_neurons), weight_scale, weight_norm, mask, pre_hook_fx, rng
        )
        self._cache: tuple[Floats | Still, Floats] | None = None

    @property
    def axes(self) -> tuple[int | str, ...]:
        """The shape of an input."""
        return ("N", self.in_neurons, "T")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output for an input (in,), both without N and T; raises ShapeError."""
        if shape != (self.in_neurons,):
            raise ShapeError(
                "the input of Dense",
                f"of shape {shape}",
                f"({self.in_neurons},) (after a Flatten, if it has more axes)",
            )
        return (self.out_neurons,)

    def parameters(self) -> dict[str, Parameter]:
        """The weight's parameters."""
        return self.weight.parameters()

    def forward(self, x: Floats | Still) -> Floats:
        """z (N, out, T) for x (N, in, T), float32; raises ShapeError."""
        weight = self.weight.forward()
        if x.shape[1] != weight.shape[1]:
            raise ShapeError(
                "x",
                f"of shape {x.shape}",
                f"(N, {weight.shape[1]}, T), by the weight's {weight.shape}",
            )
        self._cache = x, weight
        return (
            x.dense_forward(weight)
            if isinstance(x, Still)
            else ops.active().dense_forward(x, weight)
        )

    def backward(self, grad: Floats) -> Floats:
        """Gradient for the x of the last `forward`; adds those of the weight's parameters."""
        if self._cache is None:
            raise OrderError("Dense.backward", "called first", "a forward pass before it")
        x, weight = self._cache
        gx, gw = (
            x.dense_backward(grad, weight)
            if isinstance(x, Still)
            else ops.active().dense_backward(grad, x, weight)
        )
        self.weight.backward(gw)
        return gx

    def unfold(self, still: Still, x: Floats) -> None:
        """Where the last `forward` was on `still` or its rates, take x (N, in, T), which is the
        same, or its rates in their place.
        """
        if (
            self._cache is not None
            and isinstance(self._cache[0], Still)
            and self._cache[0].picture is still.picture
        ):
            rates = self._cache[0].shape[-1] < x.shape[-1]
            self._cache = (x.mean(axis=-1, keepdims=True) if rates else x), self._cache[1]
