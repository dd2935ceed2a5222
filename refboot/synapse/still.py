"""A picture that stands still, as the layer behind the input hears it: a code per pixel, and one
train (or rate) per code.

It is a way around, not another rule: what a layer makes of it is what it makes of `expanded()`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refboot import ops
from refboot.arrays import Floats


class Still:
    """Pixels x[n, i, t] = table[codes[n, i], t]: `picture` as `ops.shortcuts().encode` gave it,
    table (K, T), float32.
    """

    def __init__(self, picture: Any, table: Floats) -> None:
        self.picture = picture
        self.table = table
        self.shape = (*picture.codes.shape, table.shape[-1])
        self._rows: Any = None

    def expanded(self) -> Floats:
        """The same as an array (N, I, T), float32."""
        return self.table[self.picture.codes]

    def mean(self, axis: int, keepdims: bool) -> Still:
        """The rates over time, the only mean that is asked for: axis -1, kept."""
        return Still(self.picture, self.table.mean(axis=axis, keepdims=keepdims))

    def dense_forward(self, weight: Floats) -> Floats:
        """`ops.dense_forward` of what it stands for: z (N, O, T), float32."""
        ways = ops.shortcuts()
        if ways is not None and self._rates:
            return ways.rates_forward(self.picture, self.table[:, 0], weight)
        self._rows = None if ways is None else ways.rows_of(weight.T)
        if self._rows is None:
            return ops.active().dense_forward(self.expanded(), weight)
        return ways.coded_forward(self.picture, self.table, self._rows)

    def dense_backward(self, grad: Floats, weight: Floats) -> tuple[Floats, Floats]:
        """Gradients of `dense_forward` for the table, as (1, K, T), and for the weight (O, I),
        float32.
        """
        ways = ops.shortcuts()
        if ways is not None and self._rates:
            g_table, gw = ways.rates_backward(grad, self.picture, self.table[:, 0], weight)
        elif ways is not None and self._rows is not None:
            g_table, gw = ways.coded_backward(grad, self.picture, self.table, self._rows)
        else:
            gx, gw = ops.active().dense_backward(grad, self.expanded(), weight)
            return self._gathered(gx), gw
        return g_table[None], gw

    @property
    def _rates(self) -> bool:
        """Whether there is one step alone: the sums are exact there for spikes, too."""
        return self.shape[-1] == 1

    def _gathered(self, gx: Floats) -> Floats:
        """The gradients of all pixels of a code added up, (1, K, T)."""
        codes = self.picture.codes.reshape(-1)
        steps = gx.transpose(2, 0, 1).reshape(gx.shape[-1], -1)
        sums = [np.bincount(codes, weights=step, minlength=len(self.table)) for step in steps]
        return np.array(sums).T[None].astype(np.float32)
