"""Whole training steps in C99, written from the text, give the parameters of refboot's network in
every bit: compiled for this machine and, where a cross compiler and an emulator are installed, for
another one (aarch64).
"""

import os
import shutil
import struct
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from refboot import ops
from refboot.block import cuba
from refboot.loss import cross_entropy
from refboot.network import Network
from refboot.optim import Adam
from refboot.reference.fit import Curve
from refboot.reference.modes import mean_rate_backward
from refboot.routine import LayerMode, Mode

SOURCE = Path(__file__).with_name("training_steps.c")
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-ffp-contract=off"]
SIZES, STEPS, BATCH = [20, 17, 9, 5], 7, 6
MODES = [Mode.SNN, Mode.ANN, Mode.ANN, Mode.SNN, Mode.ANN]
NEURON = {"threshold": 1.25, "current_decay": 0.8, "voltage_decay": 0.03}


def packed(*arrays: object) -> bytes:
    """Arrays and numbers as the C program reads them: int32, float32."""
    found = (np.asarray(a) for a in arrays)
    return b"".join(a.astype("<i4" if a.dtype.kind in "iu" else "<f4").tobytes() for a in found)


def network(rng: np.random.Generator) -> Network:
    """A small network of the tutorial's kind, its curves drawn."""
    hidden = [
        cuba.Dense(NEURON, i, o, weight_scale=3, weight_norm=True, rng=rng)
        for i, o in pairwise(SIZES[:-1])
    ]
    last = cuba.Affine(NEURON, SIZES[-2], SIZES[-1], weight_scale=3, weight_norm=True, rng=rng)
    net = Network([cuba.Input(NEURON, 1.0, 0.0, rng=rng), *hidden, last], SIZES[:1], STEPS)
    for block in net.blocks[:-1]:
        z, a = np.cumsum(rng.uniform(0.1, 0.9, 6)) - 1, np.linspace(0, 0.9, 6)
        block.f.curve = Curve(np.stack([z, a], axis=1), np.diff(a) / np.diff(z))
    return net


def given_to_c(net: Network, batches: list[tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Network and batches as the C program reads them."""
    neuron, first = net.blocks[0].neuron, net.blocks[0].synapse
    decays = int(neuron.cx_current_decay[0]), int(neuron.cx_voltage_decay[0])
    parts = [packed(len(SIZES) - 1, STEPS, len(MODES), BATCH, SIZES)]
    parts.append(packed(4096 - decays[0], 4096 - decays[1], 64 * neuron.v_th_mant))
    surrogate = neuron.scale / (2 * neuron.tau), -1 / neuron.tau
    parts.append(packed(neuron.threshold, *surrogate) + struct.pack("<d", 1e-2))
    parts.append(packed(first.weight.data, first.bias.data))
    parts += [packed(b.synapse.weight.v.data, b.synapse.weight.g.data) for b in net.blocks[1:]]
    for block in net.blocks[:-1]:
        knots, slopes = block.f.curve
        parts.append(packed(len(knots), knots[:, 0], knots[:, 1], slopes))
        parts.append(packed(block.f.curve.scale, block.f.eps))
    for mode, (x, labels) in zip(MODES, batches, strict=True):
        parts.append(packed(int(mode.spiking), x, labels))
    return b"".join(parts)


@pytest.mark.parametrize("machine", ["this", "aarch64"])
def test_training_steps_in_c_give_every_bit_of_the_parameters(
    machine: str, tmp_path: Path, o: ops.Ops
) -> None:
    """NUM-11, NUM-12, NUM-13: forward, backward and Adam, as spikes and as rates."""
    other = machine == "aarch64"
    name = "aarch64-linux-gnu-gcc" if other else os.environ.get("CC", "cc")
    compiler, emulator = shutil.which(name), shutil.which("qemu-aarch64")
    if compiler is None or (other and emulator is None):
        pytest.skip("no cross compiler or qemu-user for aarch64" if other else "no C compiler")
    program = tmp_path / "steps"
    command = [compiler, *FLAGS, *(["-static"] if other else []), "-o", program, SOURCE, "-lm"]
    subprocess.run(command, check=True)

    rng = np.random.default_rng(5)
    net = network(rng)
    batches = [
        (
            rng.uniform(-1, 1, (BATCH, SIZES[0])).astype(np.float32),
            rng.integers(0, SIZES[-1], BATCH),
        )
        for _ in MODES
    ]
    start = [emulator, program] if other else [program]
    run = subprocess.run(start, input=given_to_c(net, batches), capture_output=True, check=True)

    optimizer = Adam(net.parameters(), lr=1e-2)
    before = net.digest()
    with ops.use(o):
        for mode, (x, labels) in zip(MODES, batches, strict=True):
            z = net.forward(x, LayerMode(0, mode))
            _, grad = cross_entropy(o.mean_rate_forward(z)[..., 0], labels)
            optimizer.zero_grad()
            net.backward(mean_rate_backward(grad[..., None], z.shape[-1]))
            optimizer.step()
    parameters = [net.blocks[0].synapse.weight, net.blocks[0].synapse.bias]
    for block in net.blocks[1:]:
        parameters += [block.synapse.weight.v, block.synapse.weight.g]
    assert net.digest() != before
    assert run.stdout == packed(*(p.data for p in parameters))
