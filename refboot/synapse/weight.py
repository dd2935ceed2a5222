"""A learned weight: its parameters, its norm, its mask and its quantisation, whatever the synapse
it serves.
"""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.errors import OrderError
from refboot.parameter import Parameter
from refboot.synapse.hook import PreHook, pre_hook, quantize_8bit


class Weight:
    """A weight of `shape` (O, ...), drawn uniformly from +-weight_scale / sqrt(fan_in) with `rng`.

    With `weight_norm` it is g * v / ||v|| per output, g starting at ||v||; `mask` (its shape)
    multiplies it, then `pre_hook_fx` quantises. Spec: SYN-4, TRN-7.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        weight_scale: float,
        weight_norm: bool,
        mask: Floats | None,
        pre_hook_fx: PreHook | None,
        rng: np.random.Generator,
    ) -> None:
        normed = arrays.flag("weight_norm", weight_norm)
        bound = 1 / np.sqrt(np.prod(shape[1:]))
        drawn = arrays.generator("rng", rng).uniform(-bound, bound, shape) * arrays.number(
            "weight_scale", weight_scale, 0, above=True
        )
        self.hook = pre_hook(pre_hook_fx)
        self.mask = None if mask is None else arrays.floats("mask", mask, shape)
        # Of one input the weights to all outputs lie together (axes (O, I) with I outside): see
        # spec/speed.md.
        self.v = Parameter(drawn.astype(np.float32, order="F" if len(shape) == 2 else "C"))
        self.g = (
            Parameter(np.sqrt((drawn.reshape(len(drawn), -1) ** 2).sum(axis=1)).astype(np.float32))
            if normed
            else None
        )
        self._full: Floats | None = None
        self._length: Floats | None = (
            None  # of each v[o], where norm and quantisation went together
        )

    def parameters(self) -> dict[str, Parameter]:
        """`weight_g` and `weight_v` with weight norm, else `weight`."""
        return {"weight": self.v} if self.g is None else {"weight_g": self.g, "weight_v": self.v}

    @property
    def is_normed_8bit(self) -> bool:
        """Whether it is a dense weight, normed, quantised to 8 bits and nothing else: kernels do
        both at once.
        """
        return (
            self.g is not None
            and self.mask is None
            and self.hook is quantize_8bit
            and self.v.data.ndim == 2
        )

    def full(self) -> Floats:
        """The weight before quantisation, norm and mask applied; float32."""
        w = (
            self.v.data
            if self.g is None
            else ops.active().weight_norm_forward(self.v.data, self.g.data)
        )
        return w if self.mask is None else w * self.mask

    def quantised(self) -> Floats:
        """The weight as it is used; float32, multiples of 1/32 with the default quantisation. Spec:
        NET-5.
        """
        return self.hook.forward(self.full())

    def forward(self) -> Floats:
        """`quantised`, remembered for `backward`."""
        ways = ops.shortcuts()
        if ways is not None and self.g is not None and self.is_normed_8bit:
            self._full, self._length = ways.normed_8bit(self.v.data, self.g.data)
            return self._full
        self._full, self._length = self.full(), None
        return self.hook.forward(self._full)

    def backward(self, grad: Floats) -> None:
        """Add to the parameters' gradients, given that of the weight as used in the last `forward`,
        which is used up. Spec: GRD-8.
        """
        if self._full is None:
            raise OrderError("Weight.backward", "called first", "a forward pass before it")
        ways = ops.shortcuts()
        if ways is not None and self.g is not None and self._length is not None:
            gv, gg = ways.normed_8bit_backward(grad, self.v.data, self.g.data, self._length)
            self.v.add_grad(gv)
            self.g.add_grad(gg)
            return
        grad = self.hook.backward(grad, self._full if self._length is None else self.full())
        grad = grad if self.mask is None else grad * self.mask
        if self.g is None:
            self.v.add_grad(grad)
            return
        gv, gg = ops.active().weight_norm_backward(grad, self.v.data, self.g.data)
        self.v.add_grad(gv)
        self.g.add_grad(gg)
