"""Bring your own: operations that pass can be put under refboot's blocks, and train the digits."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conformance_vectors import STORED

from refboot import ops
from refboot.conformance.backend import PythonBackend, load
from refboot.conformance.verify import FAILED, PASSED, verify
from refboot.data import DataLoader, load_digits
from refboot.data.transforms import Compose, Normalize, ToTensor
from refboot.optim import Adam
from refboot.routine import Mode, Scheduler
from refboot.settings import DIGITS, Settings
from refboot.stats import LearningStat
from refboot.training import build
from refboot.training.step import train_step

BACKENDS = Path(__file__).resolve().parents[2] / "examples" / "backends"
STEPS = 6


def digits(choice: Any) -> tuple[list[float], list[Mode]]:
    """Losses and modes of the first steps of the digits' training on a set of operations."""
    settings = Settings(**(DIGITS | {"hidden": (24, 24), "time_steps": 8, "batch_size": 16}))
    rng = np.random.default_rng(settings.seed)
    network, scheduler = build(settings, rng), Scheduler(2, 5)
    batches = iter(
        DataLoader(
            load_digits(train=True), 16, transform=Compose([ToTensor(), Normalize(0.5, 0.5)])
        )
    )
    losses, modes = [], []
    with ops.use(choice):
        optimizer = Adam(network.parameters(), settings.lr)
        for step in range(STEPS):
            mode = scheduler.mode(0, step)
            losses.append(train_step(network, optimizer, *next(batches), mode, LearningStat()))
            modes.append(mode.base_mode)
    return losses, modes


def plain_spike_forward(voltage: Any, threshold: int) -> np.ndarray:
    fired = [1.0 if v > threshold else 0.0 for v in voltage.ravel().tolist()]
    return np.array(fired, np.float32).reshape(voltage.shape)


def plain_leaky_forward(
    drive: Any, decay: Any, state: Any, threshold: Any = None, subtract: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    if subtract:
        raise NotImplementedError
    y, rows, decays = drive.copy(), state.reshape(-1).tolist(), decay.tolist()
    steps = y.reshape(len(rows), -1)
    for k, old in enumerate(rows):
        keep = 4096 - decays[k % state.shape[1] if len(decays) > 1 else 0]
        for t, x in enumerate(steps[k].tolist()):
            product = old * keep
            new = (product >> 12 if product >= 0 else -(-product >> 12)) + x
            steps[k, t], old = new, 0 if threshold is not None and new > threshold else new  # noqa: PLW2901
        rows[k] = old
    return y, np.array(rows, np.int64).reshape(state.shape)


def plain_cuba_forward(
    z: Any, i_decay: Any, v_decay: Any, threshold: int, u: Any, v: Any
) -> tuple[np.ndarray, ...]:
    drive = np.array([int(x * 4096) for x in z.ravel().tolist()], np.int64).reshape(z.shape)
    currents, u = plain_leaky_forward(drive, i_decay, u)
    voltages, v = plain_leaky_forward(currents, v_decay, v, threshold)
    return plain_spike_forward(voltages, threshold), (voltages / 4096).astype(np.float32), u, v


PLAIN = SimpleNamespace(
    spike_forward=plain_spike_forward,
    leaky_forward=plain_leaky_forward,
    cuba_forward=plain_cuba_forward,
)


def test_a_plain_python_object_passes_and_trains_the_digits_alike() -> None:
    found = verify(
        PythonBackend(PLAIN, "plain"), [case for case in STORED if hasattr(PLAIN, case.op)]
    )
    assert not found.having(FAILED)
    assert len(found.having(PASSED)) > 25
    assert digits(PLAIN) == digits("reference")


def test_pytorch_trains_the_digits_alike() -> None:
    pytest.importorskip("torch")
    losses, modes = digits(load(str(BACKENDS / "torch_backend.py")).adapter)
    own, own_modes = digits("reference")
    assert modes == own_modes == [Mode.SAMPLE, Mode.SAMPLE, Mode.FIT, Mode.ANN, Mode.ANN, Mode.ANN]
    np.testing.assert_allclose(losses, own, atol=1e-3)


def test_a_wrong_operation_trains_otherwise() -> None:
    wrong = SimpleNamespace(cuba_forward=lambda *a: (np.zeros_like(a[0]), a[0], a[4], a[5]))
    assert digits(wrong)[0] != digits("reference")[0]
