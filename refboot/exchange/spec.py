"""A network as plain integers, layer by layer: what an exchange file says."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.errors import FormatError
from refboot.reference.numbers import WEIGHT_SCALE
from refboot.reference.pwl import Curve

Shape = tuple[int, ...]

WEIGHT_LOW, WEIGHT_HIGH = -256, 254
THRESHOLD_HIGH = (1 << 17) - 1
DECAY_HIGH = 4096


class NeuronSpec(NamedTuple):
    """The integers of a CUBA neuron: decays in 0..4096, the threshold in units of 1/64. Spec:
    NET-3.
    """

    i_decay: int
    v_decay: int
    v_th: int
    graded: bool = False


# A read-out on the chip: it does not fire, and its voltage is the sum of its inputs.
READ_OUT = NeuronSpec(i_decay=DECAY_HIGH, v_decay=0, v_th=THRESHOLD_HIGH)


class Geometry(NamedTuple):
    """How a window moves over (H, W); every pair is (height, width)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def output(self, size: Shape) -> Shape:
        """(H, W) of the output for an input of (H, W); below 1 where the window does not fit."""
        pairs = zip(size, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return tuple(
            (n + 2 * pad - gap * (k - 1) - 1) // step + 1 for n, k, step, pad, gap in pairs
        )


@dataclass(frozen=True)
class LayerSpec:
    """One layer: `kind` input, dense, conv or flatten, and its output `shape`, (C,) or (C, H, W).

    `weight` and `bias` are int64 mantissas in units of 1/64: 0-d for an input, else (out, in) or
    (out, in / groups, kh, kw), and (out,); a bias of None is zero. `read_out`: the layer sums and
    never fires. `curve` is the fitted activation, if any.
    """

    kind: str
    shape: Shape
    neuron: NeuronSpec | None = None
    weight: Ints | None = None
    bias: Ints | None = None
    geometry: Geometry | None = None
    read_out: bool = False
    delay_shift: bool = False
    curve: Curve | None = None

    @property
    def size(self) -> int:
        """Number of neurons."""
        return math.prod(self.shape)

    @property
    def chip_neuron(self) -> NeuronSpec:
        """The neuron as a chip runs it: a read-out's cannot fire."""
        return READ_OUT if self.neuron is None or self.read_out else self.neuron

    @property
    def has_bias(self) -> bool:
        """True if a layer other than the input adds a bias that is not zero."""
        return self.kind != "input" and self.bias is not None and bool(self.bias.any())


@dataclass(frozen=True)
class NetSpec:
    """Layers in order for inputs of `input_shape`; `time_steps` if the file says it, `notes`
    (plain values) if refboot wrote it.
    """

    layers: tuple[LayerSpec, ...]
    input_shape: Shape
    time_steps: int | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    origin: str = "refboot"

    def inputs(self) -> list[Shape]:
        """The input shape of every layer."""
        return [self.input_shape, *(layer.shape for layer in self.layers[:-1])]


def mantissas(name: str, values: Any, step: int = 1, off: float = 0.0) -> Ints:
    """Real values as integers in units of 1/64, multiples of `step`; raises FormatError for values
    that are further off that grid than `off` steps.
    """
    scaled = np.asarray(values, np.float64) * WEIGHT_SCALE / step
    rounded = np.rint(scaled)
    if not np.isfinite(scaled).all() or np.abs(scaled - rounded).max(initial=0) > off:
        raise FormatError(name, "off the grid", f"quantised: multiples of {step}/{WEIGHT_SCALE}")
    return step * rounded.astype(np.int64)


def real(mantissa: Ints) -> Floats:
    """Mantissas in real units, float32."""
    return (mantissa / WEIGHT_SCALE).astype(np.float32)
