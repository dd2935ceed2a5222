"""refboot's blocks, training and exchange, asked as the table of operations asks."""

from __future__ import annotations

from typing import Any

import numpy as np

from refboot import ops, optim
from refboot.block import cuba as block
from refboot.block.base import Block
from refboot.conformance.own.parts import give, gradient, gradients
from refboot.conformance.own.replay import SEED, Permutations, Replay
from refboot.exchange.check import check_layer
from refboot.network import Network
from refboot.neuron import Dropout
from refboot.reference import fixed_point
from refboot.reference.rates import mean_rate_forward
from refboot.routine import LayerMode, Mode, Scheduler
from refboot.stats import LearningStat
from refboot.training.step import train_step

Array = np.ndarray


def neuron(
    threshold: float, i: float, v: float, kept: Array | None = None, p: float = 0
) -> dict[str, Any]:
    """The parameters of a neuron, its dropout keeping what is `kept`."""
    drop = {} if kept is None else {"dropout": Dropout(p, Replay(kept=kept))}
    return {"threshold": threshold, "current_decay": i, "voltage_decay": v} | drop


def make(kind: Any, params: dict[str, Any], v: Array, g: Array | None, **options: Any) -> Any:
    """A dense or affine block with these parameters."""
    outputs, inputs = v.shape
    layer = kind(
        params,
        inputs,
        outputs,
        weight_norm=g is not None,
        rng=np.random.default_rng(SEED),
        **options,
    )
    give(layer.synapse.weight, v, g)
    return layer


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
    threshold, i, w, delay_shift, kept, p = rest
    layer = make(block.Dense, neuron(threshold, i, w, kept, p), v, g, delay_shift=bool(delay_shift))
    y, gx = ran(layer, mode, x, grad, knots, slopes)
    return y, gx, *gradients(layer.synapse.weight)


def dense_sample(
    x: Array, v: Array, g: Any, threshold: float, i: float, w: float, *rest: Any
) -> tuple[Array, ...]:
    """Output and points of a dense block in SAMPLE mode; `rest` is delay shift, kept, p."""
    delay_shift, kept, p = rest
    layer = make(block.Dense, neuron(threshold, i, w, kept, p), v, g, delay_shift=bool(delay_shift))
    return layer.forward(x, Mode.SAMPLE), layer.f.z, layer.f.a


def input_block(
    mode: str, x: Array, grad: Array, weight: Any, bias: Any, knots: Any, slopes: Any, *rest: Any
) -> tuple[Array, ...]:
    """Output and gradients of an input block; `rest` is threshold, decays, delay shift."""
    threshold, i, v, delay_shift = rest
    rng = np.random.default_rng(SEED)
    layer: Any = block.Input(
        neuron(threshold, i, v), weight, bias, delay_shift=bool(delay_shift), rng=rng
    )
    y, gx = ran(layer, mode, x, grad, knots, slopes)
    return y, gx, gradient(layer.synapse.weight), gradient(layer.synapse.bias)


def affine_block(mode: str, x: Array, grad: Array, v: Array, g: Any) -> tuple[Array, ...]:
    """Output and gradients of the read-out."""
    layer = make(block.Affine, neuron(1.0, 0.5, 0.5), v, g)
    return *ran(layer, mode, x, grad), *gradients(layer.synapse.weight)


def training_trace(
    x: Array, labels: Array, weight: float, bias: float, v1: Array, g1: Array, v2: Array, g2: Array, v3: Array, g3: Array,
    permutations: Array, iterations: int, samples: int, period: int, crossover: Array, time_steps: int, threshold: float, i: float,
    v: float, delay_shift: bool, optimizer: str, lr: float, momentum: float,
) -> tuple[Any, ...]:  # fmt: skip
    """Modes, losses, gradients' lengths and final rates of a run."""
    params, rng, shift = neuron(threshold, i, v), np.random.default_rng(SEED), bool(delay_shift)
    hidden = [make(block.Dense, params, w, g, delay_shift=shift) for w, g in ((v1, g1), (v2, g2))]
    blocks = [
        block.Input(params, weight, bias, delay_shift=shift, rng=rng),
        *hidden,
        make(block.Affine, params, v3, g3),
    ]
    for k in range(3):
        blocks[k].f.rng = Permutations(permutations[:, k])
    network, scheduler = (
        Network(blocks, (x.shape[2],), time_steps),
        Scheduler(samples, period, crossover.tolist()),
    )
    parameters = network.parameters()
    rule = (
        optim.Adam(parameters, lr) if optimizer == "adam" else optim.SGD(parameters, lr, momentum)
    )
    modes, losses, norms = [], [], []
    for s in range(len(x)):
        mode = scheduler.mode(s // iterations, s % iterations)
        losses.append(train_step(network, rule, x[s], labels[s], mode, LearningStat()))
        modes.append([mode.of(k).value for k in range(4)])
        norms.append([network.grad_norms()[f"blocks.{k}"] for k in range(4)])
    rates = mean_rate_forward(network.forward(x[0], LayerMode(0, Mode.SNN)))[..., 0]
    return np.array(modes), np.array(losses), np.array(norms), rates


def exchange_dense(v: Array, g: Any, threshold: float, i: float, w: float) -> tuple[Any, ...]:
    """The integers written for a dense layer, after the writer's checks."""
    spec = make(block.Dense, neuron(threshold, i, w), v, g).layer_spec((v.shape[1],))
    check_layer("the layer", spec)
    return spec.weight, spec.neuron.i_decay, spec.neuron.v_decay, spec.neuron.v_th


def exchange_input(weight: float, bias: float) -> tuple[Any, ...]:
    """The integers written for an input layer."""
    spec = block.Input(
        neuron(1.0, 1.0, 0.5), weight, bias, rng=np.random.default_rng(SEED)
    ).layer_spec((4,))
    return spec.weight, spec.bias


def integer_drive(s: Array, weight: Array) -> Array:
    """The drive of spikes through weight mantissas."""
    return fixed_point.to_state(
        ops.active().dense_forward(s, (weight / np.float32(64)).astype(np.float32))
    )
