"""An exchange file run as Loihi and Lava's fixed-point model run it: integers only, one step of
delay per layer, 24-bit states.

It equals refboot's SNN mode bit for bit, one step later per layer, if no state leaves its 24 bits
and no layer has a bias (a bias acts from the first step on, before the first spikes arrive).
"""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints
from refboot.errors import RangeError, ShapeError
from refboot.exchange import LayerSpec, NetSpec
from refboot.exchange.spec import real
from refboot.neuron.cuba import Trace
from refboot.reference.modes import delay_forward
from refboot.reference.numbers import STATE_SCALE, WEIGHT_SCALE, to_state

UNIT = STATE_SCALE // WEIGHT_SCALE


def simulate(
    net: NetSpec, x: Floats, time_steps: int | None = None, delay: bool = True
) -> list[Trace]:
    """u, v before reset (int64, units of 1/4096) and spikes s of every layer and step, each (N,
    *shape, T), for x (N, *input_shape[, T]).

    A still x is held for `time_steps` (default: the file's). `delay`: one step from layer to layer,
    as on the chip. u wraps and v saturates at 2^23. A read-out has its weighted input as u and the
    sum so far as v. Raises ShapeError, RangeError, TypeMismatchError. Spec: NET-9.
    """
    arrays.instance("net", net, NetSpec, "what refboot.exchange.read gives")
    delay = arrays.flag("delay", delay)
    s = _over_time(net, arrays.floats("x", x), time_steps)
    traces: list[Trace] = []
    for layer in net.layers:
        if layer.kind == "flatten":
            s = s.reshape(len(s), -1, s.shape[-1])
            traces.append(Trace(s.astype(np.int64), s.astype(np.int64), s))
            continue
        late = delay and layer.kind != "input"
        traces.append(_run(layer, delay_forward(s) if late else s))
        s = traces[-1].s
    return traces


def decide(net: NetSpec, x: Floats, time_steps: int | None = None) -> Ints:
    """The class (N,) that the chip decides for still inputs x (N, *input_shape): the last layer's
    largest sum, or most spikes.

    The input is held for `time_steps` steps (default: the file's), and one more for each layer that
    the spikes still have to pass.
    """
    arrays.instance("net", net, NetSpec, "what refboot.exchange.read gives")
    arrives = len([layer for layer in net.layers if layer.kind not in ("input", "flatten")])
    steps = _over_time(net, arrays.floats("x", x), time_steps).shape[-1]
    last = simulate(net, x, steps + arrives)[-1]
    spikes = last.s[..., arrives:].astype(np.int64)
    counts = last.v[..., -1] if net.layers[-1].read_out else spikes.sum(axis=-1)
    return counts.reshape(len(counts), -1).argmax(axis=1)


def injected(layer: LayerSpec, x: Floats) -> Ints:
    """What an input layer adds to its voltages: 2 W k + 64 B, k the pixel in units of 1/32; of x's
    shape. Spec: NET-10.
    """
    k = np.rint(ops.active().quantize_8bit(x) * np.float32(32)).astype(np.int64)
    weight, bias = (0 if value is None else value for value in (layer.weight, layer.bias))
    return 2 * weight * k + UNIT * bias


def _over_time(net: NetSpec, x: Floats, time_steps: int | None) -> Floats:
    """x as (N, *input_shape, T); a still x is held for `time_steps`."""
    n, shape = len(x) if x.ndim else 0, net.input_shape
    size = n * int(np.prod(shape))
    if n and x.size == size:
        steps = net.time_steps if time_steps is None else arrays.whole("time_steps", time_steps)
        if steps is None:
            raise RangeError("time_steps", None, "a number of steps: the file names none")
        return np.broadcast_to(x.reshape(n, *shape, 1), (n, *shape, steps))
    if n and x.ndim > 1 and x.size == size * x.shape[-1]:
        return x.reshape(n, *shape, x.shape[-1])
    expected = f"(N, {', '.join(map(str, shape))}) with an optional last axis T"
    raise ShapeError("x", f"of shape {x.shape}", expected)


def _run(layer: LayerSpec, x: Floats) -> Trace:
    """One layer over all steps of its input x (N, ..., T). The bias goes into the voltage, past the
    current, and so does a network's input.
    """
    o = ops.active()
    neuron, weight = layer.chip_neuron, layer.weight
    assert weight is not None
    if layer.kind == "input":
        drive, bias = np.zeros(x.shape, np.int64), injected(layer, x)
    else:
        if layer.geometry is None:
            z = o.dense_forward(x, real(weight))
        else:
            z = o.conv_forward(x, real(weight), *layer.geometry[1:])
        drive = to_state(z)
        bias = UNIT * (np.zeros(1, np.int64) if layer.bias is None else layer.bias)
        bias = bias.reshape(-1, *[1] * (drive.ndim - 2))
    start, threshold = np.zeros(drive.shape[:-1], np.int64), UNIT * neuron.v_th
    u, _ = o.wrapped_forward(drive, np.array([neuron.i_decay]), start)
    v, _ = o.saturated_forward(u + bias, np.array([neuron.v_decay]), start, threshold)
    return Trace(u, v, o.spike_forward(v, threshold))
