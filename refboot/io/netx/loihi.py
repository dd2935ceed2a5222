"""An exchange file run as Loihi and Lava's fixed-point model run it: integers alone, a step of
delay a layer, 24-bit states.

It agrees with refboot's SNN mode in every bit, `layer` steps later, as long as no state leaves its
24 bits and no layer has a bias (a bias acts from the first step on, before the first spikes
arrive).
"""

from __future__ import annotations

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats, Ints
from refboot.errors import RangeError, ShapeError
from refboot.exchange import READ_OUT, LayerSpec, NetSpec, NeuronSpec
from refboot.neuron.cuba import Trace
from refboot.reference.fixed_point import STATE_SCALE, WEIGHT_SCALE, to_state
from refboot.reference.rates import delay_forward
from refboot.synapse import quantize_8bit

UNIT = STATE_SCALE // WEIGHT_SCALE


def simulate(
    net: NetSpec, x: Floats, time_steps: int | None = None, delay: bool = True
) -> list[Trace]:
    """u, v before reset (int64, units of 1/4096) and spikes s of every layer and step, each (N,
    *shape, T), for x (N, *input_shape[, T]).

    A still x is held for `time_steps` (default: the file's). `delay`: a step from layer to layer,
    as on the chip. u wraps round and v saturates at 2^23. A read-out has its weighted input as u
    and the sum so far as v. Raises ShapeError, RangeError, TypeMismatchError. Spec: NET-9.
    """
    arrays.instance("net", net, NetSpec, "what refboot.exchange.read gives")
    delay = arrays.flag("delay", delay)
    s = over_time(net, arrays.floats("x", x), time_steps)
    traces: list[Trace] = []
    for number, layer in enumerate(net.layers):
        if layer.kind == "flatten":
            s = s.reshape(len(s), -1, s.shape[-1])
            traces.append(Trace(s.astype(np.int64), s.astype(np.int64), s))
            continue
        arrives = delay_forward(s) if delay and layer.kind != "input" else s
        traces.append(run_layer(layer, arrives))
        s = traces[number].s
    return traces


def decide(net: NetSpec, x: Floats, time_steps: int | None = None) -> Ints:
    """The class (N,) that the chip decides for still inputs x (N, *input_shape): the last layer's
    largest sum, or most spikes.

    It sees `time_steps` steps of the input (default: the file's), one more for each layer that its
    spikes still have to pass.
    """
    arrays.instance("net", net, NetSpec, "what refboot.exchange.read gives")
    arrives = len([layer for layer in net.layers if layer.kind not in ("input", "flatten")])
    steps = over_time(net, arrays.floats("x", x), time_steps).shape[-1]
    last = simulate(net, x, steps + arrives)[-1]
    counts: Ints = (
        last.v[..., -1]
        if net.layers[-1].read_out
        else last.s[..., arrives:].sum(axis=-1).astype(np.int64)
    )
    return counts.reshape(len(counts), -1).argmax(axis=1)


def over_time(net: NetSpec, x: Floats, time_steps: int | None) -> Floats:
    """x as (N, *input_shape, T); a still one is held for `time_steps`."""
    n, size = len(x) if x.ndim else 0, int(np.prod(net.input_shape))
    if n and x.size == n * size:
        steps = net.time_steps if time_steps is None else arrays.whole("time_steps", time_steps)
        if steps is None:
            raise RangeError("time_steps", None, "a number of steps: the file names none")
        return np.broadcast_to(x.reshape(n, *net.input_shape, 1), (n, *net.input_shape, steps))
    if n and x.ndim > 1 and x.size == n * size * x.shape[-1]:
        return x.reshape(n, *net.input_shape, x.shape[-1])
    raise ShapeError(
        "x",
        f"of shape {x.shape}",
        f"(N, {', '.join(map(str, net.input_shape))}) with an optional last axis T",
    )


def run_layer(layer: LayerSpec, x: Floats) -> Trace:
    """One layer over all steps of its input x (N, ..., T)."""
    neuron = READ_OUT if layer.neuron is None or layer.read_out else layer.neuron
    if layer.kind == "input":  # injected as a bias, so that it does not pass through the current
        return run_neuron(np.zeros(x.shape, np.int64), neuron, injected(layer, x))
    drive = to_state(weighted(layer, x))
    bias = np.zeros(1, np.int64) if layer.bias is None else UNIT * layer.bias
    return run_neuron(drive, neuron, bias.reshape(-1, *[1] * (drive.ndim - 2)))


def injected(layer: LayerSpec, x: Floats) -> Ints:
    """What an input layer adds to its voltages: 2 W k + 64 B, k the pixel in units of 1/32; of x's
    shape. Spec: NET-10.
    """
    assert layer.weight is not None
    assert layer.bias is not None
    k = np.rint(quantize_8bit.forward(x) * np.float32(32)).astype(np.int64)
    return 2 * layer.weight * k + UNIT * layer.bias


def weighted(layer: LayerSpec, x: Floats) -> Floats:
    """The weighted input of a dense or convolution layer, exact in float32."""
    assert layer.weight is not None
    weight = (layer.weight / WEIGHT_SCALE).astype(np.float32)
    if layer.geometry is None:
        return ops.active().dense_forward(x, weight)
    _, stride, padding, dilation, groups = layer.geometry
    return ops.active().conv_forward(x, weight, stride, padding, dilation, groups)


def run_neuron(drive: Ints, neuron: NeuronSpec, bias: Ints) -> Trace:
    """Neurons over all steps of `drive` (N, ..., T); `bias`, broadcast to it, is added to the
    voltage past the current.
    """
    o, start, threshold = ops.active(), np.zeros(drive.shape[:-1], np.int64), UNIT * neuron.v_th
    u, _ = o.wrapped_forward(drive, np.array([neuron.i_decay]), start)
    v, _ = o.saturated_forward(u + bias, np.array([neuron.v_decay]), start, threshold)
    return Trace(u, v, o.spike_forward(v, threshold))
