"""Each picture shows its numbers, names its axes, draws where it is told, and leaves matplotlib's
global state alone.
"""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from refboot.ann_sampler import AnnSampler
from refboot.block import cuba
from refboot.errors import OrderError, RangeError, ShapeError
from refboot.io.event import Event, tensor_to_event
from refboot.network import Network
from refboot.routine import LayerMode, Mode

pytest.importorskip("matplotlib", reason="the extra viz is not installed")

from matplotlib.figure import Figure

from refboot.viz import canvas, curves, spikes, training

RNG_SEED = 3
LOG = [
    {
        "epoch": epoch,
        "grad_norms": {"blocks.0": 1.0 / (epoch + 1), "blocks.10": 2.0, "blocks.2": 0.0},
    }
    for epoch in range(4)
]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(RNG_SEED)


@pytest.fixture
def sampler(rng: np.random.Generator) -> AnnSampler:
    made = AnnSampler(rng=rng)
    z = rng.uniform(-1, 2, (400, 5)).astype(np.float32)
    made.append_means(np.clip(z / 1.5, 0, 1), z)
    made.fit()
    return made


def offsets(ax: Any) -> np.ndarray:
    return np.asarray(ax.collections[0].get_offsets())


def every_picture(sampler: AnnSampler) -> dict[str, Any]:
    """A function of the axes for every kind of picture."""
    few = np.array([0, 1, 2, 2])
    states = np.arange(5) * 1000
    rates = curves.Rates(np.float32([[0, 0.5]]), np.float32([[0.25, 0.5]]))
    return {
        "raster": lambda ax: spikes.raster(np.eye(4), ax),
        "membrane": lambda ax: spikes.membrane(
            states, states, np.float32([0, 0, 1, 0, 1]), 0.5, ax
        ),
        "samples": lambda ax: curves.samples(sampler, ax),
        "history": lambda ax: curves.history([(0, sampler.centers), (5, sampler.centers)], ax),
        "gradient_flow": lambda ax: training.gradient_flow(LOG, ax),
        "confusion": lambda ax: training.confusion(few, few, 3, ax),
        "alignment": lambda ax: curves.alignment(rates, ax),
    }


KINDS = ("raster", "membrane", "samples", "history", "gradient_flow", "confusion", "alignment")


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_returns_its_figure_and_names_both_axes(sampler: AnnSampler, kind: str) -> None:
    figure = every_picture(sampler)[kind](None)
    assert isinstance(figure, Figure)
    ax = figure.axes[0]
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert canvas.png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_drawn_on_the_axes_it_is_given(sampler: AnnSampler, kind: str) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert every_picture(sampler)[kind](right) is figure
    assert right.has_data()
    assert not left.has_data()


def test_pictures_do_without_pyplot() -> None:
    code = (
        "import sys, numpy as np; from refboot.viz import spikes;"
        "from refboot.io.event import Event;"
        "spikes.raster(np.eye(3)).savefig(sys.argv[1]); Event([0, 1], None, [0, 0], [0, 1]).show();"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code, "/dev/null"], check=True, capture_output=True, cwd="."
    )


def test_a_raster_has_a_dot_for_every_spike(rng: np.random.Generator) -> None:
    s = (rng.random((3, 4, 9)) < 0.3).astype(np.float32)
    ax = spikes.raster(s).axes[0]
    np.testing.assert_array_equal(offsets(ax), np.argwhere(s.reshape(12, 9))[:, ::-1])
    assert f"{100 * s.mean():.1f} % active" in ax.get_title()


def test_a_membrane_shows_real_units_and_every_spike() -> None:
    v = np.array([4096, 6144, 2048])
    ax = spikes.membrane(v // 2, v, np.float32([0, 1, 0]), 1.25).axes[0]
    lines = {line.get_label(): line for line in ax.get_lines()}
    np.testing.assert_array_equal(lines["voltage v before reset"].get_ydata(), [1, 1.5, 0.5])
    np.testing.assert_array_equal(lines["spike (1 in 3 steps)"].get_xdata(), [1])
    with pytest.raises(ShapeError):
        spikes.membrane(v, v[:2], v, 1.25)


def test_gradients_stand_in_the_order_of_the_blocks_and_zeros_are_left_out() -> None:
    ax = training.gradient_flow(LOG).axes[0]
    assert [line.get_label() for line in ax.get_lines()] == ["blocks.0", "blocks.2", "blocks.10"]
    assert len(ax.get_lines()[1].get_xdata()) == 0
    assert ax.get_yscale() == "log"
    with pytest.raises(RangeError):
        training.gradient_flow([])


def test_a_confusion_matrix_counts() -> None:
    figure = training.confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2]), 3)
    texts = {text.get_position()[::-1]: text.get_text() for text in figure.axes[0].texts}
    assert texts == {(0, 0): "1", (0, 1): "1", (1, 1): "1", (2, 2): "1"}
    assert "75.00 % of 4 right" in figure.axes[0].get_title()
    with pytest.raises(RangeError):
        training.confusion(np.array([0, 3]), np.array([0, 1]), 3)


def test_rates_of_both_halves_are_those_of_the_network(rng: np.random.Generator) -> None:
    neuron = {"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03}
    blocks = [
        cuba.Input(neuron, 1, 0, rng=rng),
        cuba.Dense(neuron, 6, 5, weight_scale=3, rng=rng),
        cuba.Affine(neuron, 5, 3, rng=rng),
    ]
    network = Network(blocks, (6,), 8)
    network.eval()
    x = rng.uniform(-1, 1.5, (20, 6))
    with pytest.raises(OrderError):
        curves.layer_rates(network, x)
    for mode in (Mode.SAMPLE, Mode.FIT):
        network.forward(x, LayerMode(0, mode))
    rates = curves.layer_rates(network, x)
    # As rates, the network may sum a still input in another order.
    np.testing.assert_allclose(
        rates[-1].ann, network.forward(x, LayerMode(0, Mode.ANN))[..., 0], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(
        rates[-1].snn, network.forward(x, LayerMode(0, Mode.SNN)).mean(axis=-1)
    )
    told = curves.alignment(rates[1]).axes[0].get_title()
    assert told == f"mean |ANN - SNN| = {np.abs(rates[1].ann - rates[1].snn).mean():.4f}"


def test_a_history_without_fits_is_refused() -> None:
    with pytest.raises(RangeError):
        curves.history([])


def test_dots_grow_with_the_payload() -> None:
    event = tensor_to_event(np.array([[[1.0, 0.0], [4.0, 2.0]]]))
    sizes = event.show().axes[0].collections[0].get_sizes()
    assert sizes[1] > sizes[2] > sizes[0]


@pytest.mark.parametrize("shape", [(1, 3, 6), (2, 3, 4, 6)])
def test_an_animation_reveals_the_events_in_time(shape: tuple[int, ...]) -> None:
    s = np.zeros(shape)
    s[..., 2] = s[..., 4] = 1
    figure = Figure()
    anim = tensor_to_event(s).anim(figure, frame_rate=1000)
    ax = figure.axes[0]
    seen = []
    for frame in range(7):
        anim._func(frame)
        seen.append(
            len(offsets(ax)) if len(shape) == 3 else int(ax.get_images()[0].get_array().sum())
        )
    anim._draw_was_started = True  # else matplotlib warns that nothing was drawn
    assert seen == ([0, 0, 0, 3, 3, 6, 6] if len(shape) == 3 else [0, 0, 24, 0, 24, 0, 0])


def test_an_animation_of_too_many_frames_is_refused() -> None:
    with pytest.raises(RangeError, match="frames"):
        Event([0], None, [0], [1e9]).anim()
