"""A batch on its way through the spiking network: forward, loss, backward in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.engine import rates, spiking
from refboot.engine.in_rates import VALUES
from refboot.engine.layer import Layer, Spikes
from refboot.engine.products import product
from refboot.engine.weights import add_events
from refboot.synapse import Scalar

F = np.float32


class Entry:
    """The input layer for each value of a pixel: spikes and surrogate gradients, each (T, 256).

    `neurons` are the constants of all layers, as they are now.
    """

    def __init__(self, neurons: Sequence[Spikes], scalar: Scalar, steps: int) -> None:
        (weight,), (bias,) = scalar.quantised()
        self.neurons, own = neurons, neurons[0]
        self.z = VALUES * weight + bias
        self.spikes = np.empty((steps, spiking.CODES), np.uint8)
        self.gain = np.empty((steps, spiking.CODES), F)
        spiking.input_layer(weight, bias, own.forward, self.spikes, self.gain)
        spiking.surrogates(self.gain, own.surrogate)
        self.fired = np.count_nonzero(self.spikes, axis=0)
        self.ends = np.cumsum(self.fired)  # in `at`, of each code
        self.begins = self.ends - self.fired
        self.at = np.nonzero(self.spikes.T)[1].astype(np.int16)  # steps at which a code spikes


class SpikeBatch:
    """Arrays for N samples of T steps, which serve again with another `entry`.

    `part` is always a slice of the samples. Without `training` there is no room for what only
    backward needs.
    """

    def __init__(
        self, layers: Sequence[Layer], samples: int, entry: Entry, training: bool = True
    ) -> None:
        self.layers, self.samples, self.entry = layers, samples, entry
        self.steps = steps = len(entry.spikes)
        self.hidden, self.last = layers[:-1], layers[-1]
        sizes = [layer.outputs for layer in self.hidden]
        self.codes = np.empty((samples, layers[0].inputs), np.uint8)
        self.found = [np.empty((samples, steps, size + 1), np.uint16) for size in sizes]
        self.count = [np.empty((samples, steps), np.int64) for _ in sizes]
        self.fired = [np.empty((samples, size), F) for size in sizes]
        kept = steps if training else 1
        self.volts = [np.empty((samples, kept, size), F) for size in sizes]
        self.out = np.empty((samples, self.last.outputs), F)
        if training:
            self._make_room([layer.inputs for layer in layers])

    def _make_room(self, inputs: list[int]) -> None:
        samples, steps = self.samples, self.steps
        self.losses, self.grad = np.empty(samples, F), np.empty_like(self.out)
        self.gz = [np.empty((samples, steps, size), F) for size in inputs]
        self.gs = [self.gz[0], *(np.empty((samples, steps, size), F) for size in inputs[1:-1])]
        self.share = np.empty((samples, 1, self.last.outputs), F)
        self.given = np.empty((samples, 1, inputs[-1]), F)
        self.begins = [np.zeros((samples, size), np.int64) for size in inputs]
        self.ends = [np.empty((samples, size), np.int64) for size in inputs]
        self.at = [np.zeros(samples * steps * size, np.int16) for size in inputs]
        self.means = [np.empty((samples, layer.outputs), F) for layer in self.hidden]

    def forward(self, part: slice, x: Floats) -> None:
        """The mean read-out, `out`, of the pictures x (n, I)."""
        codes, entry = self.codes[part], self.entry
        spiking.encode(x, codes)
        for i, layer in enumerate(self.hidden):
            neuron, whole = entry.neurons[i + 1].forward, layer.whole
            made = [kept[i][part] for kept in (self.found, self.count, self.fired, self.volts)]
            if i:
                lists = self.found[i - 1][part], self.count[i - 1][part]
                spiking.next_layer(*lists, whole, neuron, *made)
            else:
                spiking.first_layer(codes, entry.spikes, whole, layer.total, neuron, *made)
        out = self.out[part]
        product(self.fired[-1][part], self.last.weight, 0, self.last.outputs, out)
        np.divide(out, F(self.steps), out=out)

    def backward(self, part: slice, labels: Ints) -> None:
        """The loss of each sample, and the gradients of all weighted inputs."""
        grad, share, given = self.grad[part], self.share[part], self.given[part]
        rates.cross_entropy(self.out[part], labels, self.samples, self.losses[part], grad)
        np.divide(grad, F(self.steps), out=share[:, 0])  # the same at each step
        product(share[:, 0], self.last.turned, 0, self.last.inputs, given[:, 0])
        for i in range(len(self.hidden) - 1, -1, -1):
            layer, gz, before = self.hidden[i], self.gz[i + 1][part], self.gs[i][part]
            own = self.entry.neurons[i + 1]
            spiking.layer_backward(given, self.volts[i][part], *own.keep, own.surrogate, gz)
            flat = gz.reshape(-1, layer.outputs), before.reshape(-1, layer.inputs)
            product(flat[0], layer.turned, 0, layer.inputs, flat[1])
            given = before
        keep = self.entry.neurons[0].keep
        spiking.input_backward(given, self.codes[part], self.entry.gain, *keep)
        self._list_spikes(part)

    def _list_spikes(self, part: slice) -> None:
        """When each input of each layer spikes, for `gradient`."""
        codes, entry = self.codes[part], self.entry
        np.take(entry.begins, codes, out=self.begins[0][part], mode="clip")
        np.take(entry.ends, codes, out=self.ends[0][part], mode="clip")
        for i in range(1, len(self.hidden)):
            first = part.start * self.steps * self.layers[i].inputs
            lists = self.found[i - 1][part], self.count[i - 1][part]
            spiking.by_input(*lists, first, self.begins[i][part], self.ends[i][part], self.at[i])
        self.ends[-1][part] = self.fired[-1][part]  # the read-out adds its one row for each spike

    def gradient(self, i: int, low: int, high: int) -> None:
        """The gradient of some outputs' weights in layer i: over samples, then steps."""
        gz = self.gz[i + 1] if i < len(self.hidden) else self.share
        at = self.at[i] if i else self.entry.at
        add_events(gz, self.begins[i], self.ends[i], at, low, high, self.layers[i].gw)

    def scalars(self) -> Floats:
        """The gradients (2,) of the input layer's weight and bias."""
        grads = np.empty(2, F)
        rates.scalars(self.gz[0], self.codes, grads)
        return grads

    def sample(self, part: slice) -> None:
        """The mean weighted input of each neuron, `means`: whole numbers until they are divided."""
        fired = self.entry.fired.astype(F)[self.codes[part]]
        for i, layer in enumerate(self.hidden):
            mean = self.means[i][part]
            product(fired, layer.weight, 0, layer.outputs, mean)
            np.divide(mean, F(self.steps), out=mean)
            fired = self.fired[i][part]

    def points(self) -> list[tuple[Floats, Floats]]:
        """The rates and mean weighted inputs of each layer's neurons."""
        by_code = self.entry.fired.astype(F) / F(self.steps), self.entry.z
        first = by_code[0][self.codes], by_code[1][self.codes]
        rest = zip(self.fired, self.means, strict=True)
        return [first, *((fired / F(self.steps), mean) for fired, mean in rest)]
