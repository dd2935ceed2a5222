"""refboot's blocks, training and exchange, asked as the table of operations asks."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np

from refboot import optim
from refboot.block import cuba as block
from refboot.block.base import Block
from refboot.conformance.own.parts import RNG, Permutations, give, gradient
from refboot.exchange.check import check_layer
from refboot.network import Network
from refboot.neuron import Dropout
from refboot.neuron.norm import MeanOnlyBatchNorm, WgtScaleBatchNorm
from refboot.reference.modes import mean_rate_forward
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.stats import LearningStat
from refboot.training.step import train_step

Array = np.ndarray


def make(kind: Any, neuron: dict[str, Any], v: Array, g: Array | None, **options: Any) -> Any:
    """A dense or affine block with these parameters."""
    layer = kind(neuron, v.shape[1], len(v), weight_norm=g is not None, rng=RNG, **options)
    give(layer.synapse.weight, v, g)
    return layer


def named(threshold: float, i: float, v: float) -> dict[str, Any]:
    """A neuron's parameters by name."""
    return {"threshold": threshold, "current_decay": i, "voltage_decay": v}


def ran(
    layer: Block, mode: str, x: Array, grad: Array, knots: Any = None, slopes: Any = None
) -> tuple[Array, Array]:
    """Output and input gradient of a block."""
    if knots is not None:
        layer.load_buffers({"curve.knots": knots, "curve.slopes": slopes})
    y = layer.forward(x, Mode[mode])
    return y, layer.backward(grad)


def dense_block(
    mode: str, x: Array, grad: Array, v: Array, g: Any, knots: Any, slopes: Any, *rest: Any
) -> tuple[Array, ...]:
    """Output and gradients of a dense block; `rest` is threshold, decays, delay shift, kept, p."""
    *neuron, shift, kept, p = rest
    params = named(*neuron) | ({} if kept is None else {"dropout": Dropout(p, RNG)})
    layer = make(block.Dense, params, v, g, delay_shift=bool(shift))
    with mock.patch("refboot.neuron.dropout.uniform", return_value=kept):
        y, gx = ran(layer, mode, x, grad, knots, slopes)
    return y, gx, gradient(layer.synapse.weight.v), gradient(layer.synapse.weight.g)


def dense_sample(x: Array, v: Array, g: Any, *rest: Any) -> tuple[Array, ...]:
    """Output and points of a dense block in SAMPLE mode; `rest` as in `dense_block`."""
    *neuron, shift, kept, p = rest
    params = named(*neuron) | ({} if kept is None else {"dropout": Dropout(p, RNG)})
    layer = make(block.Dense, params, v, g, delay_shift=bool(shift))
    with mock.patch("refboot.neuron.dropout.uniform", return_value=kept):
        return layer.forward(x, Mode.SAMPLE), layer.f.z, layer.f.a


def normed_sample(
    x: Array, v: Array, threshold: float, voltage_decay: float, scaled: bool
) -> tuple[Array, ...]:
    """Spikes and points of a block with a norm in SAMPLE mode."""
    norm = WgtScaleBatchNorm if scaled else MeanOnlyBatchNorm
    layer = make(block.Dense, named(threshold, 1.0, voltage_decay) | {"norm": norm}, v, None)
    return layer.forward(x, Mode.SAMPLE), layer.f.z, layer.f.a


def normed_rates(x: Array, v: Array, knots: Array, slopes: Array, scaled: bool) -> Array:
    """Rates of a block with a norm in ANN mode, in training."""
    norm = WgtScaleBatchNorm if scaled else MeanOnlyBatchNorm
    layer = make(block.Dense, named(1.0, 1.0, 0.5) | {"norm": norm}, v, None)
    layer.load_buffers({"curve.knots": knots, "curve.slopes": slopes})
    return layer.forward(x, Mode.ANN)


def input_block(
    mode: str, x: Array, grad: Array, weight: Any, bias: Any, knots: Any, slopes: Any, *rest: Any
) -> tuple[Array, ...]:
    """Output and gradients of an input block; `rest` is threshold, decays, delay shift."""
    *neuron, shift = rest
    layer: Any = block.Input(named(*neuron), weight, bias, delay_shift=bool(shift), rng=RNG)
    y, gx = ran(layer, mode, x, grad, knots, slopes)
    return y, gx, gradient(layer.synapse.weight), gradient(layer.synapse.bias)


def affine_block(mode: str, x: Array, grad: Array, v: Array, g: Any) -> tuple[Array, ...]:
    """Output and gradients of the read-out."""
    layer = make(block.Affine, named(1.0, 0.5, 0.5), v, g)
    y, gx = ran(layer, mode, x, grad)
    return y, gx, gradient(layer.synapse.weight.v), gradient(layer.synapse.weight.g)


def trained(
    x: Array, labels: Array, weight: float, bias: float, v1: Array, g1: Array, v2: Array, g2: Array,
    v3: Array, g3: Array, permutations: Array, iterations: int, samples: int, period: int,
    crossover: Array, time_steps: int, threshold: float, i: float, v: float, delay_shift: bool,
    optimizer: str, lr: float, momentum: float,
) -> tuple[Network, list[Any], list[float], list[Any]]:  # fmt: skip
    """A network after a run, with its modes, losses and gradients' lengths."""
    params, shift = named(threshold, i, v), bool(delay_shift)
    blocks: list[Any] = [
        block.Input(params, weight, bias, delay_shift=shift, rng=RNG),
        make(block.Dense, params, v1, g1, delay_shift=shift),
        make(block.Dense, params, v2, g2, delay_shift=shift),
        make(block.Affine, params, v3, g3),
    ]
    for k in range(3):
        blocks[k].f.rng = Permutations(permutations[:, k])
    network = Network(blocks, (x.shape[2],), time_steps)
    scheduler, own = Scheduler(samples, period, crossover.tolist()), network.parameters()
    rule = optim.Adam(own, lr) if optimizer == "adam" else optim.SGD(own, lr, momentum)
    modes, losses, norms = [], [], []
    for s in range(len(x)):
        mode = scheduler.mode(s // iterations, s % iterations)
        losses.append(train_step(network, rule, x[s], labels[s], mode, LearningStat()))
        modes.append([mode.of(k).value for k in range(4)])
        norms.append([network.grad_norms()[f"blocks.{k}"] for k in range(4)])
    return network, modes, losses, norms


def training_trace(x: Array, *given: Any) -> tuple[Any, ...]:
    """Modes, losses, gradients' lengths of a run, and the network's rates as an SNN."""
    network, modes, losses, norms = trained(x, *given)
    rates = mean_rate_forward(network.forward(x[0], LayerMode(0, Mode.SNN)))[..., 0]
    return np.array(modes), np.array(losses), np.array(norms), rates


def training_state(x: Array, *given: Any) -> tuple[Any, ...]:
    """Parameters, curves and digest after a run."""
    network, *_ = trained(x, *given)
    state = network.state()
    layers = [("weight", "bias"), *[("synapse.weight_v", "synapse.weight_g")] * 3]
    parameters = [state[f"blocks.{k}.{name}"] for k, names in enumerate(layers) for name in names]
    curves = [state[f"blocks.{k}.curve.{part}"] for k in range(3) for part in ("knots", "slopes")]
    digest = np.frombuffer(bytes.fromhex(network.digest()), np.uint8).astype(np.int64)
    return *parameters, *curves, digest


def exchange_dense(v: Array, g: Any, *neuron: float) -> tuple[Any, ...]:
    """The integers written for a dense layer, after the writer's checks."""
    spec = make(block.Dense, named(*neuron), v, g).layer_spec((v.shape[1],))
    check_layer("the layer", spec)
    return spec.weight, spec.neuron.i_decay, spec.neuron.v_decay, spec.neuron.v_th


def exchange_input(weight: float, bias: float) -> tuple[Any, ...]:
    """The integers written for an input layer."""
    spec = block.Input(named(1.0, 1.0, 0.5), weight, bias, rng=RNG).layer_spec((4,))
    return spec.weight, spec.bias
