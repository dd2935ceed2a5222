"""A layer of LIF neurons alone, forward and backward over T steps: refboot's kernels, and other
frameworks where they are installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from refboot import ops
from refboot.arrays import extra
from refboot.bench.lava import imported
from refboot.bench.measure import Action

SAMPLES, NEURONS = 32, 512
DECAY, THRESHOLD = 0.03, 1.25


def actions(steps: int, rng: np.random.Generator, against: tuple[str, ...]) -> dict[str, Action]:
    """What each program that is there does for `steps` steps of 16,384 neurons, by its name."""
    z = rng.normal(0, 0.5, (SAMPLES, steps, NEURONS)).astype(np.float32)
    found = {"refboot": ours(z)}
    for name, (package, make) in OTHERS.items():
        if name in against and there(package):
            found[name] = make(z)
    return found


def there(package: str) -> bool:
    """Whether `package` can be imported at all."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def ours(z: np.ndarray) -> Action:
    """refboot's kernels, as its layers call them."""
    z = z.transpose(0, 2, 1)
    grad, decays = np.ones_like(z), (np.array([4096]), np.array([round(4096 * DECAY)]))
    rest = np.zeros(z.shape[:2], np.int64)

    def action() -> Any:
        o = ops.active()
        _, voltage, _, _ = o.cuba_forward(z, *decays, int(THRESHOLD * 4096), rest, rest)
        return o.cuba_backward(grad, voltage, *decays, THRESHOLD, 100 * THRESHOLD, 0.1)

    return action


def lava(z: np.ndarray) -> Action:
    """lava-dl's CUBA neuron."""
    torch, _ = imported()
    neuron = extra("lava.lib.dl.slayer", "bench").neuron.cuba.Neuron(THRESHOLD, 1, DECAY)
    x = torch.tensor(np.ascontiguousarray(z.transpose(0, 2, 1)), requires_grad=True)
    return trained(x, lambda: neuron(x))


def snntorch(z: np.ndarray) -> Action:
    """snnTorch's leaky neuron, reset to zero."""
    torch, cell = (
        extra("torch", "bench"),
        extra("snntorch", "bench").Leaky(1 - DECAY, threshold=THRESHOLD, reset_mechanism="zero"),
    )
    x = torch.tensor(z.transpose(1, 0, 2).copy(), requires_grad=True)
    return trained(x, lambda: torch.stack(stepped(cell, x, cell.init_leaky())))


def norse(z: np.ndarray) -> Action:
    """Norse's LIF cell, over time."""
    torch, module = extra("torch", "bench"), extra("norse.torch", "bench")
    cell = module.LIFCell(
        module.LIFParameters(tau_mem_inv=torch.tensor(1000 * DECAY), v_th=torch.tensor(THRESHOLD))
    )
    x = torch.tensor(z.transpose(1, 0, 2).copy(), requires_grad=True)
    return trained(x, lambda: torch.stack(stepped(cell, x, None)))


def spikingjelly(z: np.ndarray) -> Action:
    """SpikingJelly's LIF node, many steps at once."""
    torch, neuron = extra("torch", "bench"), extra("spikingjelly.activation_based.neuron", "bench")
    node = neuron.LIFNode(
        tau=1 / DECAY, decay_input=False, v_threshold=THRESHOLD, v_reset=0.0, step_mode="m"
    )
    x = torch.tensor(z.transpose(1, 0, 2).copy(), requires_grad=True)

    def forward() -> Any:
        node.reset()
        return node(x)

    return trained(x, forward)


def stepped(cell: Callable[[Any, Any], tuple[Any, Any]], x: Any, state: Any) -> list[Any]:
    """The spikes of each step of x from `cell`, which is called step by step and hands its state
    on.
    """
    spikes = []
    for step in x:
        spike, state = cell(step, state)
        spikes.append(spike)
    return spikes


def trained(x: Any, forward: Callable[[], Any]) -> Action:
    """Forward, and backward from the sum of the spikes."""

    def action() -> None:
        x.grad = None
        forward().sum().backward()

    return action


OTHERS: dict[str, tuple[str, Callable[[np.ndarray], Action]]] = {
    "lava-dl": ("lava.lib.dl.bootstrap", lava),
    "snntorch": ("snntorch", snntorch),
    "norse": ("norse", norse),
    "spikingjelly": ("spikingjelly", spikingjelly),
}
