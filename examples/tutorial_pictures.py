"""The last cells of the tutorial: input pictures beside animations of the network's output.

Needs the extra viz. Run: python examples/tutorial_pictures.py [--run DIR] [--count N]
The page pictures.html and its GIFs go into the run folder DIR (default runs/digits). If it has no
run, the small digits network is trained first, which takes some seconds.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from refboot import files
from refboot.io import state
from refboot.io.event import tensor_to_event
from refboot.network import Network
from refboot.routine import LayerMode, Mode
from refboot.settings import DIGITS, Settings
from refboot.training import Run, build, evaluation_loader

CELL = '<td><img src="{file}" alt="{text}" style="height: 150px; image-rendering: pixelated"/></td>'
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Input and output</title></head>
<body><table><tr><td align="center"><b>Input</b></td><td><b>Output</b></td></tr>
{rows}
</table></body></html>
"""


def best_network(folder: Path) -> tuple[Settings, Network]:
    """The best network of the run in `folder`; trains it first if it does not exist."""
    if not (folder / "best.h5").exists():
        Run(Settings(**DIGITS), folder).run()
    _, notes = state.read(folder / "best.h5")
    settings = Settings.from_dict(notes["settings"])
    network = build(settings, np.random.default_rng(settings.seed))
    state.load(network, folder / "best.h5")
    network.eval()
    return settings, network


def save_input(image: np.ndarray, path: Path) -> None:
    """An image in [-1, 1] as a PNG."""
    side = round(image.size**0.5)
    grey = ((image.reshape(side, side) + 1) * 127.5).round().astype(np.uint8)
    Image.fromarray(grey).convert("RGB").save(path)


def save_output(output: np.ndarray, path: Path, dpi: int) -> None:
    """The read-out's values (K, T) over time as a GIF, one dot each, the larger the higher."""
    event = tensor_to_event(output.reshape(1, len(output), -1))
    figure = Figure(figsize=(10, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    event.anim(figure, frame_rate=2400).save(path, writer=PillowWriter(fps=24), dpi=dpi)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--run", type=Path, default=Path("runs/digits"), help="folder of the run")
    options.add_argument(
        "--data-root", type=Path, help="folder with the MNIST files, for a run on MNIST"
    )
    options.add_argument("--count", type=int, default=5, help="how many images")
    options.add_argument("--dpi", type=int, default=60, help="resolution of the GIFs")
    chosen = options.parse_args()

    settings, network = best_network(chosen.run)
    images, labels = next(iter(evaluation_loader(settings, chosen.data_root)))
    output = network.forward(images[: chosen.count], LayerMode(0, Mode.SNN))
    predicted = output.mean(axis=-1).argmax(axis=1).tolist()
    print(f"labels {labels[: chosen.count].tolist()}, SNN predicts {predicted}")

    folder = chosen.run / "gifs"
    folder.mkdir(exist_ok=True)
    rows = []
    for i, (image, values) in enumerate(zip(images[: chosen.count], output, strict=True)):
        save_input(image, folder / f"inp{i}.png")
        save_output(values, folder / f"out{i}.gif", chosen.dpi)
        cells = CELL.format(file=f"gifs/inp{i}.png", text=f"input {i}") + CELL.format(
            file=f"gifs/out{i}.gif", text=f"output {i}"
        )
        rows.append(f"<tr>{cells}</tr>")
    page = chosen.run / "pictures.html"
    files.replace(page, PAGE.format(rows="\n".join(rows)).encode())
    print(f"Saved: {page}")


if __name__ == "__main__":
    main()
